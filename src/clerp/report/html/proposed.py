"""What is left in a graph of the supernodes that clerp put there."""

from dataclasses import dataclass

from clerp.graph import AttributionGraph
from clerp.graph.viewer_settings import read_supernodes
from clerp.report.html.recorded import RecordedGrouping


@dataclass(frozen=True, slots=True)
class ProposedGroups:
    """Of a graph's supernodes those that are as `clerp group` left them."""

    grouper: str
    n_own: int
    """Those that clerp proposed; all others are people's."""
    warnings: tuple[tuple[str, str], ...]
    """Name of a supernode and what may mislead about it."""


def find_proposed(graph: AttributionGraph, grouping: RecordedGrouping) -> ProposedGroups:
    """Hold the supernodes of a graph against what is on record of them.

    One that somebody renamed or changed since is that person's, as it is to `clerp group`: name
    and members tell. Those without a feature of the graph are left out, as in the picture.

    Raises:
        GraphError: The supernodes of the graph cannot be read.
    """
    features = {node.node_id for node in graph.feature_nodes}
    recorded = {(group.name, group.node_ids): group for group in grouping.groups}
    present = [(group.name, group.node_ids) for group in read_supernodes(graph)]
    left = [recorded[key] for key in present if key in recorded and not features.isdisjoint(key[1])]
    return ProposedGroups(
        grouper=grouping.grouper,
        n_own=sum(group.is_own for group in left),
        warnings=tuple((group.name, warning) for group in left for warning in group.warnings),
    )
