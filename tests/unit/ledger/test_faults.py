"""Real faults of a database, by the ledger's name."""

import os
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.unit.ledger.databases import ask
from tests.unit.ledger.records import make_answer

from clerp.errors import LedgerBusyError, LedgerError
from clerp.ledger import engine, mask_password, open_ledger

NOBODY = 65534


@pytest.fixture
def as_nobody() -> Iterator[None]:
    """The superuser may write anywhere: become somebody to whom permissions apply."""
    before = os.geteuid()
    if before == 0:
        os.seteuid(NOBODY)
    yield
    os.seteuid(before)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that any user can reach, unlike tmp_path."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)
        Path(folder).chmod(0o755)


def test_a_read_only_file_is_refused(open_folder: Path, request: pytest.FixtureRequest):
    path = open_folder / "clerp.db"
    open_ledger(str(path)).close()
    path.chmod(0o444)
    open_folder.chmod(0o555)
    before = path.read_bytes()
    request.getfixturevalue("as_nobody")
    with pytest.raises(LedgerError, match=r"clerp.db: the ledger (is read-only|cannot be opened)"):
        open_ledger(str(path))
    assert path.read_bytes() == before


def test_a_read_only_folder_is_refused(open_folder: Path, request: pytest.FixtureRequest):
    open_folder.chmod(0o555)
    request.getfixturevalue("as_nobody")
    with pytest.raises(LedgerError, match=r"the ledger cannot be opened.*writable"):
        open_ledger(str(open_folder / "clerp.db"))


def test_a_locked_ledger_says_so(path: Path, monkeypatch: pytest.MonkeyPatch):
    open_ledger(str(path)).close()
    monkeypatch.setattr(engine, "BUSY_TIMEOUT_SECONDS", 0.05)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(LedgerBusyError, match="another process has locked the ledger") as caught:
        open_ledger(str(path))
    assert caught.value.exit_code == 2
    other.close()


def test_a_ledger_damaged_while_open_fails_with_its_name(url: str):
    with open_ledger(url) as ledger:
        ask(url, "DROP TABLE answers")
        with pytest.raises(LedgerError, match=r"the ledger failed \(.*answers") as caught:
            ledger.record_answer(make_answer())
    assert str(caught.value).startswith(f"{mask_password(url)}: ")
