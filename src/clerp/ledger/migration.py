"""Ledgers of older versions of clerp to today's tables."""

import sqlalchemy as sa
from sqlalchemy.schema import CreateColumn

from clerp.ledger.tables import ANSWERS, SCHEMA_VERSION, VERSIONS

_ADDED = {
    2: (
        *("format", "request_id", "seconds", "method", "prompt_hash"),
        *("schema_version", "parsed", "complaint"),
    ),
}
"""Columns of `answers` that a version added to the one before; new tables make themselves."""


def migrate(connection: sa.Connection) -> None:
    """Bring the tables up to date, in a transaction that holds the write lock."""
    found = connection.execute(sa.select(VERSIONS.c.version).with_for_update()).scalar_one()
    for version in range(found + 1, SCHEMA_VERSION + 1):
        for name in _ADDED[version]:
            column = CreateColumn(ANSWERS.c[name]).compile(dialect=connection.dialect)
            connection.execute(sa.DDL(f"ALTER TABLE answers ADD COLUMN {column}"))
    if found < SCHEMA_VERSION:
        connection.execute(sa.update(VERSIONS).values(version=SCHEMA_VERSION))
