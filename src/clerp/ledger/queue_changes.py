"""What a run changes in the queue."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from clerp.ledger.counters import count_change
from clerp.ledger.engine import keep_others_from
from clerp.ledger.queue import IS_OPEN, list_links, make_row
from clerp.ledger.record import QueueItem, Shown, TranscoderSet
from clerp.ledger.snapshots import SnapshotChanges, drop_unlinked, find_snapshot_changes
from clerp.ledger.tables import INSERTS, QUEUE, QUEUE_GRAPHS, VERDICTS

_KEPT = {"feature_key", "first_run", "decided"}
_RENEWED = tuple(column.name for column in QUEUE.c if column.name not in _KEPT)
_UNLINK = sa.delete(QUEUE_GRAPHS).where(
    QUEUE_GRAPHS.c.feature_key == sa.bindparam("stale_key"),
    QUEUE_GRAPHS.c.graph == sa.bindparam("stale_graph"),
)
_DROP_UNWANTED = sa.delete(QUEUE).where(
    IS_OPEN, QUEUE.c.feature_key.not_in(sa.select(QUEUE_GRAPHS.c.feature_key))
)
# A feature may be decided before a run sees it.
_MARK_DECIDED = (
    sa.update(QUEUE)
    .where(
        IS_OPEN,
        QUEUE.c.feature_key.in_(
            sa.select(VERDICTS.c.feature_key).where(VERDICTS.c.label.is_not(None))
        ),
    )
    .values(decided=True)
)
_UPSERT = {
    name: insert.on_conflict_do_update(
        index_elements=[QUEUE.c.feature_key],
        set_={column: insert.excluded[column] for column in _RENEWED},
        where=IS_OPEN,
    )
    for name, insert in ((name, make(QUEUE)) for name, make in INSERTS.items())
}
_LINK = {name: make(QUEUE_GRAPHS).on_conflict_do_nothing() for name, make in INSERTS.items()}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the queue of some graphs should be."""

    transcoders: TranscoderSet
    graphs: frozenset[str]
    rows: dict[str, dict[str, object]]
    """Of `queue`, by key."""
    links: frozenset[tuple[str, str]]
    """Of `queue_graphs`."""
    shown: Shown

    @staticmethod
    def of(
        items: Sequence[QueueItem],
        transcoders: TranscoderSet,
        graphs: Sequence[str],
        run_id: str,
        shown: Shown,
    ) -> "Wanted":
        """See `Ledger.queue_features`."""
        rows = [make_row(item, run_id) for item in items]
        return Wanted(
            transcoders=transcoders,
            graphs=frozenset(graphs),
            rows={str(row["feature_key"]): row for row in rows},
            links=frozenset(link for item in items for link in list_links(item)),
            shown=shown,
        )


@dataclass(frozen=True, slots=True)
class QueueChanges:
    """What makes the queue as it should be; false where it is so already."""

    rows: list[dict[str, object]]
    stale_links: list[tuple[str, str]]
    new_links: list[tuple[str, str]]
    snapshots: SnapshotChanges

    def __bool__(self) -> bool:
        return bool(self.rows or self.stale_links or self.new_links or self.snapshots)

    def write(self, connection: sa.Connection) -> None:
        """Make the changes, and drop the features that no graph waits for any more."""
        name = connection.dialect.name
        if self.stale_links:
            stale = [{"stale_key": key, "stale_graph": graph} for key, graph in self.stale_links]
            connection.execute(_UNLINK, stale)
        if self.rows:
            connection.execute(_UPSERT[name], self.rows)
            connection.execute(_MARK_DECIDED)
        if self.new_links:
            added = [{"feature_key": key, "graph": graph} for key, graph in self.new_links]
            connection.execute(_LINK[name], added)
        connection.execute(_DROP_UNWANTED)
        for rows in self.snapshots.make():
            rows.write(connection)
        drop_unlinked(connection)
        count_change(connection, "queue")


def find_changes(connection: sa.Connection, wanted: Wanted) -> QueueChanges:
    """Compare the queue with what it should be; who changes it next does so alone."""
    # On a server, one who drops a feature would not see that another one just came to want it.
    keep_others_from(connection, QUEUE)
    of_set = (
        QUEUE.c.transcoder_set == wanted.transcoders.name,
        QUEUE.c.revision == wanted.transcoders.revision,
    )
    queued = {
        row["feature_key"]: row
        for row in connection.execute(sa.select(QUEUE).where(*of_set)).mappings()
    }
    linked = sa.select(QUEUE_GRAPHS).join(QUEUE).where(*of_set)
    links = {(row.feature_key, row.graph) for row in connection.execute(linked)}
    return QueueChanges(
        rows=[row for key, row in wanted.rows.items() if _differs(row, queued.get(key))],
        stale_links=sorted(
            (key, graph)
            for key, graph in links - wanted.links
            if graph in wanted.graphs and not queued[key]["decided"]
        ),
        new_links=sorted(wanted.links - links),
        snapshots=find_snapshot_changes(connection, wanted.transcoders, wanted.shown),
    )


def _differs(row: Mapping[str, object], queued: Mapping[Any, Any] | None) -> bool:
    if queued is None:
        return True
    return not queued["decided"] and any(row[name] != queued[name] for name in _RENEWED)
