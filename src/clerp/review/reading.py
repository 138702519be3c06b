"""From the ledger to what one person may see of one feature."""

from collections.abc import Mapping
from dataclasses import replace

from clerp.feature import FeatureId
from clerp.ledger import QueueItem
from clerp.ledger.decision import find_standings
from clerp.ledger.review_reads import ReviewReads
from clerp.review.item import Namesake, OccurrenceView, ReviewItem
from clerp.review.names import NamesInUse
from clerp.review.snapshot import FeatureSnapshot, GraphSnapshot, OccurrenceSnapshot, decode

_N_SIMILAR = 6


def build_item(
    reads: ReviewReads,
    queued: QueueItem,
    item: str,
    *,
    annotator: str,
    hides_proposal: bool,
    hides_others: bool,
    names: NamesInUse,
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

    Raises:
        LedgerError: A snapshot is damaged.
    """
    kept = reads.find_snapshots(item)
    snapshot = decode(kept.get(""), FeatureSnapshot)
    made = reads.list_decisions(item)
    visible = [d for d in made if d.annotator == annotator or not hides_others]
    standings = {standing.annotator: standing for standing in find_standings(visible)}
    similar = () if hides_proposal else names.find_similar(item, _describe(queued), _N_SIMILAR)
    return ReviewItem(
        item=item,
        key=queued.key,
        seen=visible[-1].number if visible else 0,
        snapshot=replace(snapshot, proposal=None) if snapshot and hides_proposal else snapshot,
        share=queued.share,
        is_blind=hides_proposal,
        occurrences=tuple(
            _build_occurrence(reads, queued, graph, kept.get(graph), hides_names=hides_proposal)
            for graph in queued.graphs
        ),
        own=standings.get(annotator),
        others=tuple(s for person, s in standings.items() if person != annotator),
        verdict=None if hides_others else reads.find_verdict(item),
        history=tuple(visible),
        similar=similar,
    )


def _describe(queued: QueueItem) -> str:
    return f"{queued.label} {queued.hint}"


def _build_occurrence(
    reads: ReviewReads, queued: QueueItem, graph: str, content: bytes | None, *, hides_names: bool
) -> OccurrenceView:
    transcoders = queued.key.transcoders
    occurrence = decode(content, OccurrenceSnapshot) or OccurrenceSnapshot()
    kept = decode(reads.find_graph_snapshot(transcoders, graph), GraphSnapshot)
    return OccurrenceView(
        graph=kept or GraphSnapshot(graph),
        occurrence=occurrence,
        names={} if hides_names else _name_neighbours(reads, queued, occurrence),
    )


def _name_neighbours(
    reads: ReviewReads, queued: QueueItem, occurrence: OccurrenceSnapshot
) -> Mapping[str, Namesake]:
    tied = (*occurrence.upstream, *occurrence.downstream)
    features = {FeatureId.parse(n.name) for n in tied if n.kind == "feature"}
    if not features:
        return {}
    return {
        str(named.feature): Namesake(named.item, str(named.feature), named.label)
        for named in reads.find_names(queued.key.transcoders, features)
    }
