"""Places where a ledger can be opened, and places that are left alone."""

import sqlite3
from pathlib import Path

import pytest
from tests.unit.ledger.records import make_answer

from clerp.errors import LedgerError
from clerp.ledger import open_ledger


def test_a_missing_folder_is_named(tmp_path: Path):
    with pytest.raises(LedgerError, match=r"no/clerp.db: the folder .* does not exist"):
        open_ledger(str(tmp_path / "no" / "clerp.db"))
    assert list(tmp_path.iterdir()) == []


def test_a_folder_is_no_ledger(tmp_path: Path):
    with pytest.raises(LedgerError, match="this is a folder"):
        open_ledger(str(tmp_path))


@pytest.mark.parametrize("garbage", [b"{}" * 1000, b"SQLite format 3\0" + b"\xff" * 4096])
def test_a_file_that_is_no_database_is_left_alone(path: Path, garbage: bytes):
    path.write_bytes(garbage)
    with pytest.raises(LedgerError, match=r"clerp.db: .*--ledger"):
        open_ledger(str(path))
    assert path.read_bytes() == garbage
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("table", ["notes (body)", "schema_version (number)"])
def test_a_database_of_something_else_is_left_alone(path: Path, table: str):
    with sqlite3.connect(path) as connection:
        connection.execute(f"CREATE TABLE {table}")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(LedgerError, match="database of something else"):
        open_ledger(str(path))
    assert path.read_bytes() == before


def test_a_newer_schema_is_refused_and_left_alone(path: Path):
    open_ledger(str(path)).close()
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE schema_version SET version = 3")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(LedgerError, match=r"made by a newer clerp \(schema 3, not 2\)"):
        open_ledger(str(path))
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("mysql://host/db", "cannot live in mysql"),
        ("://secret", "URL cannot be read"),
        ("postgresql+nonesuch://user:secret@host/db", r"user:\*\*\*@host.*not installed"),
        ("postgresql+nonesuch://host/db?password=secret", r"host/db\?\*\*\*: .*not installed"),
        ("postgresql://user:secret/db", "URL cannot be read"),
        ("postgresql://user:p@secret@host/db", "URL cannot be read.*%40"),
        ("postgresql:/user:secret@host/db", "URL cannot be read"),
        ("sqlite://user:p@secret@host/db", "URL cannot be read"),
        ("sqlite://user:secret@host/db", "without user or host"),
        ("sqlite://host/db", "without user or host"),
    ],
)
def test_a_url_that_cannot_be_used_is_explained(url: str, said: str):
    with pytest.raises(LedgerError, match=said) as caught:
        open_ledger(url)
    assert "secret" not in str(caught.value)


def test_a_url_of_sqlite_is_the_same_ledger(path: Path):
    with open_ledger(f"sqlite:///{path}") as by_url:
        by_url.record_answer(make_answer())
    with open_ledger(str(path)) as by_path:
        assert by_path.find_answer("k") == make_answer()


def test_opening_a_ledger_again_writes_nothing(path: Path):
    def describe() -> dict[str, tuple[int, bytes]]:
        return {
            one.name: (one.stat().st_mtime_ns, one.read_bytes()) for one in path.parent.iterdir()
        }

    with open_ledger(str(path)) as ledger:
        ledger.record_answer(make_answer())
    before = describe()
    for _ in range(2):
        with open_ledger(str(path)) as ledger:
            assert ledger.find_answer("k") == make_answer()
        assert describe() == before
