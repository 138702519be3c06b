"""What in a grouping may mislead whoever looks at it."""

from collections.abc import Sequence
from itertools import pairwise

import networkx as nx
import numpy as np
from jaxtyping import Float64, Int64

from clerp.graph import AttributionGraph, FeatureNode, shorten
from clerp.graph.viewer_settings import NamedNodes
from clerp.grouping.label_form import fold
from clerp.grouping.link_table import LinkTable
from clerp.grouping.profiles import DECIMALS
from clerp.grouping.supernode import Supernode

MAX_POSITIONS = 3
"""Positions of one group; names and words that a prompt speaks of seldom take more tokens."""
MAX_DEPTH = 0.5
"""Part of the graph's layers that one group spans; a box of more hides the way between."""
MAX_CANCELLED = 0.5
"""Part of a group's effects that its members take from each other: more is lost than is left."""

MIN_SHARE = 0.02
"""Part of what a group reads from outside below which a way counts for nothing in a cycle.

circuit-tracer prunes the links that carry the last 2 % by default (`edge_threshold` of .98). With
all links, most groups of a real graph are in one large cycle, which tells nobody anything.
"""

_SHOWN = 3


def list_warnings(
    graph: AttributionGraph,
    links: LinkTable,
    groups: Sequence[Supernode],
    written: Sequence[NamedNodes],
    pins: Sequence[str],
) -> tuple[tuple[str, ...], ...]:
    """Say what may mislead about each group.

    Args:
        graph: The graph.
        links: Its links.
        groups: People's, as many as were `written` and in their order, then clerp's.
        written: What the file has of people's.
        pins: What frontends show; a cycle by way of a node that they do not show is none.
    """
    nodes = {node.node_id: node for node in graph.feature_nodes}
    n_layers = len({node.feature.layer for node in graph.feature_nodes})
    found: list[list[str]] = [[] for _ in groups]
    for number, group in enumerate(written):
        found[number] += _check_written(group, number, written)
    for number, others in _find_cycles(links, groups, pins).items():
        found[number].append(f"makes a cycle with {_enumerate(others)}")
    for number, lost in enumerate(_measure_opposition(links, groups).round(DECIMALS).tolist()):
        if lost > MAX_CANCELLED:
            found[number].append(f"its members work against each other: {lost:.0%} cancels out")
    for number, group in enumerate(groups):
        members = [nodes[node_id] for node_id in group.node_ids if node_id in nodes]
        found[number] += _check_spread(members, n_layers)
    return tuple(map(tuple, found))


def _check_written(group: NamedNodes, number: int, written: Sequence[NamedNodes]) -> list[str]:
    others = [other for place, other in enumerate(written) if place != number]
    warnings: list[str] = []
    if any(fold(other.name) == fold(group.name) for other in others):
        warnings.append("shares its name with another group, so that frontends show one of them")
    shared = {i for other in others for i in other.node_ids}.intersection(group.node_ids)
    if shared:
        warnings.append(f"shares {_enumerate(sorted(shared))} with another group")
    if group.unknown:
        warnings.append(f"names what is no node of the graph: {_enumerate(group.unknown)}")
    return warnings


def _find_cycles(
    links: LinkTable, groups: Sequence[Supernode], pins: Sequence[str]
) -> dict[int, list[str]]:
    """Find the groups that a way through other boxes leads back to, and the names of those."""
    singles = dict.fromkeys(pins).keys() - _list_owners(groups).keys()
    names = [*(group.name for group in groups), *sorted(singles)]
    boxes = _list_owners(groups) | {i: len(groups) + n for n, i in enumerate(sorted(singles))}
    ways: nx.DiGraph[int] = nx.DiGraph(_list_ways(links, links.number(boxes), len(names)))
    return {
        box: [names[other] for other in sorted(cycle) if other != box]
        for cycle in nx.strongly_connected_components(ways)
        if len(cycle) > 1
        for box in cycle
        if box < len(groups)
    }


def _list_ways(
    links: LinkTable, box_of: Int64[np.ndarray, " id"], n_boxes: int
) -> list[tuple[int, int]]:
    """List the pairs of boxes of which the second reads more from the first than a trifle."""
    sources, targets = box_of[links.sources], box_of[links.targets]
    read = (targets >= 0) & (sources != targets)
    sizes = np.abs(links.weights)
    totals = np.bincount(targets[read], sizes[read], n_boxes)
    shown = read & (sources >= 0)
    pairs, inverse = np.unique(sources[shown] * n_boxes + targets[shown], return_inverse=True)
    carried = np.bincount(inverse, sizes[shown], len(pairs))
    ways = pairs[carried > MIN_SHARE * totals[pairs % n_boxes]]
    return [divmod(int(way), n_boxes) for way in ways]


def _measure_opposition(
    links: LinkTable, groups: Sequence[Supernode]
) -> Float64[np.ndarray, " group"]:
    """Measure what part of a group's effects on other nodes its members take from each other."""
    group_of = links.number(_list_owners(groups))
    owners = group_of[links.sources]
    outward = (owners >= 0) & (owners != group_of[links.targets])
    owners, weights = owners[outward], links.weights[outward]
    effects, inverse = np.unique(
        owners * len(links.place) + links.targets[outward], return_inverse=True
    )
    net = np.abs(np.bincount(inverse, weights, len(effects)))
    left = np.bincount(effects // max(len(links.place), 1), net, len(groups))
    gross = np.bincount(owners, np.abs(weights), len(groups))
    return 1 - np.divide(left, gross, out=np.ones(len(groups)), where=gross > 0)


def _list_owners(groups: Sequence[Supernode]) -> dict[str, int]:
    """Map members to the number of their group; frontends draw those of several in the last."""
    return {i: number for number, group in enumerate(groups) for i in group.node_ids}


def _check_spread(members: Sequence[FeatureNode], n_layers: int) -> list[str]:
    if not members:
        return []
    warnings: list[str] = []
    positions = sorted({node.ctx_idx for node in members})
    far_apart = any(after - before > 1 for before, after in pairwise(positions))
    if far_apart or len(positions) > MAX_POSITIONS:
        warnings.append(
            f"spread over {len(positions)} positions, {positions[0]} to {positions[-1]}"
        )
    layers = sorted({node.feature.layer for node in members})
    if layers[-1] - layers[0] > MAX_DEPTH * n_layers:
        warnings.append(f"spread over layers {layers[0]} to {layers[-1]}")
    return warnings


def _enumerate(names: Sequence[str]) -> str:
    shown = [shorten(" ".join(name.split())) for name in names[:_SHOWN]]
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(shown) + more
