"""What every grouper is asked for."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import cast

from clerp.feature import FeatureId
from clerp.graph import AttributionGraph, read_graph
from clerp.grouping import Named, Supernode
from clerp.plugins import Grouper
from clerp.testing.contract import (
    ContractError,
    blaming,
    check_shape,
    find_own_path,
    is_line,
    require,
)

_Content = list[tuple[str, tuple[str, ...]]]

_WORDS = ("Texas", "say Austin", "capital", "")
_ROLES = ("input", "output", "cross", "")


def check_grouper(grouper: object, graph: AttributionGraph) -> None:
    """Check that a grouper keeps the contract of `clerp.plugins.Grouper`.

    It groups the graph with names for most features, again, with the nodes and links of the file
    the other way round, with people's groups in the file, and without any name.

    Args:
        grouper: What the plugin's entry point returns.
        graph: A graph to group, for example from `clerp.graph.read_graph`.

    Raises:
        ContractError: It is no grouper; it raises; a group has no node, a node that is no feature
            node of the graph or one of another group; a name, reason or warning is not one line or
            holds a path of this machine; it changes the names; it does not group the same twice, or
            not the same in another order.
    """
    check_shape(grouper, "grouper", "group")
    ready = cast(Grouper, grouper)
    subject = f"the grouper {ready.name!r}"
    names = {feature: _name(number) for number, feature in enumerate(graph.features)}
    first = _group(ready, graph, names)
    require(_group(ready, graph, names) == first, f"{subject} does not group the same twice")
    require(
        _list_content(_group(ready, _turn_round(graph), names)) == _list_content(first),
        f"{subject} does not group the same when the nodes of the file are in another order",
    )
    _group(ready, _add_people(graph), names)
    _group(ready, graph, {})


def _name(number: int) -> Named:
    return Named(_WORDS[number % len(_WORDS)], _ROLES[number % len(_ROLES)])


def _turn_round(graph: AttributionGraph) -> AttributionGraph:
    turned = {key: graph.document[key][::-1] for key in ("nodes", "links")}
    return read_graph(graph.document | turned)


def _add_people(graph: AttributionGraph) -> AttributionGraph:
    node_ids = [node.node_id for node in graph.feature_nodes[:2]]
    settings = {"supernodes": [["mine", *node_ids]], "pinnedIds": node_ids}
    return read_graph(
        graph.document | {"qParams": (graph.document.get("qParams") or {}) | settings}
    )


def _list_content(groups: Sequence[Supernode]) -> _Content:
    return sorted((group.name, tuple(sorted(group.node_ids))) for group in groups)


def _group(
    grouper: Grouper, graph: AttributionGraph, names: Mapping[FeatureId, Named]
) -> list[Supernode]:
    subject = f"the grouper {grouper.name!r}, given {len(names)} names,"
    given = dict(names)
    with blaming(subject):
        returned: list[object] = list(grouper.group(graph, given))
    require(given == names, f"{subject} changed them")
    groups = [_check_group(group, subject) for group in returned]
    nodes = [node for group in groups for node in group.node_ids]
    repeated = [node for node, n in Counter(nodes).items() if n > 1]
    require(not repeated, f"{subject} put twice into groups the node {repeated[:1]}")
    known = {node.node_id for node in graph.feature_nodes}
    unknown = [node for node in nodes if node not in known]
    require(not unknown, f"{subject} grouped {unknown[:3]}, no feature nodes of the graph")
    return groups


def _check_group(group: object, subject: str) -> Supernode:
    if not isinstance(group, Supernode):
        raise ContractError(f"{subject} returned {group!r}: it returns Supernode objects")
    _check_line(group.name, "name", subject)
    for member in group.members:
        _check_line(member.reason, "reason", subject)
    for warning in group.warnings:
        _check_line(warning, "warning", subject)
    require(bool(group.members), f"{subject} left the group {group.name!r} empty")
    return group


def _check_line(text: str, what: str, subject: str) -> None:
    require(is_line(text), f"{subject} gave the {what} {text!r}: it is one line of text")
    path = find_own_path(text)
    require(path is None, f"{subject} names {path}, a folder of this machine, as a {what}")
