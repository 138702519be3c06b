"""Rows in the place of those with the same key."""

from collections.abc import Mapping

import sqlalchemy as sa

from clerp.ledger.tables import INSERTS


def make_renewals(table: sa.Table) -> Mapping[str, sa.Insert]:
    """Make, by database, the statement that inserts a row or brings the one there up to date."""
    keys = list(table.primary_key.columns)
    others = [column.name for column in table.columns if column not in set(keys)]
    return {
        name: insert.on_conflict_do_update(
            index_elements=keys, set_={column: insert.excluded[column] for column in others}
        )
        for name, insert in ((name, make(table)) for name, make in INSERTS.items())
    }
