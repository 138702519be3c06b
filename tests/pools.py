"""Pools without files: evidence, a route for each, and a graph that has the features."""

from collections.abc import Mapping, Sequence

from tests.unit.graph.conftest import build_graph

from clerp.evidence import EvidenceGap, FeatureEvidence
from clerp.feature import FeatureId
from clerp.graph import AttributionGraph, read_graph
from clerp.pool import Pool
from clerp.router import Role, Route
from clerp.testing import make_evidence, make_route

FEATURES = tuple(FeatureId(i, 10 + i) for i in range(8))
"""The first features of `build_graph`."""


def make_texts(word: str = " Dallas", n: int = 6) -> list[tuple[str, ...]]:
    return [(f" text{i}", word, f" tail{i}") for i in range(n)]


def make_known(
    roles: Sequence[Role],
) -> tuple[dict[FeatureId, FeatureEvidence | EvidenceGap], dict[FeatureId, Route]]:
    """Make evidence and route of as many features as there are roles."""
    known: dict[FeatureId, FeatureEvidence | EvidenceGap] = {}
    routes: dict[FeatureId, Route] = {}
    for feature, role in zip(FEATURES, roles, strict=False):
        evidence = make_evidence(make_texts(), feature=feature, promoted=(" Austin",))
        known[feature] = evidence
        routes[feature] = make_route(evidence, role)
    return known, routes


def make_pool(
    *roles: Role,
    graphs: Sequence[AttributionGraph] = (),
    known: Mapping[FeatureId, FeatureEvidence | EvidenceGap] | None = None,
    routes: Mapping[FeatureId, Route] | None = None,
) -> Pool:
    """Make a pool of one feature for each role; `known` and `routes` replace single ones."""
    made, routed = make_known(roles)
    members = tuple(graphs) or (read_graph(build_graph(n_features=len(roles))),)
    return Pool(
        graphs=members,
        places=tuple(range(len(members))),
        source="folder",
        because="it lies beside the graph",
        known={**made, **(known or {})},
        routes={**routed, **(routes or {})},
    )
