"""Which features of a graph act on which most."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from itertools import chain
from typing import Any

from clerp.feature import FeatureId
from clerp.graph.model import AttributionGraph


def rank_neighbours(graph: AttributionGraph) -> Mapping[FeatureId, tuple[FeatureId, ...]]:
    """List the features that each feature has direct edges with, most tied first.

    Features are tied by the sum of |weight| over the links between their nodes, in both directions.
    Links whose ends do not tell which node is meant count for none.

    Returns:
        By feature; one without such links is not in it.
    """
    owners = _find_owners(graph)
    ties: defaultdict[FeatureId, Counter[FeatureId]] = defaultdict(Counter)
    links: list[dict[str, Any]] = graph.document["links"]
    for link in links:
        source, target = owners.get(link["source"]), owners.get(link["target"])
        if source is None or target is None or source == target:
            continue
        ties[source][target] += abs(link["weight"])
        ties[target][source] += abs(link["weight"])
    return {
        feature: tuple(sorted(tied, key=lambda other: (-tied[other], other)))
        for feature, tied in ties.items()
    }


def _find_owners(graph: AttributionGraph) -> dict[str, FeatureId]:
    """Find the feature of each node id that only nodes of features have."""
    nodes: list[dict[str, Any]] = graph.document["nodes"]
    more: dict[str, dict[str, Any]] = graph.document.get("qk_only_nodes") or {}
    n_nodes = Counter(node["node_id"] for node in chain(nodes, more.values()))
    return {
        node.node_id: node.feature for node in graph.feature_nodes if n_nodes[node.node_id] == 1
    }
