"""The figures of the closing table: what is labelled, what it covers, what it cost."""

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from clerp.feature import FeatureId
from clerp.graph import AttributionGraph, TranscoderIdentity
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
    named: Coverage
    """Those of `everything` that got a label."""
    artefacts: Coverage
    declined: Coverage
    """Those that a labeler looked at and gave no name; artefacts are not among them."""
    error_share: float | None
    """Share of influence of error nodes, which no label can cover."""
    embedding_share: float | None
    """Share of influence of the prompt's tokens, which need none."""
    queue_head: Coverage
    """What the first `QUEUE_HEAD` items of the review queue would add."""
    queue_head_artefacts: int
    """How many of those items are artefacts."""
    kept_nodes: int
    """Nodes whose label was there before and is not clerp's."""
    repeated_labels: int
    """Labels that more than one feature bears."""
    held_against: int
    """Labels that could be held against the words on which their features fire in this graph."""
    misfits: Coverage
    """Those of them that do not name such a word, and the share of the nodes where they do not."""
    answered: int
    """Features for which an LLM answered, with a label or without."""
    cost_usd: float | None
    """What the answers cost when they were made; None when one of them has no known price."""


@dataclass(frozen=True, slots=True)
class JointSummary:
    """What a run did to several graphs, every feature that they share counted once."""

    graphs: int
    features: int
    """Distinct by transcoder set, layer and index, and evidence."""
    shared: int
    """Those that occur in more than one graph."""
    named: int
    """Those that got a label."""
    answered: int
    """Those for which an LLM answered, with a label or without."""
    cost_usd: float | None
    """What the answers cost when they were made; None when one of them has no known price."""


def summarize(graph: AttributionGraph, features: Sequence[LabeledFeature]) -> Summary:
    """Add up features and influence by tier and status."""
    shares = share_by_feature(graph)
    queue_head = order_queue(features, shares)[:QUEUE_HEAD]

    def cover(member: Callable[[LabeledFeature], bool]) -> Coverage:
        return _cover([f for f in features if member(f)], shares)

    return Summary(
        routed={tier: cover(lambda f, t=tier: f.route.tier == t) for tier in TIERS},
        labeled={
            tier: cover(lambda f, t=tier: f.route.tier == t and f.label is not None)
            for tier in TIERS
        },
        by_status={status: cover(lambda f, s=status: f.status == s) for status in STATUSES},
        everything=cover(lambda _: True),
        named=cover(lambda f: f.label is not None),
        artefacts=cover(_is_unnamed_artefact),
        declined=cover(lambda f: f.status == "abstained" and not _is_unnamed_artefact(f)),
        error_share=graph.shares.errors if graph.shares else None,
        embedding_share=graph.shares.embeddings if graph.shares else None,
        queue_head=_cover(queue_head, shares),
        queue_head_artefacts=sum(map(_is_unnamed_artefact, queue_head)),
        kept_nodes=sum(bool(node.foreign_label) for node in graph.feature_nodes),
        repeated_labels=_count_repeated(features),
        held_against=sum(f.misfits is not None for f in features),
        misfits=_cover_misfits(graph, features),
        answered=sum(map(_is_answered, features)),
        cost_usd=_add_costs(features),
    )


def summarize_together(
    graphs: Sequence[tuple[AttributionGraph, Sequence[LabeledFeature]]],
) -> JointSummary:
    """Count the features of several graphs, those that they share once.

    A feature is the same in two graphs where transcoder set, layer and index, and what was read of
    its evidence are the same.
    """
    outcomes: defaultdict[tuple[TranscoderIdentity, FeatureId, str], list[LabeledFeature]]
    outcomes = defaultdict(list)
    for graph, features in graphs:
        for labeled in features:
            key = (graph.transcoder_identity, labeled.feature, labeled.evidence_digest)
            outcomes[key].append(labeled)
    distinct = [choose_outcome(same) for same in outcomes.values()]
    return JointSummary(
        graphs=len(graphs),
        features=len(distinct),
        shared=sum(len(same) > 1 for same in outcomes.values()),
        named=sum(labeled.label is not None for labeled in distinct),
        answered=sum(map(_is_answered, distinct)),
        cost_usd=_add_costs(distinct),
    )


def order_queue(
    features: Sequence[LabeledFeature], shares: Mapping[FeatureId, float]
) -> list[LabeledFeature]:
    """Return the features that need a person, artefacts last, then by what a label would add."""
    waiting = [f for f in features if f.label is None and f.status != "reviewed"]
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


def choose_outcome(same: Sequence[LabeledFeature]) -> LabeledFeature:
    """Choose what counts for a feature that several graphs share.

    An answer may be known in one graph and not in another, as when a budget ran out between; so
    may a label.

    Args:
        same: What became of it in each graph; of equals the first counts.
    """
    return max(same, key=lambda labeled: (_is_answered(labeled), labeled.label is not None))


def _cover_misfits(graph: AttributionGraph, features: Sequence[LabeledFeature]) -> Coverage:
    odd = {node_id for labeled in features for node_id in labeled.misfits or ()}
    share = math.fsum(node.share or 0.0 for node in graph.feature_nodes if node.node_id in odd)
    return Coverage(sum(bool(f.misfits) for f in features), share if graph.shares else None)


def _cover(features: Sequence[LabeledFeature], shares: Mapping[FeatureId, float]) -> Coverage:
    share = math.fsum(shares.get(f.feature, 0.0) for f in features) if shares else None
    return Coverage(len(features), share)


def _count_repeated(features: Sequence[LabeledFeature]) -> int:
    bearers = Counter(f.label.text for f in features if f.label is not None)
    return sum(count > 1 for count in bearers.values())


def _is_unnamed_artefact(labeled: LabeledFeature) -> bool:
    is_unnamed = labeled.label is None and labeled.status != "reviewed"
    return labeled.route.role == "artefact" and is_unnamed


def _is_answered(labeled: LabeledFeature) -> bool:
    return "cost_usd" in labeled.details


def _add_costs(features: Sequence[LabeledFeature]) -> float | None:
    costs = [labeled.details["cost_usd"] for labeled in features if _is_answered(labeled)]
    known = [cost for cost in costs if isinstance(cost, int | float)]
    return math.fsum(known) if len(known) == len(costs) else None
