"""Ledgers that cannot be used."""

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from tests.command_line import assert_refused
from tests.integration.bad_input.workplace import Workplace

from clerp.ledger import SCHEMA_VERSION, open_ledger


def make_other_database(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE songs (title)")


def make_newer_ledger(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE schema_version (made_by TEXT PRIMARY KEY, version INT)")
        connection.execute("INSERT INTO schema_version VALUES ('clerp', 99)")


def make_damaged_ledger(path: Path) -> None:
    open_ledger(str(path)).close()
    os.truncate(path, 5000)


def make_read_only_ledger(path: Path) -> None:
    """Say so in the file itself, since permissions do not bind every user.

    A write version above 2 in the header makes a database read-only
    (https://www.sqlite.org/fileformat.html#file_format_version_numbers).
    """
    make_newer_ledger(path)
    with path.open("r+b") as file:
        file.seek(18)
        file.write(b"\x03")


ELSEWHERE = "name another place with --ledger"
NEWER = f"made by a newer clerp (schema 99, not {SCHEMA_VERSION})"
LEDGERS = {
    "a text": (lambda path: path.write_bytes(b"text, " * 1000), "this is not a ledger", "Name"),
    "a folder": (Path.mkdir, "this is a folder", "Name a file in it"),
    "another database": (make_other_database, "this is a database of something else", "Name"),
    "of a newer clerp": (
        make_newer_ledger,
        f"newer clerp (schema 99, not {SCHEMA_VERSION})",
        ELSEWHERE,
    ),
    "damaged": (make_damaged_ledger, "the ledger is damaged", "Restore it from a copy"),
}


@pytest.mark.parametrize(("make", "what", "remedy"), LEDGERS.values(), ids=LEDGERS)
def test_a_ledger_that_cannot_be_used_is_named_and_left_alone(
    place: Workplace, make: Callable[[Path], object], what: str, remedy: str
) -> None:
    ledger = place.folder / "other.db"
    make(ledger)

    place.assert_label_refused(f"clerp: {ledger}: ", what, remedy, flags=("--ledger", ledger))


def test_a_read_only_ledger_is_named_and_left_alone(place: Workplace) -> None:
    with place.ledger.open("r+b") as file:
        file.seek(18)
        file.write(b"\x03")

    place.assert_label_refused(f"clerp: {place.ledger}: the ledger is read-only", ELSEWHERE)


@pytest.mark.parametrize("name", ["none/ledger.db", "out.json/ledger.db"])
def test_a_ledger_in_no_folder_is_named(place: Workplace, name: str) -> None:
    path = place.folder / name

    place.assert_label_refused(
        f"clerp: {path}: the folder '{path.parent}' does not exist",
        ELSEWHERE,
        flags=("--ledger", path),
    )


def test_a_password_in_the_url_of_a_ledger_is_not_shown(place: Workplace) -> None:
    outcome = place.label("--ledger", "mysql://me:secret@host/clerp")

    assert_refused(outcome, "a ledger cannot live in mysql", "Give a path")
    assert "secret" not in outcome.err
