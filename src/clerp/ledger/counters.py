"""How often a part of the ledger changed."""

from typing import Literal

import sqlalchemy as sa

from clerp.ledger.tables import COUNTERS, INSERTS

Counted = Literal["queue", "decisions"]

_COUNT = {
    name: insert.on_conflict_do_update(
        index_elements=[COUNTERS.c.name], set_={"value": COUNTERS.c.value + 1}
    ).returning(COUNTERS.c.value)
    for name, insert in ((name, make(COUNTERS)) for name, make in INSERTS.items())
}


def count_change(connection: sa.Connection, name: Counted) -> int:
    """Let readers know, once this is committed, that what they have read is old.

    Others who count wait until then, so that counts are in the order in which changes are seen.

    Returns:
        The count.
    """
    counted = connection.execute(_COUNT[connection.dialect.name], {"name": name, "value": 1})
    return counted.scalar_one()


def read_counts(connection: sa.Connection) -> dict[str, int]:
    """Return how often each part changed; one that never did is not among them."""
    return {row.name: row.value for row in connection.execute(sa.select(COUNTERS))}
