"""What the review page shows, kept as it was when a run saw it."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import sqlalchemy as sa

from clerp.ledger.queue import hash_key
from clerp.ledger.record import Shown, Snapshot, TranscoderSet
from clerp.ledger.renewals import make_renewals
from clerp.ledger.tables import GRAPH_SNAPSHOTS, QUEUE, QUEUE_GRAPHS, SNAPSHOTS

_AT_ONCE = 64
_ASKED_AT_ONCE = 500
_SHARED = ""
"""In the place of a graph: what is the same in all of them."""
_DROP_UNLINKED = sa.delete(SNAPSHOTS).where(
    sa.or_(
        SNAPSHOTS.c.feature_key.not_in(sa.select(QUEUE.c.feature_key)),
        sa.and_(
            SNAPSHOTS.c.graph != _SHARED,
            ~sa.exists().where(
                QUEUE_GRAPHS.c.feature_key == SNAPSHOTS.c.feature_key,
                QUEUE_GRAPHS.c.graph == SNAPSHOTS.c.graph,
            ),
        ),
    )
)
_DROP_EMPTY = sa.delete(GRAPH_SNAPSHOTS).where(
    ~sa.exists().where(
        QUEUE_GRAPHS.c.graph == GRAPH_SNAPSHOTS.c.graph,
        QUEUE.c.feature_key == QUEUE_GRAPHS.c.feature_key,
        QUEUE.c.transcoder_set == GRAPH_SNAPSHOTS.c.transcoder_set,
        QUEUE.c.revision == GRAPH_SNAPSHOTS.c.revision,
    )
)

_RENEW = {table.name: make_renewals(table) for table in (SNAPSHOTS, GRAPH_SNAPSHOTS)}


@dataclass(frozen=True, slots=True)
class SnapshotChanges:
    """Snapshots that the ledger has otherwise or not at all, by primary key."""

    features: Mapping[tuple[str, str], Snapshot]
    """By key of the feature and slug of the graph."""
    graphs: Mapping[tuple[str, str, str], Snapshot]
    """By name of the set, revision and slug."""

    def __bool__(self) -> bool:
        return bool(self.features or self.graphs)

    def make(self) -> Iterator["SnapshotRows"]:
        """Write them out, some at a time."""
        for table, wanted in ((SNAPSHOTS, self.features), (GRAPH_SNAPSHOTS, self.graphs)):
            names = [column.name for column in table.primary_key.columns]
            for start in range(0, len(wanted), _AT_ONCE):
                some = islice(wanted.items(), start, start + _AT_ONCE)
                yield SnapshotRows(
                    table, [_make_row(names, place, snapshot) for place, snapshot in some]
                )


@dataclass(frozen=True, slots=True)
class SnapshotRows:
    """Snapshots as rows."""

    table: sa.Table
    rows: list[dict[str, object]]

    def write(self, connection: sa.Connection) -> None:
        """Put them into the ledger, in the place of older ones."""
        connection.execute(_RENEW[self.table.name][connection.dialect.name], self.rows)


def _make_row(names: Sequence[str], place: Sequence[str], snapshot: Snapshot) -> dict[str, object]:
    row: dict[str, object] = dict(zip(names, place, strict=True))
    return row | {"fingerprint": snapshot.fingerprint, "content": snapshot.write()}


def find_snapshot_changes(
    connection: sa.Connection, transcoders: TranscoderSet, shown: Shown
) -> SnapshotChanges:
    """Compare what is kept of a set's features and graphs with what should be shown."""
    wanted = {(hash_key(key), _SHARED): made for key, made in shown.features.items()}
    wanted |= {(hash_key(key), graph): made for (key, graph), made in shown.occurrences.items()}
    linked = {graph for _, graph in shown.occurrences}
    graphs = {
        (transcoders.name, transcoders.revision, graph): made
        for graph, made in shown.graphs.items()
        if graph in linked
    }
    kept = _find_fingerprints(connection, {item for item, _ in wanted})
    judged = sa.select(QUEUE.c.feature_key).where(
        QUEUE.c.decided,
        QUEUE.c.transcoder_set == transcoders.name,
        QUEUE.c.revision == transcoders.revision,
    )
    # The proposal that people judged stays as they saw it.
    fixed = {(item, _SHARED) for item in connection.execute(judged).scalars()} & kept.keys()
    known_graphs = sa.select(
        *GRAPH_SNAPSHOTS.primary_key.columns, GRAPH_SNAPSHOTS.c.fingerprint
    ).where(GRAPH_SNAPSHOTS.c.transcoder_set == transcoders.name)
    kept_graphs = {
        (row.transcoder_set, row.revision, row.graph): row.fingerprint
        for row in connection.execute(known_graphs)
    }
    return SnapshotChanges(
        features={
            place: snapshot
            for place, snapshot in wanted.items()
            if kept.get(place) != snapshot.fingerprint and place not in fixed
        },
        graphs={k: v for k, v in graphs.items() if kept_graphs.get(k) != v.fingerprint},
    )


def _find_fingerprints(
    connection: sa.Connection, items: Collection[str]
) -> dict[tuple[str, str], str]:
    known = sa.select(SNAPSHOTS.c.feature_key, SNAPSHOTS.c.graph, SNAPSHOTS.c.fingerprint)
    ordered = sorted(items)
    return {
        (row.feature_key, row.graph): row.fingerprint
        for start in range(0, len(ordered), _ASKED_AT_ONCE)
        for row in connection.execute(
            known.where(SNAPSHOTS.c.feature_key.in_(ordered[start : start + _ASKED_AT_ONCE]))
        )
    }


def drop_unlinked(connection: sa.Connection) -> None:
    """Forget what is kept of features that left the queue, and of graphs that features left."""
    connection.execute(_DROP_UNLINKED)
    connection.execute(_DROP_EMPTY)


def select_snapshots(item: str) -> "sa.Select[Any, Any]":
    """Select all that is kept of a feature, by graph."""
    return sa.select(SNAPSHOTS.c.graph, SNAPSHOTS.c.content).where(SNAPSHOTS.c.feature_key == item)


def select_graph_snapshot(transcoders: TranscoderSet, graph: str) -> "sa.Select[Any]":
    """Select what is kept of a graph."""
    return sa.select(GRAPH_SNAPSHOTS.c.content).where(
        GRAPH_SNAPSHOTS.c.transcoder_set == transcoders.name,
        GRAPH_SNAPSHOTS.c.revision == transcoders.revision,
        GRAPH_SNAPSHOTS.c.graph == graph,
    )
