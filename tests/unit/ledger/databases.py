"""What a ledger's database holds and does, whichever it is."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa

from clerp.ledger.tables import TABLES


@contextmanager
def connect(url: str) -> Generator[sa.Connection]:
    """Connect as another program does, in one transaction."""
    named = url if "://" in url else f"sqlite:///{url}"
    engine = sa.create_engine(named, poolclass=sa.NullPool)
    with engine.begin() as connection:
        yield connection


def ask(url: str, statement: str) -> list[tuple[Any, ...]]:
    with connect(url) as connection:
        done = connection.exec_driver_sql(statement)
        return [tuple(row) for row in done] if done.returns_rows else []


def list_indexes(url: str) -> list[str]:
    """Return the names of the indexes of all tables, sorted."""
    with connect(url) as connection:
        found = sa.inspect(connection).get_multi_indexes().values()
    return sorted(str(index["name"]) for indexes in found for index in indexes)


def dump(url: str) -> dict[str, list[str]]:
    """Return the rows of every table; on a server with their place and who wrote them."""
    with connect(url) as connection:
        hidden = ", xmin, ctid" if connection.dialect.name == "postgresql" else ", rowid"
        return {
            table.name: sorted(
                str(row) for row in connection.exec_driver_sql(f"SELECT *{hidden} FROM {table}")
            )
            for table in TABLES.sorted_tables
        }


@contextmanager
def lock(url: str) -> Generator[sa.Connection]:
    """Let nobody else write to a ledger."""
    with connect(url) as connection:
        if connection.dialect.name == "postgresql":
            names = ", ".join(table.name for table in TABLES.sorted_tables)
            connection.exec_driver_sql(f"LOCK TABLE {names} IN EXCLUSIVE MODE")
        else:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        yield connection


def add_trigger(connection: sa.Connection, when: str, act: str) -> None:
    """Let a statement run whenever a row changes.

    Args:
        connection: To the database.
        when: As `AFTER INSERT ON queue`.
        act: The statement; it may speak of NEW or OLD.
    """
    name = when.replace(" ", "_").lower()
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql(f"CREATE TRIGGER {name} {when} BEGIN {act}; END")
        return
    connection.exec_driver_sql(
        f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql"
        f" AS $$ BEGIN {act}; RETURN NEW; END $$"
    )
    connection.exec_driver_sql(
        f"CREATE TRIGGER {name} {when} FOR EACH ROW EXECUTE FUNCTION {name}()"
    )
