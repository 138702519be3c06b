"""Which nodes a grouper looks at, in an order that does not depend on the file's."""

from collections.abc import Mapping
from typing import NamedTuple

from clerp.feature import FeatureId
from clerp.graph import AttributionGraph, FeatureNode
from clerp.grouping.supernode import Named

MAX_NODES = 3_000
"""Nodes that are compared with each other, which takes room for the square of their number."""

UNNAMED = Named("", "")


class Order(NamedTuple):
    """Where a node stands: along the prompt, then through the layers."""

    position: int
    feature: FeatureId
    node_id: str


def order_of(node: FeatureNode) -> Order:
    """Return what nodes are sorted by."""
    return Order(node.ctx_idx, node.feature, node.node_id)


def list_candidates(
    graph: AttributionGraph, names: Mapping[FeatureId, Named]
) -> tuple[FeatureNode, ...]:
    """List the feature nodes to group, sorted: those of most influence, without artefacts."""
    return tuple(sorted(_rank(graph, names)[:MAX_NODES], key=order_of))


def list_excess(graph: AttributionGraph, names: Mapping[FeatureId, Named]) -> list[str]:
    """List the ids of nodes that are no candidates only because there are too many."""
    return [node.node_id for node in _rank(graph, names)[MAX_NODES:]]


def _rank(graph: AttributionGraph, names: Mapping[FeatureId, Named]) -> list[FeatureNode]:
    meant = (n for n in graph.feature_nodes if names.get(n.feature, UNNAMED).role != "artefact")
    return sorted(meant, key=lambda node: (-(node.share or 0.0), order_of(node)))
