"""Graphs that share their features: each feature read and routed once, for all of them.

Graphs share features when they name the same transcoder set and their activation examples come from
the same place.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clerp.config import Settings
from clerp.errors import EvidenceError, PluginError
from clerp.evidence import EvidenceGap, FeatureEvidence
from clerp.feature import FeatureId
from clerp.graph import AttributionGraph, FeatureNode, LogitEdge, TranscoderIdentity, read_graph
from clerp.plugins import Source, find, is_registered
from clerp.progress import Progress, ReportProgress
from clerp.router import Route, find_artefact, find_rule, route_features
from clerp.windows import parse_windows

# Two characters at least: one is a drive.
_NAMED = re.compile(r"[a-z][a-z0-9_-]+:")

# Activation over the greatest that is known, and the part of all nodes, from which on it is odd.
_EXCESS, _MANY = 1.2, 0.1

GraphInput = str | Path | Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Pool:
    """Graphs with the evidence and the route of every feature that any of them has."""

    graphs: tuple[AttributionGraph, ...]
    places: tuple[int, ...]
    """Where each of them stands among the graphs given."""
    known: Mapping[FeatureId, FeatureEvidence | EvidenceGap]
    routes: Mapping[FeatureId, Route]
    """Sorted by feature."""

    @property
    def scorable(self) -> list[FeatureEvidence]:
        """The evidence that scores are computed, and calibrated, with."""
        return [
            known
            for known in self.known.values()
            if isinstance(known, FeatureEvidence) and find_artefact(known) is None
        ]

    @property
    def null_digest(self) -> str:
        """sha256 of the evidence that the null is drawn from, in any order."""
        digests = sorted(known.digest for known in self.scorable)
        return hashlib.sha256("\n".join(digests).encode()).hexdigest()

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
    rule = find_rule(settings.rule, settings.threshold)
    windows = parse_windows(settings.windows)
    embedder = find("embedders", settings.embedder)
    pools: list[Pool] = []
    for source, members in _gather(graphs, settings, report):
        known = _read_evidence(find("sources", source), members.values(), report)
        report(Progress("score", 0, len(known)))
        routes = route_features(known, rule=rule, windows=windows, embedder=embedder)
        report(Progress("score", len(known), len(known)))
        pools.append(
            Pool(
                graphs=tuple(members.values()),
                places=tuple(members),
                known={k.feature: k for k in known},
                routes={route.feature: route for route in routes},
            )
        )
    return pools


def _gather(
    graphs: Sequence[GraphInput], settings: Settings, report: ReportProgress
) -> Iterator[tuple[str, dict[int, AttributionGraph]]]:
    """Yield a source, as `NAME:ARGUMENT`, and the graphs by place that share its features."""
    gathered: dict[tuple[str, TranscoderIdentity], dict[int, AttributionGraph]] = {}
    folders: dict[Path, Path] = {}
    report(Progress("read", 0, len(graphs)))
    for place, given in enumerate(graphs):
        graph = read_graph(given, max_bytes=settings.max_graph_bytes)
        if settings.features is None:
            beside = _find_beside(given, graph)
            # Several paths may lead to one folder; messages name the first.
            source = f"folder:{folders.setdefault(beside.resolve(), beside)}"
        else:
            source = _name_source(settings.features)
        gathered.setdefault((source, graph.transcoder_identity), {})[place] = graph
        report(Progress("read", place + 1, len(graphs)))
    yield from ((source, members) for (source, _), members in gathered.items())


def _name_source(features: str) -> str:
    # A name that nobody registers is for `find` to refuse, which knows what is installed.
    is_known = ":" in features and is_registered("sources", features)
    is_name = _NAMED.match(features) is not None and not Path(features).exists()
    return features if is_known or is_name else f"folder:{features}"


def _find_beside(given: GraphInput, graph: AttributionGraph) -> Path:
    beside = None if isinstance(given, Mapping) else Path(given).parent / "features"
    if beside is None or not beside.is_dir():
        tried = f"Tried {beside}. " if beside is not None else ""
        scan = graph.transcoder_identity.name or "the graph's transcoders"
        raise EvidenceError(
            "no activation examples found for this graph",
            where=graph.name if isinstance(given, Mapping) else str(given),
            remedy=f"{tried}Get those of {scan} and name their folder: --features FOLDER "
            "(features=FOLDER in Python)",
        )
    return beside


def _read_evidence(
    source: Source, graphs: Iterable[AttributionGraph], report: ReportProgress
) -> list[FeatureEvidence | EvidenceGap]:
    features = sorted({feature for graph in graphs for feature in graph.features})
    report(Progress("evidence", 0, len(features)))
    known: list[FeatureEvidence | EvidenceGap] = []
    for item in _ask(source, features):
        known.append(item)
        report(Progress("evidence", len(known), len(features)))
    if all(isinstance(item, EvidenceGap) for item in known):
        raise EvidenceError(
            f"none of the {len(known)} features has activation examples here, the first because: "
            f"{_tell_gap(known[0])}",
            where=source.name,
            remedy="Check that --features belongs to the transcoders of the graph",
        )
    return known


def _tell_gap(item: FeatureEvidence | EvidenceGap) -> str:
    return item.reason if isinstance(item, EvidenceGap) else ""


def _ask(source: Source, features: Sequence[FeatureId]) -> Iterator[FeatureEvidence | EvidenceGap]:
    """Yield what a source that anybody may have written knows of each feature."""
    answers: Iterator[object] = iter(source.read(features))
    for feature in features:
        item = next(answers, None)
        if not isinstance(item, FeatureEvidence | EvidenceGap):
            said = "nothing" if item is None else type(item).__name__
            raise _break_contract(source, f"answered {said} when asked for {feature}")
        if item.feature != feature:
            raise _break_contract(source, f"answered {item.feature} when asked for {feature}")
        yield item
    if next(answers, None) is not None:
        raise _break_contract(source, f"answered more than the {len(features)} features asked for")


def _break_contract(source: Source, how: str) -> PluginError:
    return PluginError(
        f"the source {source.name!r} {how}",
        remedy="Its author can check it with clerp.testing.check_source",
    )
