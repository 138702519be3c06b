"""A path or URL to an open ledger."""

import sqlite3
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError

from clerp.errors import LedgerError
from clerp.ledger.engine import check_version, for_writing, make_engine
from clerp.ledger.faults import ELSEWHERE, explain_faults
from clerp.ledger.file import LedgerFile, is_open
from clerp.ledger.ledger import Ledger
from clerp.ledger.migration import migrate
from clerp.ledger.place import mask_password
from clerp.ledger.tables import INSERTS, SCHEMA_VERSION, TABLES, VERSIONS

# SQLAlchemy's own driver for a bare name differs from version to version.
_DRIVERS = {
    **dict.fromkeys(("sqlite", "sqlite+pysqlite"), "sqlite"),
    **dict.fromkeys(("postgresql", "postgresql+psycopg"), "postgresql+psycopg"),
}
_OPENING = 0x636C657270
"""The advisory lock of those who make or change the tables: "clerp" in ASCII."""


def open_ledger(url_or_path: str) -> Ledger:
    """Open the ledger at a path (SQLite) or SQLAlchemy URL, and make it if there is none.

    A file keeps its write-ahead log beside it. A commit is fsynced before it is acknowledged
    (`synchronous=FULL`), since an answer that is lost is paid for twice. A ledger that an older
    clerp made keeps all that it holds and becomes one of today's.

    Args:
        url_or_path: `clerp.db`, `:memory:`, or a URL such as `postgresql+psycopg://host/clerp`.

    Raises:
        LedgerError: There is no such folder, it is no ledger, a newer clerp made it, or it is
            locked for 5 s or read-only, or SQLite is too old. Nothing has changed then.
    """
    url = _read_url(url_or_path)
    place = mask_password(url_or_path)
    if url.get_backend_name() == "sqlite":
        place = mask_password(url.database or ":memory:")
        check_version(sqlite3.sqlite_version_info, place)
        _check_path(url.database or ":memory:", place)
    path = _find_path(url)
    with explain_faults(place):
        is_shared = path is not None and is_open(path)
        engine = make_engine(url, place)
        try:
            _check_owner(engine, place)
            _make_tables(engine)
        except BaseException:  # re-raised: an interrupt too must not leave the file open
            engine.dispose()
            raise
    return Ledger(engine, place, path and LedgerFile.of(path, is_shared=is_shared))


def _find_path(url: sa.URL) -> Path | None:
    if url.get_backend_name() != "sqlite" or url.database in (None, ":memory:"):
        return None
    return Path(str(url.database))


def _read_url(url_or_path: str) -> sa.URL:
    if not url_or_path:
        # SQLite takes "" for a database that is gone when it is closed.
        raise LedgerError("the ledger has no name", remedy="Name a file with --ledger")
    if "://" not in url_or_path:
        return sa.URL.create("sqlite", database=url_or_path)
    try:
        url = sa.make_url(url_or_path)
    except (ArgumentError, ValueError):
        # Their messages may hold a password, and so would a traceback.
        raise _refuse_url() from None
    if "@" in (url.host or ""):
        raise _refuse_url()
    _check_backend(url)
    return url.set(drivername=_DRIVERS[url.drivername])


def _refuse_url() -> LedgerError:
    return LedgerError(
        "the ledger's URL cannot be read",
        remedy="Write a path, or for example postgresql+psycopg://user:password@host/database, "
        "with @ in a password as %40 and / as %2F",
    )


def _check_backend(url: sa.URL) -> None:
    backend = url.get_backend_name()
    if backend not in INSERTS:
        raise LedgerError(
            f"a ledger cannot live in {backend}",
            remedy="Give a path (SQLite) or a postgresql URL",
        )
    if url.drivername not in _DRIVERS:
        raise LedgerError(
            f"a ledger cannot be reached by {url.drivername}",
            remedy="Give a path (SQLite) or a URL that begins with postgresql+psycopg://",
        )
    if backend == "sqlite" and any((url.username, url.password, url.host, url.port)):
        raise LedgerError(
            "a ledger in SQLite is a file, without user or host",
            remedy="Write its path, or sqlite:///PATH",
        )


def _check_path(path: str, place: str) -> None:
    if path == ":memory:":
        return
    folder = Path(path).parent
    if not folder.is_dir():
        if place != path:
            raise _refuse_url()
        raise LedgerError(
            f"the folder {str(folder)!r} does not exist",
            where=place,
            remedy="Make it, or name another place with --ledger",
        )
    if Path(path).is_dir():
        raise LedgerError("this is a folder", where=place, remedy="Name a file in it")


def _check_owner(engine: sa.Engine, place: str) -> None:
    with engine.connect() as connection:
        found = sa.inspect(connection)
        tables = found.get_table_names()
        if not tables:
            return
        ours = "schema_version" in tables and "made_by" in {
            column["name"] for column in found.get_columns("schema_version")
        }
        if not ours:
            raise LedgerError("this is a database of something else", where=place, remedy=ELSEWHERE)
        version = connection.execute(sa.select(VERSIONS.c.version)).scalar()
    if version not in range(1, SCHEMA_VERSION + 1):
        raise LedgerError(
            f"this ledger was made by a newer clerp (schema {version}, not {SCHEMA_VERSION})",
            where=place,
            remedy="Upgrade clerp, or name another place with --ledger",
        )


def _make_tables(engine: sa.Engine) -> None:
    # Also when they are there: this takes the write lock, so that a ledger that cannot be written
    # is known before anything is paid for.
    with for_writing(engine.connect()) as connection, connection.begin():
        if engine.dialect.name == "postgresql":
            # Of two who find no tables, one would fail to make them.
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_OPENING)))
        TABLES.create_all(connection)
        first = INSERTS[engine.dialect.name](VERSIONS).on_conflict_do_nothing()
        connection.execute(first, {"made_by": "clerp", "version": SCHEMA_VERSION})
        migrate(connection)
    if engine.dialect.name == "sqlite":
        _use_write_ahead_log(engine)


def _use_write_ahead_log(engine: sa.Engine) -> None:
    # Not at connect: it changes the file, which may turn out to be somebody else's; and SQLite
    # does not allow it inside a transaction, which SQLAlchemy's own connection would begin.
    connection = engine.raw_connection()
    try:
        connection.cursor().execute("PRAGMA journal_mode=WAL")
    finally:
        connection.close()
