"""What the review page reads, inside one transaction."""

import sys
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import sqlalchemy as sa

from clerp.feature import FeatureId
from clerp.ledger.clock import tell_time
from clerp.ledger.counters import read_counts
from clerp.ledger.decision import SAYING, Decision, Judgement, Verdict
from clerp.ledger.decision_rows import read_decision, read_verdict
from clerp.ledger.queue import KEY_COLUMNS, read_item, read_key
from clerp.ledger.record import FeatureKey, QueueItem, QueueStatus, TranscoderSet
from clerp.ledger.snapshots import select_graph_snapshot, select_snapshots
from clerp.ledger.tables import (
    DECISIONS,
    LEASES,
    QUEUE,
    QUEUE_GRAPHS,
    STANDINGS,
    VERDICTS,
)
from clerp.ledger.terms import ReviewTerms, read_terms
from clerp.router import Tier

_STANDINGS = sa.select(
    STANDINGS.c.feature_key,
    STANDINGS.c.annotator,
    STANDINGS.c.judgement,
    STANDINGS.c.role,
    STANDINGS.c.is_skipped,
    STANDINGS.c.is_flagged,
    STANDINGS.c.has_judged,
)


_WAITS = sa.and_(
    sa.exists().where(
        STANDINGS.c.feature_key == DECISIONS.c.feature_key,
        sa.or_(STANDINGS.c.judgement != "", STANDINGS.c.role != ""),
    ),
    ~sa.exists().where(VERDICTS.c.feature_key == DECISIONS.c.feature_key),
)


@dataclass(frozen=True, slots=True)
class QueueFilter:
    """Which features of the queue are wanted; nothing given wants all."""

    graphs: tuple[str, ...] = ()
    tiers: tuple[Tier, ...] = ()
    layers: tuple[int, ...] = ()
    statuses: tuple[QueueStatus, ...] = ()
    reason: str = ""
    """Text that the reason holds, in whatever case."""
    with_artefacts: bool = False


@dataclass(frozen=True, slots=True)
class QueueEntry:
    """What the order of the queue rests on."""

    item: str
    """Hash of the feature's key."""
    share: float
    """Of influence; 0 where the graph does not say."""
    uncertainty: float


@dataclass(frozen=True, slots=True)
class StandingEntry:
    """Where one person stands on one feature, in short."""

    item: str
    annotator: str
    judgement: Judgement
    role: str
    is_skipped: bool
    is_flagged: bool
    has_judged: bool
    """Whether she ever did, also where she took it back."""


@dataclass(frozen=True, slots=True)
class NamedFeature:
    """A feature of the queue and its names."""

    item: str
    feature: FeatureId
    proposed: str
    """clerp's; empty without one."""
    decided: str | None
    """What people agreed on, empty where no name fits; None where they did not."""


_Names: TypeAlias = "sa.Select[Any, Any, Any, Any, Any, Any]"


class ReviewReads:
    """An open transaction that reads."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def read_counts(self) -> Mapping[str, int]:
        """Return how often the queue and the decisions changed, by `queue` and `decisions`."""
        return read_counts(self._connection)

    def read_terms(self) -> ReviewTerms:
        """Return what the people who review agreed on."""
        return read_terms(self._connection)

    def list_entries(self, wanted: QueueFilter) -> list[QueueEntry]:
        """List the features that are wanted, by what a label would add to each.

        That is its share of influence times the doubt of its label; artefacts come last.
        """
        share = sa.func.coalesce(QUEUE.c.share, 0.0)
        listed = (
            sa.select(QUEUE.c.feature_key, share.label("known"), QUEUE.c.uncertainty)
            .where(*_limit(wanted))
            .order_by(
                QUEUE.c.role == "artefact",
                (share * QUEUE.c.uncertainty).desc(),
                QUEUE.c.uncertainty.desc(),
                QUEUE.c.layer,
                QUEUE.c.feature_index,
                QUEUE.c.feature_key,
            )
        )
        return [
            QueueEntry(sys.intern(item), share, doubt)
            for item, share, doubt in self._connection.execute(listed)
        ]

    def list_standings(
        self, *, since: int = 0, items: Collection[str] | None = None
    ) -> list[StandingEntry]:
        """List where everybody stands on features.

        Args:
            since: A count of `decisions`: only features about which something was decided after it.
            items: Only these; by default all.
        """
        chosen = _STANDINGS.where(STANDINGS.c.changed > since)
        if items is not None:
            chosen = chosen.where(STANDINGS.c.feature_key.in_(items))
        # Interned: the same few features and people come again and again, in all that is kept.
        return [
            StandingEntry(sys.intern(item), sys.intern(person), *more)
            for item, person, *more in self._connection.execute(chosen)
        ]

    def list_disputed(self) -> list[str]:
        """List the features about which people disagree."""
        disputed = sa.select(VERDICTS.c.feature_key).where(VERDICTS.c.state == "disputed")
        return list(self._connection.execute(disputed).scalars())

    def list_verdicts_by_item(self, since: int = 0) -> dict[str, Verdict]:
        """Return what people's decisions come to.

        Args:
            since: As for `list_standings`.
        """
        chosen = sa.select(VERDICTS)
        if since:
            changed = sa.select(STANDINGS.c.feature_key).where(STANDINGS.c.changed > since)
            chosen = chosen.where(VERDICTS.c.feature_key.in_(changed))
        rows = self._connection.execute(chosen).mappings()
        return {row["feature_key"]: read_verdict(row) for row in rows}

    def list_decided_keys(self, transcoders: TranscoderSet) -> set[FeatureKey]:
        """Return the features of a set of which people here have said what they are, or unsaid it.

        Those that still wait for another judge are not among them.
        """
        of_set = sa.select(*(DECISIONS.c[name] for name in KEY_COLUMNS)).where(
            DECISIONS.c.transcoder_set == transcoders.name,
            DECISIONS.c.revision == transcoders.revision,
            sa.or_(DECISIONS.c.act.in_(SAYING), DECISIONS.c.role != ""),
            ~_WAITS,
        )
        rows = self._connection.execute(of_set.distinct()).mappings()
        return {read_key(row) for row in rows}

    def list_verdicts(self, transcoders: TranscoderSet) -> dict[FeatureKey, Verdict]:
        """Return what was decided of a set's features."""
        of_set = sa.select(VERDICTS).where(
            VERDICTS.c.transcoder_set == transcoders.name,
            VERDICTS.c.revision == transcoders.revision,
        )
        rows = self._connection.execute(of_set).mappings()
        return {read_key(row): read_verdict(row) for row in rows}

    def list_all_verdicts(self) -> dict[FeatureKey, Verdict]:
        """Return what was decided of all features."""
        rows = self._connection.execute(sa.select(VERDICTS)).mappings()
        return {read_key(row): read_verdict(row) for row in rows}

    def find_verdict(self, item: str) -> Verdict | None:
        """Return what was decided of one feature."""
        found = sa.select(VERDICTS).where(VERDICTS.c.feature_key == item)
        row = self._connection.execute(found).mappings().first()
        return None if row is None else read_verdict(row)

    def find_item(self, item: str) -> QueueItem | None:
        """Return one feature of the queue; None where it is not in it."""
        return next(iter(self.find_items([item])), None)

    def find_items(self, items: Sequence[str]) -> list[QueueItem]:
        """Return features of the queue, in the order given, without those that are not in it."""
        graphs: dict[str, list[str]] = {item: [] for item in items}
        linked = sa.select(QUEUE_GRAPHS).where(QUEUE_GRAPHS.c.feature_key.in_(items))
        for link in self._connection.execute(linked.order_by(QUEUE_GRAPHS.c.graph)):
            graphs[link.feature_key].append(link.graph)
        chosen = sa.select(QUEUE).where(QUEUE.c.feature_key.in_(items))
        rows = {row["feature_key"]: row for row in self._connection.execute(chosen).mappings()}
        return [read_item(rows[item], tuple(graphs[item])) for item in items if item in rows]

    def list_decisions(self, item: str) -> list[Decision]:
        """List all decisions about a feature, first to last."""
        made = sa.select(DECISIONS).where(DECISIONS.c.feature_key == item)
        rows = self._connection.execute(made.order_by(DECISIONS.c.number)).mappings()
        return [read_decision(row) for row in rows]

    def list_all_decisions(self) -> Iterable[Decision]:
        """Go through all decisions, feature by feature, first to last."""
        ordered = sa.select(DECISIONS).order_by(
            DECISIONS.c.transcoder_set,
            DECISIONS.c.revision,
            DECISIONS.c.layer,
            DECISIONS.c.feature_index,
            DECISIONS.c.feature_key,
            DECISIONS.c.number,
        )
        for row in self._connection.execute(ordered).mappings():
            yield read_decision(row)

    def list_paces(self, annotator: str, limit: int) -> list[float]:
        """Return how long a person's last judgements took, in seconds."""
        took = (
            sa.select(DECISIONS.c.seconds)
            .where(
                DECISIONS.c.annotator == annotator,
                DECISIONS.c.seconds.is_not(None),
                DECISIONS.c.act.in_(("accept", "edit", "reject", "role")),
            )
            # By time, for which there is an index.
            .order_by(DECISIONS.c.made_at.desc(), DECISIONS.c.id.desc())
            .limit(limit)
        )
        return list(self._connection.execute(took).scalars())

    def list_looked_at(self, annotator: str, *, now: float | None = None) -> set[str]:
        """Return the features that others look at."""
        moment = tell_time(self._connection) if now is None else now
        others = sa.select(LEASES.c.key).where(
            LEASES.c.key.startswith("review "),
            LEASES.c.owner != annotator,
            LEASES.c.until > moment,
        )
        return {key.partition(" ")[2] for key in self._connection.execute(others).scalars()}

    def find_snapshots(self, item: str) -> dict[str, bytes]:
        """Return what is kept of a feature: under the slug of a graph, or "" for all of them."""
        rows = self._connection.execute(select_snapshots(item))
        return {row.graph: row.content for row in rows}

    def find_graph_snapshot(self, transcoders: TranscoderSet, graph: str) -> bytes | None:
        """Return what is kept of a graph."""
        return self._connection.execute(select_graph_snapshot(transcoders, graph)).scalar()

    def find_names(
        self, transcoders: TranscoderSet, graph: str, features: Collection[FeatureId]
    ) -> list[NamedFeature]:
        """Return features of a graph that are in the queue, with their names."""
        # Too many, but by an index, which SQLite does not use for lists of pairs.
        chosen = _select_names().where(
            QUEUE.c.transcoder_set == transcoders.name,
            QUEUE.c.revision == transcoders.revision,
            QUEUE.c.layer.in_({feature.layer for feature in features}),
            QUEUE.c.feature_index.in_({feature.index for feature in features}),
            sa.exists().where(
                QUEUE_GRAPHS.c.feature_key == QUEUE.c.feature_key, QUEUE_GRAPHS.c.graph == graph
            ),
        )
        return [named for named in self._read_names(chosen) if named.feature in features]

    def list_named(self) -> list[NamedFeature]:
        """List the features of the queue that have a name."""
        named = self._read_names(_select_names())
        return [feature for feature in named if feature.proposed or feature.decided]

    def _read_names(self, chosen: _Names) -> list[NamedFeature]:
        return [
            NamedFeature(
                sys.intern(row.feature_key),
                FeatureId(row.layer, row.feature_index, row.kind),
                row.label,
                row.decided,
            )
            for row in self._connection.execute(chosen)
        ]


def _select_names() -> _Names:
    agreed = VERDICTS.c.feature_key == QUEUE.c.feature_key
    return sa.select(
        QUEUE.c.feature_key,
        QUEUE.c.layer,
        QUEUE.c.feature_index,
        QUEUE.c.kind,
        QUEUE.c.label,
        VERDICTS.c.label.label("decided"),
    ).select_from(QUEUE.outerjoin(VERDICTS, agreed))


def _limit(wanted: QueueFilter) -> list[sa.ColumnElement[bool]]:
    limits: list[sa.ColumnElement[bool]] = []
    if not wanted.with_artefacts:
        limits.append(QUEUE.c.role != "artefact")
    if wanted.tiers:
        limits.append(QUEUE.c.tier.in_(wanted.tiers))
    if wanted.layers:
        limits.append(QUEUE.c.layer.in_(wanted.layers))
    if wanted.statuses:
        limits.append(QUEUE.c.status.in_(wanted.statuses))
    if wanted.reason:
        limits.append(QUEUE.c.reason.icontains(wanted.reason, autoescape=True))
    if wanted.graphs:
        linked = sa.select(QUEUE_GRAPHS.c.feature_key).where(
            QUEUE_GRAPHS.c.graph.in_(wanted.graphs)
        )
        limits.append(QUEUE.c.feature_key.in_(linked))
    return limits
