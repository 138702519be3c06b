import errno
import fcntl
import os
from pathlib import Path

import pytest

from clerp.graph.temporary import open_temporary

NAME = ".g.json.0123abcd.tmp"
"""As a writer of g.json that was killed may leave it."""


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "g.json"


def test_it_is_beside_the_target_and_gone_in_the_end(target: Path):
    with open_temporary(target) as temporary:
        assert list(target.parent.iterdir()) == [temporary.path]
        assert os.write(temporary.descriptor, b"new") == 3
    assert list(target.parent.iterdir()) == []


def test_what_was_renamed_stays(target: Path):
    with open_temporary(target) as temporary:
        os.write(temporary.descriptor, b"new")
        temporary.path.replace(target)
    assert [(path, path.read_text()) for path in target.parent.iterdir()] == [(target, "new")]


def test_what_a_killed_writer_left_is_removed(target: Path):
    target.with_name(NAME).write_text("half")
    with open_temporary(target) as temporary:
        assert list(target.parent.iterdir()) == [temporary.path]


def test_what_a_writer_at_work_holds_stays(target: Path):
    with open_temporary(target) as first:
        with open_temporary(target) as second:
            assert sorted(target.parent.iterdir()) == sorted((first.path, second.path))
        assert list(target.parent.iterdir()) == [first.path]


@pytest.mark.parametrize(
    "name", [".h.json.0123abcd.tmp", ".g.json.tmp", ".g.json.0123ABCD.tmp", ".g.json.0123abcd.tmp~"]
)
def test_what_no_writer_of_the_target_left_stays(target: Path, name: str):
    other = target.with_name(name)
    other.touch()
    with open_temporary(target):
        pass
    assert list(target.parent.iterdir()) == [other]


def test_what_is_no_file_stays_and_is_not_waited_for(target: Path):
    os.mkfifo(target.with_name(NAME))
    aside = target.with_name("aside")
    aside.write_text("kept")
    target.with_name(NAME.replace("0", "1")).symlink_to(aside)
    target.with_name(NAME.replace("0", "2")).mkdir()
    before = sorted(target.parent.iterdir())
    with open_temporary(target):
        pass
    assert sorted(target.parent.iterdir()) == before


def test_without_locks_it_works_and_removes_nothing(target: Path, monkeypatch: pytest.MonkeyPatch):
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    left = target.with_name(NAME)
    left.touch()
    with open_temporary(target) as temporary:
        temporary.path.replace(target)
    assert sorted(target.parent.iterdir()) == [left, target]


@pytest.mark.parametrize("moment", ["locked", "removed"])
def test_a_file_that_is_taken_for_an_abandoned_one_is_let_go(
    target: Path, monkeypatch: pytest.MonkeyPatch, moment: str
):
    lock, seen = fcntl.flock, []

    def meet_another(descriptor: int, operation: int) -> None:
        seen.append(descriptor)
        if len(seen) > 1:
            return lock(descriptor, operation)
        for path in target.parent.iterdir():
            path.unlink()
        if moment == "locked":
            raise BlockingIOError
        return lock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", meet_another)
    with open_temporary(target) as temporary:
        assert temporary.path.exists()
    assert len(seen) == 2


def test_a_folder_that_cannot_be_listed_can_be_written_to(
    target: Path, monkeypatch: pytest.MonkeyPatch
):
    def refuse(_: Path) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", refuse)
    with open_temporary(target) as temporary:
        assert temporary.path.exists()
    assert not temporary.path.exists()
