"""Cumulative influence to each node's own share of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import groupby
from math import fsum

from clerp.errors import GraphError
from clerp.graph.flavour import NodeKind, kind_of
from clerp.graph.shape import NodePlace, NodeShape

# Influences are sums of float32 numbers.
_TOLERANCE = 1e-3


@dataclass(frozen=True, slots=True)
class InfluenceShares:
    """How the influence in a file divides over its nodes; all shares sum to 1."""

    by_place: Mapping[NodePlace, float]
    """Share of every node that has an influence, 0 to 1."""
    features: float
    errors: float
    embeddings: float


def measure_shares(nodes: Mapping[NodePlace, NodeShape], where: str) -> InfluenceShares | None:
    """Undo circuit-tracer's cumulative sum: a node's share is the step from the one before it.

    `influence` holds the running sum over nodes from the most to the least influential, so small
    means important. Nodes with the same value divide their step, so that order does not matter.

    Returns:
        None when no node has an influence, or all have none of it.

    Raises:
        GraphError: An influence below 0 or above 1.
    """
    cumulative = {
        place: _check_influence(node.influence, where, place)
        for place, node in nodes.items()
        if node.influence is not None
    }
    total = max(cumulative.values(), default=0.0)
    if total <= 0:
        return None
    by_place = _divide(cumulative, total)
    return InfluenceShares(
        by_place,
        *(
            fsum(share for place, share in by_place.items() if kind_of(nodes[place]) is kind)
            for kind in (NodeKind.FEATURE, NodeKind.ERROR, NodeKind.EMBEDDING)
        ),
    )


def _check_influence(influence: float, where: str, place: NodePlace) -> float:
    if not 0 <= influence <= 1 + _TOLERANCE:
        raise GraphError(
            f"cumulative influence {influence} is not between 0 and 1",
            where=f"{where}, {place}.influence",
            remedy="Export the graph again",
        )
    return influence


def _divide(cumulative: Mapping[NodePlace, float], total: float) -> dict[NodePlace, float]:
    shares: dict[NodePlace, float] = {}
    reached = 0.0
    for value, tied in groupby(sorted(cumulative, key=cumulative.__getitem__), cumulative.get):
        places = list(tied)
        step = (value or 0.0) - reached
        shares |= dict.fromkeys(places, step / total / len(places))
        reached = value or 0.0
    return shares
