"""What the review page shows of the features of a run, built only where the ledger lacks it."""

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property, partial

import msgspec

from clerp.evidence import ActivationExample, EvidenceGap, FeatureEvidence
from clerp.feature import FeatureId
from clerp.graph import (
    AttributionGraph,
    FeatureNode,
    Neighbour,
    Neighbourhood,
    digest_neighbours,
    list_neighbours,
)
from clerp.ledger import QueueItem
from clerp.ledger.record import Shown, Snapshot
from clerp.outcome import LabeledFeature
from clerp.report.verbalized import view_verbalization
from clerp.review.snapshot import (
    VERSION,
    CandidateView,
    ExampleView,
    FeatureSnapshot,
    GraphSnapshot,
    NeighbourView,
    NodeView,
    OccurrenceSnapshot,
    ProposalView,
    ScoreView,
    encode,
)

AROUND = 24
"""Tokens of an example that are kept on each side of its peak."""
MAX_TOP = 20
MAX_LOWER = 5
"""Examples that are kept of each lower quantile."""


def make_shown(
    items: Sequence[QueueItem],
    outcomes: Mapping[FeatureId, LabeledFeature],
    graphs: Mapping[str, AttributionGraph],
    known: Mapping[FeatureId, FeatureEvidence | EvidenceGap],
) -> Shown:
    """Take the fingerprints of features, of their occurrences and of graphs.

    Args:
        items: The queue of the graphs.
        outcomes: Of the features of `items`.
        graphs: By slug.
        known: Evidence of the features.
    """
    places = {slug: _GraphPlace(graph) for slug, graph in graphs.items()}
    return Shown(
        features={
            item.key: _show_feature(outcomes[item.key.feature], known[item.key.feature])
            for item in items
        },
        occurrences={
            (item.key, slug): places[slug].show(item.key.feature, known[item.key.feature])
            for item in items
            for slug in item.graphs
        },
        graphs={slug: _show_graph(slug, graph) for slug, graph in graphs.items()},
    )


def _hash(*parts: object) -> str:
    return hashlib.sha256(msgspec.json.encode((VERSION, parts))).hexdigest()


def _show_graph(slug: str, graph: AttributionGraph) -> Snapshot:
    shown = GraphSnapshot(slug, graph.prompt_tokens)
    return Snapshot(_hash(shown), partial(encode, shown))


def _show_feature(labeled: LabeledFeature, evidence: FeatureEvidence | EvidenceGap) -> Snapshot:
    proposal = _describe(labeled)
    if isinstance(evidence, EvidenceGap):
        return Snapshot(_hash(proposal), partial(encode, FeatureSnapshot(proposal)))
    # No label rests on the histogram, so the digest leaves it out.
    fingerprint = _hash(proposal, evidence.digest, evidence.histogram)
    return Snapshot(fingerprint, partial(_write_feature, proposal, evidence))


def _describe(labeled: LabeledFeature) -> ProposalView:
    route, label = labeled.route, labeled.label
    return ProposalView(
        role=route.role,
        tier=route.tier,
        confidence=label.confidence if label else route.confidence,
        route_reason=route.reason,
        steps=route.steps,
        scores={
            channel: ScoreView(score.raw, score.z, score.p, score.n)
            for channel, score in route.scores.items()
        },
        margin=route.margin,
        p=route.p,
        status=labeled.status,
        label=label.text if label else "",
        method=labeled.method,
        model=str(labeled.details.get("model") or ""),
        reason=labeled.reason,
        hint=labeled.hint,
        notes=labeled.notes,
        candidates=tuple(
            CandidateView(named.text, named.method, named.model) for named in labeled.candidates
        ),
        verbalized=(view_verbalization(labeled.verbalization) if labeled.verbalization else None),
    )


def _write_feature(proposal: ProposalView, evidence: FeatureEvidence) -> bytes:
    return encode(
        FeatureSnapshot(
            proposal=proposal,
            examples=tuple(_choose_examples(evidence)),
            set_aside=evidence.set_aside,
            promoted=evidence.promoted,
            suppressed=evidence.suppressed,
            density=evidence.density,
            act_min=evidence.act_min,
            act_max=evidence.act_max,
            histogram=evidence.histogram,
        )
    )


def _choose_examples(evidence: FeatureEvidence) -> Iterator[ExampleView]:
    for example in evidence.top[:MAX_TOP]:
        yield _cut(example, 0)
    # Not numbered as in the record, where the top examples may stand anywhere.
    quantiles: defaultdict[str, list[ActivationExample]] = defaultdict(list)
    for example in evidence.lower:
        quantiles[example.id.partition(".")[0]].append(example)
    for number, examples in enumerate(quantiles.values(), start=1):
        for example in examples[:MAX_LOWER]:
            yield _cut(example, number)


def _cut(example: ActivationExample, quantile: int) -> ExampleView:
    start = max(0, example.peak - AROUND)
    around = slice(start, example.peak + AROUND + 1)
    activations: list[float] = example.activations[around].tolist()
    return ExampleView(
        id=example.id,
        quantile=quantile,
        tokens=example.tokens[around],
        # Most are 0, and writing numbers takes the most time of all.
        activations=tuple(float(f"{a:.3g}") if a else 0.0 for a in activations),
        peak=example.peak - start,
    )


class _GraphPlace:
    """A graph as the place of features; neighbours are looked for when one is to be written."""

    def __init__(self, graph: AttributionGraph) -> None:
        self._graph = graph

    @cached_property
    def _digest(self) -> str:
        return digest_neighbours(self._graph)

    @cached_property
    def _neighbours(self) -> Mapping[FeatureId, Neighbourhood]:
        return list_neighbours(self._graph)

    def show(self, feature: FeatureId, evidence: FeatureEvidence | EvidenceGap) -> Snapshot:
        """Take the fingerprint of an occurrence."""
        reach = () if isinstance(evidence, EvidenceGap) else (evidence.act_min, evidence.act_max)
        return Snapshot(_hash(self._digest, reach), partial(self._write, feature, evidence))

    def _write(self, feature: FeatureId, evidence: FeatureEvidence | EvidenceGap) -> bytes:
        near = self._neighbours.get(feature, Neighbourhood())
        return encode(
            OccurrenceSnapshot(
                nodes=tuple(_view_node(node, evidence) for node in self._graph.nodes_of(feature)),
                upstream=tuple(map(_view_neighbour, near.upstream)),
                downstream=tuple(map(_view_neighbour, near.downstream)),
            )
        )


def _view_node(node: FeatureNode, evidence: FeatureEvidence | EvidenceGap) -> NodeView:
    act_pct = None
    if isinstance(evidence, FeatureEvidence) and node.activation is not None:
        act_pct = round(evidence.place(float(node.activation)), 1)
    return NodeView(node.node_id, node.ctx_idx, node.activation, act_pct, node.share)


def _view_neighbour(neighbour: Neighbour) -> NeighbourView:
    return NeighbourView(neighbour.kind, neighbour.name, neighbour.weight)
