"""Which nodes to pin: frontends show a member of a group only when it is pinned."""

from collections.abc import Collection, Iterable, Sequence
from itertools import islice
from math import fsum

import numpy as np

from clerp.graph import AttributionGraph
from clerp.grouping.link_table import LinkTable, iterate_nodes, list_ends
from clerp.grouping.profiles import DECIMALS
from clerp.grouping.settling import MIN_MEMBERS
from clerp.grouping.supernode import Supernode

MAX_PINS = 200
"""What circuit-tracer's frontend and Neuronpedia show at most."""


def choose_pins(
    graph: AttributionGraph, links: LinkTable, groups: Sequence[Supernode], pinned: Sequence[str]
) -> tuple[str, ...]:
    """Choose at most `MAX_PINS` nodes, and more only where people pinned more.

    What people pinned stays, in its order. Then come members of people's groups, then of clerp's:
    of either first the two of most influence of every group, since a group with fewer vanishes,
    groups of most influence first; then the others by influence. Tokens and logits with edges from
    or to them fill the rest, strongest first.

    Args:
        graph: The graph.
        links: Its links.
        groups: People's and clerp's.
        pinned: What people pinned.
    """
    chosen = dict.fromkeys(pinned)
    room = max(MAX_PINS - len(chosen), 0)
    people = [group for group in groups if group.origin == "person"]
    own = [group for group in groups if group.origin == "clerp"]
    ranked = _rank_members(graph, people) + _rank_members(graph, own)
    chosen |= _take(ranked, chosen, room)
    room = max(MAX_PINS - len(chosen), 0)
    chosen |= _take(_rank_ends(graph, links, chosen), chosen, room)
    return tuple(chosen)


def _take(node_ids: Iterable[str], chosen: Collection[str], n: int) -> dict[str, None]:
    return dict.fromkeys(islice((i for i in dict.fromkeys(node_ids) if i not in chosen), n))


def _rank_members(graph: AttributionGraph, groups: Sequence[Supernode]) -> list[str]:
    share = {node.node_id: node.share or 0.0 for node in graph.feature_nodes}
    known = {node["node_id"] for node in iterate_nodes(graph)}

    def weigh(node_ids: Iterable[str]) -> float:
        return round(fsum(share.get(node_id, 0.0) for node_id in node_ids), DECIMALS)

    ordered = [
        sorted((i for i in group.node_ids if i in known), key=lambda i: (-share.get(i, 0.0), i))
        for group in sorted(groups, key=lambda group: -weigh(group.node_ids))
    ]
    first = [node_id for members in ordered for node_id in members[:MIN_MEMBERS]]
    others = [node_id for members in ordered for node_id in members[MIN_MEMBERS:]]
    return first + sorted(others, key=lambda node_id: (-share.get(node_id, 0.0), node_id))


def _rank_ends(graph: AttributionGraph, links: LinkTable, shown: Collection[str]) -> list[str]:
    """List the tokens and logits that have edges with the nodes shown, most |weight| first."""
    ends = list_ends(graph)
    end_of = links.number({node_id: number for number, node_id in enumerate(ends)})
    is_shown = links.number(dict.fromkeys(shown, 1)) > 0
    sizes = np.zeros(len(ends))
    for here, there in ((links.sources, links.targets), (links.targets, links.sources)):
        kept = (end_of[here] >= 0) & is_shown[there]
        sizes += np.bincount(end_of[here][kept], np.abs(links.weights[kept]), len(ends))
    tied = np.flatnonzero(sizes)
    order = np.argsort(-sizes[tied].round(DECIMALS), kind="stable")
    return [ends[place] for place in tied[order]]
