"""The way to a database: driver, pool, and how its transactions begin."""

import logging
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.exc import NoSuchModuleError
from sqlalchemy.pool import QueuePool

from clerp.errors import LedgerError

BUSY_TIMEOUT_SECONDS = 5.0
_LOG_BUG_FIXED = (3, 51, 3)

_log = logging.getLogger("clerp")


def make_engine(url: sa.URL, place: str) -> sa.Engine:
    """Make an engine for a URL; nothing is opened yet.

    Raises:
        LedgerError: The driver is not installed.
    """
    try:
        return _make_sqlite(url) if url.get_backend_name() == "sqlite" else sa.create_engine(url)
    except (NoSuchModuleError, ModuleNotFoundError) as missing:
        raise LedgerError(
            f"the database driver is not installed ({missing})",
            where=place,
            remedy="Install it beside clerp, for example: pip install 'psycopg[binary]'",
        ) from missing


def for_writing(connection: sa.Connection) -> sa.Connection:
    """Let a connection's next transaction take the write lock when it begins."""
    return connection.execution_options(clerp_writes=True)


@cache
def warn_of_log_bug(version: tuple[int, int, int]) -> None:
    """Say once that two processes should not write with a SQLite of this version.

    From 3.7.0 to 3.51.2 a write and a checkpoint at the same moment, by two connections of one
    process or of two, can damage the write-ahead log: https://sqlite.org/wal.html#walresetbug
    """
    if version < _LOG_BUG_FIXED:
        _log.warning(
            "Another run writes to this ledger, too. SQLite before 3.51.3 (here %s) can, very "
            "rarely, damage a file that two processes write: let one run end first, upgrade "
            "SQLite, or use a ledger in PostgreSQL",
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
    writes = connection.get_execution_options().get("clerp_writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
