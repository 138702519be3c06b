"""The figures of the closing table: what is labelled, what it covers, what it cost."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from clerp.feature import FeatureId
from clerp.graph import AttributionGraph
from clerp.outcome import LabeledFeature, Status
from clerp.router import Tier

QUEUE_HEAD = 30
"""Items of the review queue that a person can be asked for in one sitting."""
TIERS: tuple[Tier, ...] = (1, 2, 3)
STATUSES: tuple[Status, ...] = ("labeled", "reviewed", "needs_review", "abstained", "failed")


@dataclass(frozen=True, slots=True)
class Coverage:
    """A number of features and the influence that goes through their nodes."""

    features: int
    share: float | None
    """Of the influence of all nodes in the file, 0 to 1; None where the file has no influence."""


@dataclass(frozen=True, slots=True)
class Summary:
    """What a run did to one graph."""

    routed: Mapping[Tier, Coverage]
    labeled: Mapping[Tier, Coverage]
    """Those of `routed` that got a label."""
    by_status: Mapping[Status, Coverage]
    everything: Coverage
    error_share: float | None
    """Share of influence of error nodes, which no label can cover."""
    queue_head: Coverage
    """What the first `QUEUE_HEAD` items of the review queue would add."""
    kept_nodes: int
    """Nodes whose label was there before and is not clerp's."""
    repeated_labels: int
    """Labels that more than one feature bears."""
    calls: int
    """Answers of LLMs that the labels rest on."""
    cost_usd: float | None
    """What the answers cost when they were made; None when one of them has no known price."""


def summarize(graph: AttributionGraph, features: Sequence[LabeledFeature]) -> Summary:
    """Add up features and influence by tier and status."""
    shares = share_by_feature(graph)

    def cover(member: Callable[[LabeledFeature], bool]) -> Coverage:
        return _cover([f for f in features if member(f)], shares)

    costs = [_cost(f) for f in features if "cost_usd" in f.details]
    unpriced = any(cost is None for cost in costs)
    return Summary(
        routed={tier: cover(lambda f, t=tier: f.route.tier == t) for tier in TIERS},
        labeled={
            tier: cover(lambda f, t=tier: f.route.tier == t and f.label is not None)
            for tier in TIERS
        },
        by_status={status: cover(lambda f, s=status: f.status == s) for status in STATUSES},
        everything=cover(lambda _: True),
        error_share=graph.shares.errors if graph.shares else None,
        queue_head=_cover(order_queue(features, shares)[:QUEUE_HEAD], shares),
        kept_nodes=sum(bool(node.foreign_label) for node in graph.feature_nodes),
        repeated_labels=_count_repeated(features),
        calls=len(costs),
        cost_usd=None if unpriced else sum(cost or 0.0 for cost in costs),
    )


def order_queue(
    features: Sequence[LabeledFeature], shares: Mapping[FeatureId, float]
) -> list[LabeledFeature]:
    """Return the features that need a person, artefacts last, then by what a label would add."""
    waiting = [f for f in features if f.label is None]
    return sorted(
        waiting,
        key=lambda f: (f.route.role == "artefact", -shares.get(f.feature, 0.0), f.feature),
    )


def share_by_feature(graph: AttributionGraph) -> dict[FeatureId, float]:
    """Add up the shares of influence of each feature's nodes; empty without influence."""
    shares: dict[FeatureId, float] = {}
    for node in graph.feature_nodes:
        if node.share is not None:
            shares[node.feature] = shares.get(node.feature, 0.0) + node.share
    return shares


def _cover(features: Sequence[LabeledFeature], shares: Mapping[FeatureId, float]) -> Coverage:
    share = sum(shares.get(f.feature, 0.0) for f in features) if shares else None
    return Coverage(len(features), share)


def _count_repeated(features: Sequence[LabeledFeature]) -> int:
    bearers = Counter(f.label.text for f in features if f.label is not None)
    return sum(count > 1 for count in bearers.values())


def _cost(labeled: LabeledFeature) -> float | None:
    cost = labeled.details["cost_usd"]
    return float(cost) if isinstance(cost, int | float) else None
