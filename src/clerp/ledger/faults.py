"""What a database's errors mean for a ledger."""

import sqlite3
from collections.abc import Generator
from contextlib import contextmanager

from sqlalchemy.exc import OperationalError, SQLAlchemyError

from clerp.errors import LedgerBusyError, LedgerError

ELSEWHERE = "Name another place with --ledger"
_MAKE_WRITABLE = "Make the file and its folder writable, or name another place with --ledger"
_MAKE_ROOM = "Make room, then run the same command again"
_LOCKED = (
    "another process has locked the ledger",
    "Wait until it is done, or name another place with --ledger",
)
_UNREACHABLE = "Check that it runs, and the host, user, password and database of the URL"
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
    "SQLITE_BUSY": _LOCKED,
    "SQLITE_FULL": ("the disk is full", _MAKE_ROOM),
    # Also where room ends, or the right to write, when SQLite does not expect it.
    "SQLITE_IOERR": (
        "the disk failed",
        "Check that it works, has room and may be written to, then run the same command again",
    ),
}
# Likewise: https://www.postgresql.org/docs/current/errcodes-appendix.html
_POSTGRESQL_FAULTS = {
    "55P03": _LOCKED,
    "40P01": _LOCKED,
    "25006": ("the ledger is read-only", "Name a server that may be written to with --ledger"),
    "42501": (
        "the ledger's user may not write there",
        "Let the user make tables in the schema and write to them, or name another place with "
        "--ledger",
    ),
    "53100": ("the server's disk is full", _MAKE_ROOM),
    "57P": ("the server is going down", "Run the same command again when it is back"),
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
    code = _read_code(cause)
    for known, fault in (_SQLITE_FAULTS | _POSTGRESQL_FAULTS).items():
        # Both refine by a suffix: SQLITE_READONLY_DIRECTORY, 57P01.
        if code.startswith(known):
            what, remedy = fault
            kind = LedgerBusyError if fault is _LOCKED else LedgerError
            return kind(what, where=place, remedy=remedy)
    told = " ".join(str(cause).split())
    if isinstance(error, OperationalError) and not code:
        # libpq has no code for what goes wrong outside a session.
        what = f"the server does not answer, or lets nobody in ({told})"
        return LedgerError(what, where=place, remedy=_UNREACHABLE)
    return LedgerError(f"the ledger failed ({told})", where=place, remedy=ELSEWHERE)


def _read_code(cause: BaseException) -> str:
    codes = (getattr(cause, name, None) for name in ("sqlite_errorname", "sqlstate"))
    return next((str(code) for code in codes if code), "")
