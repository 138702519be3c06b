"""Features without a label into the ledger's queue."""

from collections.abc import Mapping, Sequence

from clerp.errors import LedgerError
from clerp.feature import FeatureId
from clerp.graph import AttributionGraph, TranscoderIdentity
from clerp.ledger import FeatureKey, Ledger, QueueItem, QueueStatus, TranscoderSet
from clerp.outcome import LabeledFeature
from clerp.report.summary import share_by_feature


def queue_features(
    named: Mapping[FeatureId, LabeledFeature],
    graphs: Sequence[AttributionGraph],
    ledger: Ledger,
    run_id: str,
) -> None:
    """Make the features without a label the queue of these graphs, whatever it was before.

    Args:
        named: Outcomes of all features of the graphs.
        graphs: Graphs of one transcoder set.
        ledger: Where the queue is kept.
        run_id: Who says so.

    Raises:
        LedgerError: The ledger could not be written.
    """
    identity = graphs[0].transcoder_identity
    shares = _strongest_shares(graphs)
    items = [
        _make_item(labeled, graphs, identity, shares.get(labeled.feature))
        for labeled in named.values()
        if labeled.label is None
    ]
    ledger.queue_features(
        items,
        transcoders=TranscoderSet(identity.name, identity.revision or ""),
        graphs=sorted({_name(graph) for graph in graphs}),
        run_id=run_id,
    )


def _strongest_shares(graphs: Sequence[AttributionGraph]) -> dict[FeatureId, float]:
    """Return for each feature the share of influence in the graph where it matters most."""
    strongest: dict[FeatureId, float] = {}
    for graph in graphs:
        for feature, share in share_by_feature(graph).items():
            strongest[feature] = max(share, strongest.get(feature, 0.0))
    return strongest


def _make_item(
    labeled: LabeledFeature,
    graphs: Sequence[AttributionGraph],
    identity: TranscoderIdentity,
    share: float | None,
) -> QueueItem:
    transcoders = TranscoderSet(identity.name, identity.revision or "")
    digest = labeled.evidence_digest if identity.is_local else ""
    return QueueItem(
        key=FeatureKey(transcoders, labeled.feature, digest),
        evidence_digest=labeled.evidence_digest,
        graphs=tuple(sorted({_name(g) for g in graphs if g.nodes_of(labeled.feature)})),
        role=labeled.route.role,
        tier=labeled.route.tier,
        status=_waiting(labeled),
        reason=labeled.reason,
        hint=labeled.hint,
        share=share,
    )


def _name(graph: AttributionGraph) -> str:
    return graph.slug or graph.name


def _waiting(labeled: LabeledFeature) -> QueueStatus:
    if labeled.status not in ("needs_review", "abstained", "failed"):
        raise LedgerError(f"{labeled.feature} is {labeled.status} and needs nobody")
    return labeled.status
