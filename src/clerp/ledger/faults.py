"""What a database's errors mean for a ledger."""

import sqlite3
from collections.abc import Generator
from contextlib import contextmanager

from sqlalchemy.exc import SQLAlchemyError

from clerp.errors import LedgerBusyError, LedgerError

ELSEWHERE = "Name another place with --ledger"
_MAKE_WRITABLE = "Make the file and its folder writable, or name another place with --ledger"
# Codes and their meaning: https://sqlite.org/rescode.html
_SQLITE_FAULTS = {
    "SQLITE_NOTADB": ("this is not a ledger, nor any SQLite database", ELSEWHERE),
    "SQLITE_CORRUPT": ("the ledger is damaged", "Restore it from a copy"),
    "SQLITE_READONLY": ("the ledger is read-only", _MAKE_WRITABLE),
    "SQLITE_CANTOPEN": (
        "the ledger cannot be opened",
        "Make the file and its folder writable, with room on the disk, or name another place with "
        "--ledger",
    ),
    "SQLITE_BUSY": (
        "another process has locked the ledger",
        "Wait until it is done, or name another place with --ledger",
    ),
    "SQLITE_FULL": ("the disk is full", "Make room, then run the same command again"),
    # Also where room ends, or the right to write, when SQLite does not expect it.
    "SQLITE_IOERR": (
        "the disk failed",
        "Check that it works, has room and may be written to, then run the same command again",
    ),
}


@contextmanager
def explain_faults(place: str) -> Generator[None]:
    """Turn database errors into one line that names the ledger.

    Raises:
        LedgerBusyError: Another process has locked it.
        LedgerError: The database failed.
    """
    try:
        yield
    except (SQLAlchemyError, sqlite3.Error) as error:
        raise _explain(error, place) from error


def _explain(error: Exception, place: str) -> LedgerError:
    cause = getattr(error, "orig", None) or error
    # SQLite refines a code by a suffix: SQLITE_READONLY_DIRECTORY.
    refined = str(getattr(cause, "sqlite_errorname", ""))
    for code, (what, remedy) in _SQLITE_FAULTS.items():
        if refined.startswith(code):
            kind = LedgerBusyError if code == "SQLITE_BUSY" else LedgerError
            return kind(what, where=place, remedy=remedy)
    return LedgerError(f"the ledger failed ({cause})", where=place, remedy=ELSEWHERE)
