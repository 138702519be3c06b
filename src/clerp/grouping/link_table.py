"""The links of a graph as arrays, since graphs have millions of them."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64, Int64

from clerp.graph import AttributionGraph, NodeKind
from clerp.graph.flavour import KIND_OF_TYPE


@dataclass(frozen=True, slots=True, eq=False)
class LinkTable:
    """Links whose ends tell which node is meant, in an order that is not the file's."""

    place: Mapping[str, int]
    """Number of every id that one node alone has."""
    sources: Int64[np.ndarray, " link"]
    targets: Int64[np.ndarray, " link"]
    weights: Float64[np.ndarray, " link"]
    """Signed, over the largest |weight|: numbers near the largest there are have no sum."""

    def number(self, chosen: Mapping[str, int]) -> Int64[np.ndarray, " id"]:
        """Return the number given to each id of `place`, -1 where none is."""
        numbers = np.full(len(self.place), -1, dtype=np.int64)
        for node_id, number in chosen.items():
            if node_id in self.place:
                numbers[self.place[node_id]] = number
        return numbers


def read_links(graph: AttributionGraph) -> LinkTable:
    """Read the links between nodes of any type."""
    counts = Counter(node["node_id"] for node in iterate_nodes(graph))
    place = {node_id: i for i, node_id in enumerate(sorted(i for i in counts if counts[i] == 1))}
    links: list[dict[str, Any]] = graph.document["links"]
    n = len(links)
    sources = np.fromiter((place.get(link["source"], -1) for link in links), np.int64, n)
    targets = np.fromiter((place.get(link["target"], -1) for link in links), np.int64, n)
    weights = np.fromiter((link["weight"] for link in links), np.float64, n)
    order = np.lexsort((weights, targets, sources))
    order = order[(sources[order] >= 0) & (targets[order] >= 0) & (weights[order] != 0)]
    largest = np.abs(weights).max(initial=0) or 1.0
    return LinkTable(place, sources[order], targets[order], weights[order] / largest)


def list_ends(graph: AttributionGraph) -> list[str]:
    """List the ids of tokens and logits, sorted."""
    kinds = (NodeKind.EMBEDDING, NodeKind.LOGIT)
    return sorted(
        node["node_id"]
        for node in iterate_nodes(graph)
        if KIND_OF_TYPE.get(node["feature_type"]) in kinds
    )


def iterate_nodes(graph: AttributionGraph) -> Iterator[dict[str, Any]]:
    """Yield every node of the document, of any type."""
    more: Mapping[str, dict[str, Any]] = graph.document.get("qk_only_nodes") or {}
    yield from graph.document["nodes"]
    yield from more.values()
