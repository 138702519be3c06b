"""A ledger whose file is gone takes nothing more; who shares a file is told what that may do."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest
from tests.unit.ledger.records import make_answer

from clerp.errors import LedgerError
from clerp.ledger import open_ledger
from clerp.ledger.engine import warn_of_log_bug

HOLD = """
import sys
from clerp.ledger import open_ledger

with open_ledger(sys.argv[1]) as ledger:
    ledger.find_answer("a")
    print("open", flush=True)
    input()
"""


@contextmanager
def hold(path: Path) -> Iterator[None]:
    """Let another process have a ledger open, and kill it."""
    command = [sys.executable, "-c", HOLD, path]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        try:
            yield
        finally:
            process.kill()


@pytest.fixture
def version(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A version of SQLite, of which nobody was warned yet."""
    warn_of_log_bug.cache_clear()
    known = SimpleNamespace(sqlite_version_info=getattr(request, "param", (3, 51, 2)))
    monkeypatch.setattr("clerp.ledger.ledger.sqlite3", known)
    yield
    warn_of_log_bug.cache_clear()


@pytest.mark.parametrize(
    ("version", "times"), [((3, 51, 2), 1), ((3, 51, 3), 0)], indirect=["version"]
)
def test_who_writes_to_a_file_that_is_open_elsewhere_is_warned_once_where_that_may_damage_it(
    path: Path, caplog: pytest.LogCaptureFixture, version: None, times: int
):
    with hold(path), open_ledger(str(path)) as ledger:
        ledger.find_answer("a")
        assert caplog.messages == []
        for key in "abc":
            ledger.record_answer(make_answer(key))
    assert len(caplog.messages) == times
    assert all("SQLite before 3.51.3 (here 3.51.2)" in message for message in caplog.messages)


def test_a_file_that_this_process_has_open_twice_is_warned_of(
    path: Path, caplog: pytest.LogCaptureFixture, version: None
):
    with open_ledger(str(path)) as first:
        first.record_answer(make_answer("a"))
        assert caplog.messages == []
        with open_ledger(str(path)) as second:
            second.record_answer(make_answer("b"))
    assert len(caplog.messages) == 1


def test_a_file_is_known_by_its_link(
    path: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, version: None
):
    (tmp_path / "folder").mkdir()
    link = tmp_path / "folder" / "link.db"
    link.symlink_to(path)
    with hold(path), open_ledger(str(link)) as ledger:
        ledger.record_answer(make_answer("a"))
    assert len(caplog.messages) == 1


def test_a_file_that_a_killed_process_left_open_is_warned_of_by_nobody(
    path: Path, caplog: pytest.LogCaptureFixture, version: None
):
    with hold(path):
        pass
    assert path.with_name("clerp.db-wal").exists()
    with open_ledger(str(path)) as ledger:
        ledger.record_answer(make_answer("a"))
    assert caplog.messages == []


def test_nothing_is_written_into_a_deleted_file(path: Path):
    with open_ledger(str(path)) as ledger:
        ledger.record_answer(make_answer("a"))
        path.unlink()
        with pytest.raises(LedgerError, match="was deleted"):
            ledger.record_answer(make_answer("b"))


def test_nothing_is_written_where_another_file_is_in_its_place(path: Path, tmp_path: Path):
    with open_ledger(str(path)) as ledger:
        path.rename(tmp_path / "moved.db")
        open_ledger(str(path)).close()
        with pytest.raises(LedgerError, match="was replaced"):
            ledger.record_answer(make_answer("b"))
    with open_ledger(str(path)) as other:
        assert other.find_answer("b") is None


def test_a_file_that_is_put_back_is_used_again(path: Path, tmp_path: Path):
    with open_ledger(str(path)) as ledger:
        path.rename(tmp_path / "moved.db")
        with pytest.raises(LedgerError):
            ledger.record_answer(make_answer("a"))
        (tmp_path / "moved.db").rename(path)
        ledger.record_answer(make_answer("a"))
    with open_ledger(str(path)) as again:
        assert again.find_answer("a") == make_answer("a")
