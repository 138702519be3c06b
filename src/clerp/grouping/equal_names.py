"""The grouper `name`: nodes with one label are one group."""

from collections import defaultdict
from collections.abc import Mapping

from clerp.errors import UsageError
from clerp.feature import FeatureId
from clerp.graph import AttributionGraph, FeatureNode
from clerp.grouping.candidates import UNNAMED, list_candidates
from clerp.grouping.label_form import fold, read_form
from clerp.grouping.naming import choose_name
from clerp.grouping.sides import side_of
from clerp.grouping.supernode import Member, Named, Supernode


class NameGrouper:
    """Groups of nodes whose labels are equal, whatever their case.

    A label that only has function words or names of punctuation makes no group.
    """

    def __init__(self, argument: str = "") -> None:
        if argument:
            raise UsageError(f"the grouper name takes no argument, not {argument!r}")
        self.name = "name"

    def group(
        self, graph: AttributionGraph, names: Mapping[FeatureId, Named]
    ) -> tuple[Supernode, ...]:
        """Group the nodes of equal labels that speak of the same side."""
        groups: defaultdict[tuple[str, str], list[FeatureNode]] = defaultdict(list)
        for node in list_candidates(graph, names):
            named = names.get(node.feature, UNNAMED)
            if read_form(named.text).words:
                groups[fold(named.text), side_of(named)].append(node)
        return tuple(_make(nodes, names) for nodes in groups.values() if len(nodes) > 1)


def _make(nodes: list[FeatureNode], names: Mapping[FeatureId, Named]) -> Supernode:
    name = choose_name(names[node.feature].text for node in nodes)
    reason = f"one of {len(nodes)} nodes with this label"
    return Supernode(name, tuple(Member(node.node_id, reason) for node in nodes))
