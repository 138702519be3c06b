"""Where in a graph its features occur."""

from collections.abc import Mapping
from dataclasses import dataclass

from clerp.feature import FeatureId
from clerp.graph import AttributionGraph
from clerp.report.summary import share_by_feature


@dataclass(frozen=True, slots=True)
class Occurrence:
    """All nodes of one feature together."""

    share: float | None = None
    """Of the influence in the graph, 0 to 1; None where the graph does not say."""
    tokens: tuple[str, ...] = ()
    """Distinct tokens of the prompt on which it fires, in the order of the text."""


def list_occurrences(graph: AttributionGraph) -> Mapping[FeatureId, Occurrence]:
    """Describe where each feature of a graph occurs."""
    shares = share_by_feature(graph)
    tokens: dict[FeatureId, dict[str, None]] = {}
    for node in sorted(graph.feature_nodes, key=lambda node: node.ctx_idx):
        tokens.setdefault(node.feature, {})[node.token] = None
    return {
        feature: Occurrence(shares.get(feature), tuple(found)) for feature, found in tokens.items()
    }
