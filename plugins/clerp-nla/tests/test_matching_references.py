from pathlib import Path

import pytest

from clerp.errors import InputError
from clerp_nla.matching.references import REFERENCE_FILE, load_reference_texts


def write(folder: Path, lines: list[str]) -> Path:
    (folder / REFERENCE_FILE).write_text("\n".join(lines))
    return folder


def test_texts_of_the_pair_come_first(tmp_path: Path) -> None:
    folder = write(tmp_path, [f"text {number}" for number in range(130)] + ["", "  "])

    found = load_reference_texts(folder)

    assert found.texts == tuple(f"text {number}" for number in range(130))
    assert found.name.startswith("reference.txt@")


def test_of_many_texts_some_are_taken_over_all_of_them(tmp_path: Path) -> None:
    folder = write(tmp_path, [str(number) for number in range(1000)])

    found = load_reference_texts(folder, 100)

    assert found.texts == tuple(str(number) for number in range(0, 1000, 10))
    assert found.name == load_reference_texts(folder, 200).name


def test_other_texts_have_another_name(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    one.mkdir()
    other.mkdir()
    write(one, ["a"] * 128)
    write(other, ["b"] * 128)

    assert load_reference_texts(one).name != load_reference_texts(other).name


@pytest.mark.parametrize("has_folder", [True, False])
def test_without_texts_of_its_own_ordinary_text_is_taken(tmp_path: Path, has_folder: bool) -> None:
    found = load_reference_texts(tmp_path if has_folder else None)

    assert found.name.startswith("ordinary-passages@")
    assert len(found.texts) == 512
    assert len(set(found.texts)) > 500
    assert min(len(text) for text in found.texts) > 60


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"a\n" * 127, "127 texts, and a reference takes 128"),
        (b"", "0 texts"),
        (b"a\n" * 130 + b"\xff\xfe", "no UTF-8"),
        (b"a" * (2**22 + 1), "larger than 4194304 bytes"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused(tmp_path: Path, content: bytes, what: str) -> None:
    path = tmp_path / REFERENCE_FILE
    path.write_bytes(content)

    with pytest.raises(InputError, match=what) as told:
        load_reference_texts(tmp_path)
    assert told.value.where == str(path)
