"""Graphs that share their features: each feature read and routed once, for all of them.

Graphs share features when they name the same transcoder set and their activation examples come from
the same place.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from clerp.config import Settings
from clerp.evidence import EvidenceGap, FeatureEvidence
from clerp.feature import FeatureId
from clerp.graph import (
    AttributionGraph,
    FeatureNode,
    GraphInput,
    LogitEdge,
    TranscoderIdentity,
    read_graph,
)
from clerp.ledger import Ledger
from clerp.ledger.decision import Verdict
from clerp.origins import Origin
from clerp.plugins import find
from clerp.progress import Progress, ReportProgress
from clerp.review.lock import find_verdicts, override_route
from clerp.router import Route, find_rule, route_features
from clerp.router.significance import q_values, round_chance
from clerp.sourcing import choose_origins, read_evidence
from clerp.windows import parse_windows

# Activation over the greatest that is known, and the part of all nodes, from which on it is odd.
_EXCESS, _MANY = 1.2, 0.1


@dataclass(frozen=True, slots=True)
class Pool:
    """Graphs with the evidence and the route of every feature that any of them has."""

    graphs: tuple[AttributionGraph, ...]
    places: tuple[int, ...]
    """Where each of them stands among the graphs given."""
    source: str
    """Where the evidence was read, with its revision where it has one."""
    because: str
    """Why there."""
    known: Mapping[FeatureId, FeatureEvidence | EvidenceGap]
    routes: Mapping[FeatureId, Route]
    """Sorted by feature."""
    notes: tuple[str, ...] = ()
    """What a reader should know of the evidence as a whole, one sentence each."""
    reviewed: Mapping[FeatureId, Verdict] = field(default_factory=dict[FeatureId, Verdict])
    """What people agreed on, and no labeler is asked again."""

    def place(self, node: FeatureNode) -> float | None:
        """Return where a node's activation lies in its feature's range, 0 to 100."""
        evidence = self.known[node.feature]
        if not isinstance(evidence, FeatureEvidence) or node.activation is None:
            return None
        return round(evidence.place(float(node.activation)), 1)

    def note_excess(self, graph: AttributionGraph) -> tuple[str, ...]:
        """Say so where many nodes fire above all that is known of their features.

        On true evidence of another text none does (of 1,421 nodes of the bundled graphs).
        """
        reach = [
            float(node.activation) / evidence.act_max
            for node in graph.feature_nodes
            if isinstance(evidence := self.known[node.feature], FeatureEvidence)
            and node.activation is not None
            and evidence.act_max > 0
        ]
        above = sum(share > _EXCESS for share in reach)
        if above <= _MANY * len(reach):
            return ()
        return (
            f"{above} of {len(reach)} feature nodes fire far above the greatest activation in "
            "their evidence: check that it is that of the graph's transcoders",
        )

    def measure_q(self, graph: AttributionGraph) -> dict[FeatureId, float]:
        """Return the q-values of a graph's features, over those whose routes tell a chance."""
        told = {feature: self.routes[feature].p for feature in graph.features}
        chances = {feature: p for feature, p in told.items() if p is not None}
        q = map(round_chance, q_values(list(chances.values())))
        return dict(zip(chances, q, strict=True))

    def with_reviews(self, ledger: Ledger) -> "Pool":
        """Return the pool with what people decided, whose roles take the place of the rule's.

        Raises:
            LedgerError: The ledger could not be read.
        """
        reviewed = find_verdicts(self.graphs, self.known, ledger)
        changed = {f: override_route(self.routes[f], verdict) for f, verdict in reviewed.items()}
        return replace(self, reviewed=reviewed, routes={**self.routes, **changed})

    def logit_edges(self, feature: FeatureId) -> tuple[LogitEdge, ...]:
        """Return the direct edges from a feature to logits in all graphs, strongest first.

        A graph that was given twice, or beside its own labelled copy, counts once.
        """
        distinct = {graph.digest: graph for graph in self.graphs}.values()
        edges = (edge for graph in distinct for edge in graph.logit_edges(feature))
        return tuple(sorted(edges, key=lambda e: (-abs(e.weight), e.token, e.weight, e.ctx_idx)))


def read_pools(
    graphs: Sequence[GraphInput], settings: Settings, report: ReportProgress
) -> list[Pool]:
    """Read graphs, put those that share features together, and route every feature.

    Returns:
        Pools in the order of their first graph; the graphs of a pool in the order given.

    Raises:
        ClerpError: A graph, the evidence or a setting cannot be used.
    """
    rule = find_rule(settings.rule, settings.threshold, settings.null, alpha=settings.alpha)
    windows = parse_windows(settings.windows)
    embedder = find("embedders", settings.embedder)
    pools: list[Pool] = []
    for origins, members in _gather(graphs, settings, report):
        first = graphs[next(iter(members))]
        sourced = read_evidence(origins, tuple(members.values()), first, settings, report)
        known = sourced.known
        report(Progress("score", 0, len(known)))
        routes = list(route_features(known, rule=rule, windows=windows, embedder=embedder))
        report(Progress("score", len(known), len(known)))
        pools.append(
            Pool(
                graphs=tuple(members.values()),
                places=tuple(members),
                source=sourced.source,
                because=sourced.because,
                known={k.feature: k for k in known},
                routes={route.feature: route for route in routes},
                notes=rule.note_text(
                    [k for k in known if isinstance(k, FeatureEvidence)], embedder
                ),
            )
        )
    return pools


@dataclass(frozen=True, slots=True)
class _Gathered:
    origins: tuple[Origin, ...]
    members: dict[int, AttributionGraph] = field(default_factory=dict[int, AttributionGraph])


def _gather(
    graphs: Sequence[GraphInput], settings: Settings, report: ReportProgress
) -> Iterator[tuple[tuple[Origin, ...], dict[int, AttributionGraph]]]:
    """Yield the sources to try, and the graphs by place that share their features."""
    gathered: dict[tuple[object, TranscoderIdentity], _Gathered] = {}
    report(Progress("read", 0, len(graphs)))
    for place, given in enumerate(graphs):
        graph = read_graph(given, max_bytes=settings.max_graph_bytes)
        origins = choose_origins(given, graph, settings)
        key = tuple(origin.resolve() for origin in origins), graph.transcoder_identity
        gathered.setdefault(key, _Gathered(origins)).members[place] = graph
        report(Progress("read", place + 1, len(graphs)))
    yield from ((found.origins, found.members) for found in gathered.values())
