"""A graph, the names of its features and a grouper to groups that frontends can show.

What all groupers share is here, so that they stay small: people's groups come first and stay,
outputs are kept from inputs, names are made short and unique, what may mislead is flagged, and
every node that is left out says why.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median_low

from clerp.errors import PluginError
from clerp.feature import FeatureId
from clerp.graph import AttributionGraph, FeatureNode
from clerp.graph.viewer_settings import NamedNodes, read_pins, read_supernodes
from clerp.grouping.candidates import MAX_NODES, UNNAMED, Order, list_excess, order_of
from clerp.grouping.checks import list_warnings
from clerp.grouping.label_form import Side, fold, read_form
from clerp.grouping.link_table import read_links
from clerp.grouping.naming import clean_name, make_unique
from clerp.grouping.pins import choose_pins
from clerp.grouping.settling import MIN_MEMBERS, Settled, join_people, part_sides
from clerp.grouping.sides import side_of
from clerp.grouping.supernode import Member, Named, Supernode
from clerp.plugins import Grouper

_BY_A_PERSON = "a person put it here"
TOO_MANY = f"not among the {MAX_NODES:,} nodes of most influence"


@dataclass(frozen=True, slots=True)
class Grouping:
    """Groups of a graph's nodes, and what is in none."""

    supernodes: tuple[Supernode, ...]
    """People's, in the order of the file, then clerp's, from the first layers to the last.

    clerp's have names of their own and at least two members, feature nodes that are in no other
    group. People's are as they were: two may share a name or a node, and members may be tokens,
    logits, or ids that name no node; each such thing is among the warnings.
    """
    ungrouped: tuple[Member, ...]
    """The feature nodes in no group, by position and layer."""
    pins: tuple[str, ...]
    """Ids for `qParams.pinnedIds`: without its pin no frontend shows a member."""
    grouper: str


def group_nodes(
    graph: AttributionGraph, names: Mapping[FeatureId, Named], grouper: Grouper
) -> Grouping:
    """Group the feature nodes of a graph.

    People's groups, in `qParams.supernodes`, keep their name, members and order. Where a proposed
    group has at least half of its nodes in one of them, and none in another, the rest is added to
    that one. Clerp's own groups are proposed among the nodes that are then in none.

    Args:
        graph: A graph, labelled or not.
        names: What is known of its features, from `read_names`.
        grouper: Proposes groups, from `clerp.plugins.find("groupers", name)`.

    Raises:
        GraphError: The graph's own groups or pins cannot be read.
        PluginError: The grouper grouped what is no feature node, or a node twice.
    """
    written = read_supernodes(graph)
    people = [_read_person(group) for group in written]
    proposals = grouper.group(graph, names)
    _check_proposals(proposals, graph, grouper.name)
    sides: dict[str, Side] = {
        n.node_id: side_of(names.get(n.feature, UNNAMED)) for n in graph.feature_nodes
    }
    texts = {n.node_id: names.get(n.feature, UNNAMED).text for n in graph.feature_nodes}
    kept = join_people(proposals, people, sides)
    # What is left of a proposal once a person's nodes are out need not belong together.
    proposals = _propose_anew(graph, names, grouper, kept) if kept else proposals
    settled = part_sides(proposals, sides, texts)
    groups = (*kept, *_finish(settled, kept, graph))
    links = read_links(graph)
    pins = choose_pins(graph, links, groups, read_pins(graph))
    warnings = list_warnings(graph, links, groups, written, pins)
    return Grouping(
        supernodes=tuple(map(_warn, groups, warnings)),
        ungrouped=_list_ungrouped(graph, names, groups, settled.left_out),
        pins=pins,
        grouper=grouper.name,
    )


def _propose_anew(
    graph: AttributionGraph,
    names: Mapping[FeatureId, Named],
    grouper: Grouper,
    people: Sequence[Supernode],
) -> Sequence[Supernode]:
    owned = {node_id for group in people for node_id in group.node_ids}
    free = tuple(node for node in graph.feature_nodes if node.node_id not in owned)
    if len(free) < MIN_MEMBERS:
        return ()
    proposals = grouper.group(replace(graph, feature_nodes=free), names)
    _check_proposals(proposals, graph, grouper.name)
    return [
        replace(group, members=tuple(m for m in group.members if m.node_id not in owned))
        for group in proposals
    ]


def _read_person(group: NamedNodes) -> Supernode:
    members = (Member(node_id, _BY_A_PERSON) for node_id in group.node_ids)
    return Supernode(group.name, tuple(members), "person")


def _warn(group: Supernode, warnings: Sequence[str]) -> Supernode:
    return replace(group, warnings=(*group.warnings, *warnings))


def _check_proposals(proposals: Sequence[Supernode], graph: AttributionGraph, grouper: str) -> None:
    counts = Counter(node_id for group in proposals for node_id in group.node_ids)
    known = {node.node_id for node in graph.feature_nodes}
    faulty = sorted(node_id for node_id, n in counts.items() if n > 1 or node_id not in known)
    if faulty:
        raise PluginError(
            f"the grouper {grouper!r} grouped {faulty[0]!r} twice, or it is no feature node",
            where=graph.name,
            remedy="Its author can check it with clerp.testing.check_grouper",
        )


def _finish(
    settled: Settled, people: Sequence[Supernode], graph: AttributionGraph
) -> tuple[Supernode, ...]:
    """Order clerp's groups and give each a name of its own."""
    nodes = {node.node_id: node for node in graph.feature_nodes}
    groups = sorted(settled.groups, key=lambda group: _rank(group, nodes))
    names = [fold(clean_name(group.name)) for group in groups]
    repeated = {name for name, n in Counter(names).items() if n > 1}
    # Of two groups that would share a name, both say where they are.
    taken = {fold(group.name) for group in people} | repeated
    return tuple(
        replace(group, name=make_unique(group.name, _say_where(group, nodes), taken))
        for group in groups
    )


def _rank(group: Supernode, nodes: Mapping[str, FeatureNode]) -> tuple[int, list[Order]]:
    members = [nodes[node_id] for node_id in group.node_ids]
    return median_low(node.feature.layer for node in members), sorted(map(order_of, members))


def _say_where(group: Supernode, nodes: Mapping[str, FeatureNode]) -> str:
    return f"at {median_low(nodes[node_id].ctx_idx for node_id in group.node_ids)}"


def _list_ungrouped(
    graph: AttributionGraph,
    names: Mapping[FeatureId, Named],
    groups: Sequence[Supernode],
    left_out: Mapping[str, str],
) -> tuple[Member, ...]:
    grouped = {node_id for group in groups for node_id in group.node_ids}
    alone = [node for node in graph.feature_nodes if node.node_id not in grouped]
    reasons = {node.node_id: _say_why(names.get(node.feature, UNNAMED)) for node in alone}
    reasons |= {**dict.fromkeys(list_excess(graph, names), TOO_MANY), **left_out}
    return tuple(Member(n.node_id, reasons[n.node_id]) for n in sorted(alone, key=order_of))


def _say_why(named: Named) -> str:
    if named.role == "artefact":
        return "an artefact, which stands for no meaning"
    if not named.text:
        return "no label, and wired like no group"
    if not read_form(named.text).words:
        return "its label alone, a function word or a mark, makes no group"
    return "no other node is like it"
