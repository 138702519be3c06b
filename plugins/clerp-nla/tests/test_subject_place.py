from pathlib import Path

import pytest

from clerp.errors import NotAvailableError, UsageError
from clerp_nla.subject import place as places
from clerp_nla.subject.place import find_subject

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def fetched(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """Names of repositories that were asked for."""
    asked: list[str] = []

    def fetch(repository: str, revision: str | None = None) -> Path:
        asked.append(repository if revision is None else f"{repository} at {revision}")
        return tmp_path / "hub" / COMMIT

    monkeypatch.setattr(places, "fetch_repository", fetch)
    return asked


def make_pair(tmp_path: Path) -> Path:
    folder = tmp_path / "pair"
    (folder / "subject").mkdir(parents=True)
    (folder / "subject" / "config.json").write_text("{}")
    return folder


def test_the_model_beside_the_pair_comes_first(tmp_path: Path, fetched: list[str]) -> None:
    folder = make_pair(tmp_path)

    found = find_subject(folder, "owner/base")

    assert (found.folder, found.commit) == (folder / "subject", "")
    assert not fetched


def test_else_the_base_is_fetched(tmp_path: Path, fetched: list[str]) -> None:
    found = find_subject(tmp_path, "Qwen/Qwen2.5-7B-Instruct")

    assert (found.folder.name, found.find_revision()) == (COMMIT, COMMIT)
    assert find_subject(None, "Qwen/Qwen2.5-7B-Instruct") == found
    assert fetched == ["Qwen/Qwen2.5-7B-Instruct"] * 2


@pytest.mark.parametrize("base", ["/data/models/base", "base", "../x/y", "~/x", "a/b/c", "-x/y"])
def test_a_base_that_is_no_name_on_the_hub_is_not_followed(
    base: str, tmp_path: Path, fetched: list[str]
) -> None:
    with pytest.raises(NotAvailableError, match="nobody says where that is") as told:
        find_subject(tmp_path, base)
    assert "nla:PAIR,MODEL" in told.value.remedy
    assert not fetched


def test_what_the_user_names_comes_before_all(tmp_path: Path, fetched: list[str]) -> None:
    folder = make_pair(tmp_path)
    mine = tmp_path / "mine"
    mine.mkdir()

    assert find_subject(folder, "owner/base", str(mine)).folder == mine.resolve()
    assert find_subject(folder, "owner/base", "owner/Base").commit == COMMIT
    assert fetched == ["owner/Base"]


def test_a_revision_may_be_named(fetched: list[str]) -> None:
    assert find_subject(None, "owner/base", "owner/base@v1.0").commit == COMMIT
    assert fetched == ["owner/base at v1.0"]


def test_another_model_than_the_pairs_is_not_available(fetched: list[str]) -> None:
    with pytest.raises(NotAvailableError, match="trained on 'owner/base-it', not on 'owner/base'"):
        find_subject(None, "owner/base-it", "owner/base")
    assert not fetched


@pytest.mark.parametrize("named", ["nowhere", "a/b/c", "a/b c", "a/b@", "a/b@../x"])
def test_what_is_neither_folder_nor_name_is_refused(named: str, fetched: list[str]) -> None:
    with pytest.raises(UsageError, match="neither a folder nor OWNER/NAME"):
        find_subject(None, "owner/base", named)
    assert not fetched


def test_a_folder_has_the_revision_of_its_files(tmp_path: Path) -> None:
    subject = find_subject(make_pair(tmp_path), "owner/base")
    before = subject.find_revision()

    assert subject.find_revision() == before
    (subject.folder / "config.json").write_text('{"hidden_size": 2}')
    assert subject.find_revision() != before
