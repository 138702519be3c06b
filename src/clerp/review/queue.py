"""The features of a run into the ledger's queue."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from clerp.errors import LedgerError
from clerp.evidence import EvidenceGap, FeatureEvidence
from clerp.feature import FeatureId
from clerp.graph import AttributionGraph, TranscoderIdentity
from clerp.labels import Confidence
from clerp.ledger import FeatureKey, Ledger, QueueItem, QueueStatus, TranscoderSet
from clerp.outcome import LabeledFeature
from clerp.report.summary import share_by_feature
from clerp.review.lock import make_key
from clerp.review.showing import make_shown

DOUBT: Mapping[Confidence, float] = {"high": 0.1, "medium": 0.15, "low": 0.4}
"""Uncertainty of a label by its confidence.

Of 594 labels of bundled features, 11 % of those of high confidence, 10 % of medium and 37 % of low
share no word and role with either name that two readers gave (`roles.jsonl`). Medium stands above
high so that of two labels it is looked at first.
"""


class Outcomes(NamedTuple):
    """What became of the features of one graph, held against their nodes there."""

    graph: AttributionGraph
    features: Sequence[LabeledFeature]


def queue_features(
    outcomes: Sequence[Outcomes],
    known: Mapping[FeatureId, FeatureEvidence | EvidenceGap],
    ledger: Ledger,
    run_id: str,
) -> None:
    """Make the features of these graphs their queue, whatever it was before.

    Features with a label are in it, too, and wait for nobody. With them the ledger keeps what the
    review page shows.

    Args:
        outcomes: Of graphs of one transcoder set.
        known: Evidence of all their features.
        ledger: Where the queue is kept.
        run_id: Who says so.

    Raises:
        LedgerError: The ledger could not be written.
    """
    identity = outcomes[0].graph.transcoder_identity
    shares = _strongest_shares(outcomes)
    with ledger.reading_review() as reads:
        decided = reads.list_decided_keys(TranscoderSet(identity.name, identity.revision or ""))
    joined = {
        feature: _forget_review(labeled, is_decided=_make_key(labeled, identity) in decided)
        for feature, labeled in _join(outcomes).items()
    }
    # Of graphs that share a slug, the first is shown.
    graphs = {_name(outcome.graph): outcome.graph for outcome in reversed(outcomes)}
    items = [
        _make_item(labeled, outcomes, identity, shares.get(feature))
        for feature, labeled in joined.items()
    ]
    ledger.queue_features(
        items,
        transcoders=TranscoderSet(identity.name, identity.revision or ""),
        graphs=sorted(graphs),
        run_id=run_id,
        shown=make_shown(items, joined, graphs, known),
    )


def _join(outcomes: Sequence[Outcomes]) -> dict[FeatureId, LabeledFeature]:
    """Take every feature once, with what is to be said of it in any graph."""
    joined: dict[FeatureId, LabeledFeature] = {}
    for outcome in outcomes:
        for labeled in outcome.features:
            other = joined.get(labeled.feature, labeled)
            joined[labeled.feature] = replace(
                other,
                notes=tuple(dict.fromkeys((*other.notes, *labeled.notes))),
                misfits=other.misfits or labeled.misfits,
            )
    return joined


def _strongest_shares(outcomes: Sequence[Outcomes]) -> dict[FeatureId, float]:
    """Return for each feature the share of influence in the graph where it matters most."""
    strongest: dict[FeatureId, float] = {}
    for outcome in outcomes:
        for feature, share in share_by_feature(outcome.graph).items():
            strongest[feature] = max(share, strongest.get(feature, 0.0))
    return strongest


def _make_item(
    labeled: LabeledFeature,
    outcomes: Sequence[Outcomes],
    identity: TranscoderIdentity,
    share: float | None,
) -> QueueItem:
    occurs_in = {_name(o.graph) for o in outcomes if o.graph.nodes_of(labeled.feature)}
    return QueueItem(
        key=_make_key(labeled, identity),
        evidence_digest=labeled.evidence_digest,
        graphs=tuple(sorted(occurs_in)),
        role=labeled.route.role,
        tier=labeled.route.tier,
        status=_find_status(labeled),
        reason=labeled.reason,
        hint=labeled.hint,
        share=share,
        label=labeled.label.text if labeled.label else "",
        method=labeled.method,
        uncertainty=_measure_doubt(labeled),
    )


def _make_key(labeled: LabeledFeature, identity: TranscoderIdentity) -> FeatureKey:
    return make_key(identity, labeled.feature, labeled.evidence_digest)


def _forget_review(labeled: LabeledFeature, *, is_decided: bool) -> LabeledFeature:
    """Return what clerp itself makes of a feature: who judges it next may not know of others."""
    route = labeled.route.overruled or labeled.route
    if labeled.status != "reviewed" or not is_decided:
        return replace(labeled, route=route)
    return LabeledFeature(
        feature=labeled.feature,
        route=route,
        status="needs_review",
        label=None,
        reason="decided before clerp proposed anything",
        method="",
        hint="",
        evidence_digest=labeled.evidence_digest,
        candidates=labeled.candidates,
    )


def _name(graph: AttributionGraph) -> str:
    return graph.slug or graph.name


def _find_status(labeled: LabeledFeature) -> QueueStatus:
    if labeled.label is not None:
        return "labeled"
    if labeled.status == "reviewed":
        # A labelled graph says that no name fits.
        return "abstained"
    if labeled.status not in ("needs_review", "abstained", "failed"):
        raise LedgerError(f"{labeled.feature} is {labeled.status} and has no label")
    return labeled.status


def _measure_doubt(labeled: LabeledFeature) -> float:
    if labeled.label is None:
        return 1.0
    # Such a label says nothing of what happens in this graph, which is what labels are for; yet
    # readers agree with it about as often as with others.
    return DOUBT["low" if labeled.misfits else labeled.label.confidence]
