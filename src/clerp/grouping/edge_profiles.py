"""The grouper `edges`: nodes that read the same and act on the same are one group."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float64

from clerp.errors import UsageError
from clerp.feature import FeatureId
from clerp.graph import AttributionGraph, FeatureNode
from clerp.grouping.candidates import UNNAMED, list_candidates
from clerp.grouping.clustering import NEVER, cluster
from clerp.grouping.naming import choose_name
from clerp.grouping.profiles import compare_profiles
from clerp.grouping.sides import list_conflicts, side_of
from clerp.grouping.supernode import Member, Named, Supernode
from clerp.word_names import name_word

NEAR = 0.5
"""Least similarity of edges at which nodes count as alike: they agree in half or more.

In the two graphs that come with clerp and in gemma-2-2b-plt-dollar, one in twenty pairs of nodes at
the same position with different labels is that near.
"""


class EdgeGrouper:
    """Average-linkage clusters of signed edge profiles, as Neuronpedia's pull request 229 proposes.

    No label is read, except to name a group and to keep outputs from inputs.
    """

    def __init__(self, argument: str = "") -> None:
        if argument:
            raise UsageError(f"the grouper edges takes no argument, not {argument!r}")
        self.name = "edges"

    def group(
        self, graph: AttributionGraph, names: Mapping[FeatureId, Named]
    ) -> tuple[Supernode, ...]:
        """Group the nodes whose edges agree in half or more, on average."""
        nodes = list_candidates(graph, names)
        named = [names.get(node.feature, UNNAMED) for node in nodes]
        edges = compare_profiles(graph, nodes)
        apart = list_conflicts([side_of(each) for each in named])
        clusters = cluster(np.where(apart, NEVER, edges), NEAR)
        return tuple(_make(nodes, named, edges, found) for found in clusters if len(found) > 1)


def _make(
    nodes: Sequence[FeatureNode],
    named: Sequence[Named],
    edges: Float64[np.ndarray, "node node"],
    found: Sequence[int],
) -> Supernode:
    name = choose_name(named[place].text for place in found) or _describe(nodes[found[0]])
    return Supernode(name, tuple(_explain(nodes, edges, found, place) for place in found))


def _describe(node: FeatureNode) -> str:
    return f"near {name_word(node.token)}" if node.token else "nodes alike"


def _explain(
    nodes: Sequence[FeatureNode],
    edges: Float64[np.ndarray, "node node"],
    found: Sequence[int],
    place: int,
) -> Member:
    others = [other for other in found if other != place]
    reason = f"edges {edges[place, others].mean():.2f} alike on average with the others'"
    return Member(nodes[place].node_id, reason)
