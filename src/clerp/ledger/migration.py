"""Ledgers of older versions of clerp to today's tables."""

import sqlalchemy as sa
from sqlalchemy.schema import CreateColumn

from clerp.ledger.tables import (
    ANSWERS,
    DECISIONS,
    DECISIONS_BY_PERSON,
    QUEUE,
    QUEUE_BY_FEATURE,
    SCHEMA_VERSION,
    VERSIONS,
)

_ADDED = {
    2: (
        *(ANSWERS.c[name] for name in ("format", "request_id", "seconds", "method", "prompt_hash")),
        *(ANSWERS.c[name] for name in ("schema_version", "parsed", "complaint")),
    ),
    3: tuple(QUEUE.c[name] for name in ("label", "method", "uncertainty")),
    4: (DECISIONS.c.n_wanted,),
    5: (),
}
"""Columns that a version added to the one before; new tables make themselves."""
_MADE = {DECISIONS.name: 3}
"""Versions that came with a table, which in older ledgers has just made itself, complete."""


def migrate(connection: sa.Connection) -> None:
    """Bring the tables up to date, in a transaction that holds the write lock."""
    found = connection.execute(sa.select(VERSIONS.c.version).with_for_update()).scalar_one()
    for version in range(found + 1, SCHEMA_VERSION + 1):
        for added in _ADDED[version]:
            if found < _MADE.get(added.table.name, 1):
                continue
            column = CreateColumn(added).compile(dialect=connection.dialect)
            connection.execute(sa.DDL(f"ALTER TABLE {added.table.name} ADD COLUMN {column}"))
    if found < 3:
        QUEUE_BY_FEATURE.create(connection, checkfirst=True)
    if found < 5:
        DECISIONS_BY_PERSON.create(connection, checkfirst=True)
        connection.execute(sa.DDL("DROP INDEX IF EXISTS ix_decisions_annotator"))
    if found < SCHEMA_VERSION:
        connection.execute(sa.update(VERSIONS).values(version=SCHEMA_VERSION))
