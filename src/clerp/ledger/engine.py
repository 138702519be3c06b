"""The way to a database: driver, pool, and how its transactions begin."""

import logging
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.pool import QueuePool

from clerp.errors import LedgerError

BUSY_TIMEOUT_SECONDS = 5.0
_CONNECT_SECONDS = "10"
_RETURNING_ADDED = (3, 35, 0)
_LOG_BUG_FIXED = (3, 51, 3)

_WRITING: dict[str, dict[str, Any]] = {
    "sqlite": {"clerp_writes": True},
    "postgresql": {"clerp_writes": True, "isolation_level": "READ COMMITTED"},
}

_log = logging.getLogger("clerp")


def make_engine(url: sa.URL, place: str) -> sa.Engine:
    """Make an engine for a URL; nothing is opened yet.

    Raises:
        LedgerError: The driver is not installed.
    """
    try:
        return _MAKERS[url.get_backend_name()](url)
    except ImportError as missing:
        # psycopg goes on about every library that it tried.
        told, *_ = str(missing).splitlines()
        raise LedgerError(
            f"the database driver is not installed ({told})",
            where=place,
            remedy="Install it beside clerp, for example: pip install 'psycopg[binary]'",
        ) from missing


def for_writing(connection: sa.Connection) -> sa.Connection:
    """Let a connection's next transaction write.

    In a file it takes the write lock when it begins. On a server each of its statements sees what
    others have committed; a transaction that only reads sees all as it was when it began.
    """
    return connection.execution_options(**_WRITING[connection.dialect.name])


def keep_others_from(connection: sa.Connection, table: sa.Table) -> None:
    """Let nobody else write to a table until a transaction `for_writing` ends; any may read it.

    In a file nobody else writes at all, and a transaction that only reads needs no such thing.
    """
    if connection.dialect.name == "postgresql" and _writes(connection):
        connection.execute(sa.DDL(f"LOCK TABLE {table.name} IN SHARE ROW EXCLUSIVE MODE"))


def check_version(version: tuple[int, int, int], place: str) -> None:
    """Make sure that SQLite knows the statements that a ledger needs.

    Raises:
        LedgerError: It is older than 3.35 (2021), and has no RETURNING.
    """
    if version < _RETURNING_ADDED:
        raise LedgerError(
            f"a ledger needs SQLite 3.35 or newer, and Python here has "
            f"{'.'.join(map(str, version))}",
            where=place,
            remedy="Use a Python with a newer one, or a ledger in PostgreSQL",
        )


@cache
def warn_of_log_bug(version: tuple[int, int, int]) -> None:
    """Say once that two should not write to a file with a SQLite of this version.

    From 3.7.0 to 3.51.2 a write and a checkpoint at the same moment, by two connections of one
    process or of two, can damage the write-ahead log: https://sqlite.org/wal.html#walresetbug
    """
    if version < _LOG_BUG_FIXED:
        _log.warning(
            "This ledger is open elsewhere, too. SQLite before 3.51.3 (here %s) can, very rarely, "
            "damage a file that two processes write: let one end first, upgrade SQLite, or use a "
            "ledger in PostgreSQL",
            ".".join(map(str, version)),
        )


def _make_sqlite(url: sa.URL) -> sa.Engine:
    # One connection: `:memory:` is one database a connection, and so no two of this process can
    # meet the bug of `warn_of_log_bug`. It does not keep another process from doing so.
    engine = sa.create_engine(
        url,
        poolclass=QueuePool,
        pool_size=1,
        max_overflow=0,
        connect_args={"timeout": BUSY_TIMEOUT_SECONDS, "check_same_thread": False},
    )
    event.listen(engine, "connect", _set_up)
    event.listen(engine, "begin", _begin)
    return engine


def _set_up(connection: Any, _: object) -> None:  # noqa: ANN401 - sqlite3's own, untyped here
    # sqlite3's implicit BEGIN leaves statements that define tables outside the transaction.
    connection.isolation_level = None
    connection.execute("PRAGMA foreign_keys=ON")
    connection.execute("PRAGMA synchronous=FULL")


def _begin(connection: sa.Connection) -> None:
    # A read that turns into a write fails at once when another process wrote in between, whatever
    # the busy timeout: a writer takes the lock first.
    connection.exec_driver_sql("BEGIN IMMEDIATE" if _writes(connection) else "BEGIN")


def _writes(connection: sa.Connection) -> bool:
    return connection.get_execution_options().get("clerp_writes", False)


def _make_postgresql(url: sa.URL) -> sa.Engine:
    engine = sa.create_engine(
        url.set(query={"connect_timeout": _CONNECT_SECONDS, **url.query}),
        # What a file gives to those who read, whatever the server's own default.
        isolation_level="REPEATABLE READ",
        # A server may restart while calls are in flight.
        pool_pre_ping=True,
    )
    event.listen(engine, "connect", _set_up_session)
    return engine


def _set_up_session(connection: Any, _: object) -> None:  # noqa: ANN401 - psycopg is optional
    settings = {
        # A server may acknowledge what is not on its disk yet.
        "synchronous_commit": "on",
        "lock_timeout": f"{round(BUSY_TIMEOUT_SECONDS * 1000)}ms",
        "timezone": "UTC",
    }
    for name, value in settings.items():
        connection.execute(f"SET {name} = '{value}'")
    connection.commit()


_MAKERS = {"sqlite": _make_sqlite, "postgresql": _make_postgresql}
