"""What every grouper is asked for."""

from collections import Counter
from collections.abc import Sequence
from typing import cast

from clerp.feature import FeatureId
from clerp.graph import AttributionGraph
from clerp.grouping import Supernode
from clerp.plugins import Grouper
from clerp.testing.contract import (
    ContractError,
    blaming,
    check_shape,
    find_own_path,
    is_line,
    require,
)


def check_grouper(grouper: object, graph: AttributionGraph) -> None:
    """Check that a grouper keeps the contract of `clerp.plugins.Grouper`.

    It groups the graph three times: with a label for every feature, with the same again, and
    without any label.

    Args:
        grouper: What the plugin's entry point returns.
        graph: A graph to group, for example from `clerp.graph.read_graph`.

    Raises:
        ContractError: It is no grouper; it raises; a group has no node, a node that is no feature
            node of the graph or one of another group; two groups share a name; a name or reason
            is not one line or holds a path of this machine; it changes the labels; or it does not
            group the same twice.
    """
    check_shape(grouper, "grouper", "group")
    ready = cast(Grouper, grouper)
    labels = {feature: f"label {number % 5}" for number, feature in enumerate(graph.features)}
    first = _group(ready, graph, labels)
    require(
        _group(ready, graph, labels) == first,
        f"the grouper {ready.name!r} does not group the same twice",
    )
    _group(ready, graph, {})


def _group(
    grouper: Grouper, graph: AttributionGraph, labels: dict[FeatureId, str]
) -> list[Supernode]:
    subject = f"the grouper {grouper.name!r}, given {len(labels)} labels,"
    given = dict(labels)
    with blaming(subject):
        returned: list[object] = list(grouper.group(graph, given))
    require(given == labels, f"{subject} changed them")
    groups = [_check_group(group, subject) for group in returned]
    _refuse_repeats([group.name for group in groups], f"{subject} gave two groups the name")
    nodes = [node for group in groups for node in group.node_ids]
    _refuse_repeats(nodes, f"{subject} put into two groups the node")
    known = {node.node_id for node in graph.feature_nodes}
    unknown = [node for node in nodes if node not in known]
    require(not unknown, f"{subject} grouped {unknown[:3]}, no feature nodes of the graph")
    return groups


def _check_group(group: object, subject: str) -> Supernode:
    if not isinstance(group, Supernode):
        raise ContractError(f"{subject} returned {group!r}: it returns Supernode objects")
    for what, text in (("name", group.name), ("reason", group.reason)):
        require(is_line(text), f"{subject} gave the {what} {text!r}: it is one line of text")
        path = find_own_path(text)
        require(path is None, f"{subject} names {path}, a folder of this machine, as a {what}")
    require(bool(group.node_ids), f"{subject} left the group {group.name!r} empty")
    return group


def _refuse_repeats(values: Sequence[str], sentence: str) -> None:
    repeated = [value for value, n in Counter(values).items() if n > 1]
    require(not repeated, f"{sentence} {repeated[:1]}")
