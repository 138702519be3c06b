"""From the ledger to what one person may see of one feature."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from clerp.errors import LedgerError
from clerp.feature import FeatureId
from clerp.ledger import QueueItem
from clerp.ledger.decision import find_standings, list_disputed
from clerp.ledger.review_reads import NamedFeature, ReviewReads
from clerp.review.item import Namesake, OccurrenceView, ReviewItem
from clerp.review.names import NamesInUse
from clerp.review.snapshot import (
    FeatureSnapshot,
    GraphSnapshot,
    OccurrenceSnapshot,
    SnapshotKind,
    decode,
)

_N_SIMILAR = 6

TellName = Callable[[NamedFeature], str]


class _Snapshots:
    """Reads what is kept; what is damaged is left out, and told."""

    def __init__(self) -> None:
        self.faults: list[str] = []

    def read(self, content: bytes | None, kind: type[SnapshotKind]) -> SnapshotKind | None:
        try:
            return decode(content, kind)
        except LedgerError as fault:
            self.faults.append(str(fault))
            return None


def build_item(
    reads: ReviewReads,
    queued: QueueItem,
    item: str,
    *,
    annotator: str,
    hides_proposal: bool,
    hides_others: bool,
    names: NamesInUse,
    tell_name: TellName,
) -> ReviewItem:
    """Gather what a person may see.

    Args:
        reads: The ledger.
        queued: The feature.
        item: Its hash.
        annotator: Who looks.
        hides_proposal: Whether what clerp made of it, and the names of its neighbours, are held
            back.
        hides_others: Whether what others decided is held back.
        names: Names in use.
        tell_name: Tells of another feature the name that the person may know.
    """
    snapshots = _Snapshots()
    kept = reads.find_snapshots(item)
    snapshot = snapshots.read(kept.get(""), FeatureSnapshot)
    made = reads.list_decisions(item)
    visible = [d for d in made if d.annotator == annotator or not hides_others]
    standings = {standing.annotator: standing for standing in find_standings(visible)}
    occurrences = tuple(
        _build_occurrence(
            reads,
            snapshots,
            queued,
            graph,
            kept.get(graph),
            (lambda _: "") if hides_proposal else tell_name,
        )
        for graph in queued.graphs
    )
    similar = () if hides_proposal else names.find_similar(item, _describe(queued), _N_SIMILAR)
    return ReviewItem(
        item=item,
        key=queued.key,
        seen=visible[-1].number if visible else 0,
        snapshot=replace(snapshot, proposal=None) if snapshot and hides_proposal else snapshot,
        share=queued.share,
        is_blind=hides_proposal,
        occurrences=occurrences,
        own=standings.get(annotator),
        others=tuple(s for person, s in standings.items() if person != annotator),
        verdict=None if hides_others else reads.find_verdict(item),
        disputed=() if hides_others else list_disputed(made),
        history=tuple(visible),
        similar=similar,
        # Of many, one says what to do.
        damage=next(iter(snapshots.faults), ""),
    )


def _describe(queued: QueueItem) -> str:
    return f"{queued.label} {queued.hint}"


def _build_occurrence(
    reads: ReviewReads,
    snapshots: _Snapshots,
    queued: QueueItem,
    graph: str,
    content: bytes | None,
    tell_name: TellName,
) -> OccurrenceView:
    occurrence = snapshots.read(content, OccurrenceSnapshot) or OccurrenceSnapshot()
    kept = snapshots.read(reads.find_graph_snapshot(queued.key.transcoders, graph), GraphSnapshot)
    return OccurrenceView(
        graph=kept or GraphSnapshot(graph),
        occurrence=occurrence,
        names=_name_neighbours(reads, queued, graph, occurrence, tell_name),
    )


def _name_neighbours(
    reads: ReviewReads,
    queued: QueueItem,
    graph: str,
    occurrence: OccurrenceSnapshot,
    tell_name: TellName,
) -> Mapping[str, Namesake]:
    tied = (*occurrence.upstream, *occurrence.downstream)
    features = {FeatureId.parse(n.name) for n in tied if n.kind == "feature"}
    if not features:
        return {}
    return {
        str(found.feature): Namesake(found.item, str(found.feature), tell_name(found))
        for found in reads.find_names(queued.key.transcoders, graph, features)
    }
