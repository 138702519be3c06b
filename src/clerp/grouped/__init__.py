"""A graph with its supernodes: what comes of grouping, and for whom it is written."""

from clerp.grouped.document import drop_own_groups, list_own_members
from clerp.grouped.graph import DEFAULT_GROUPER, Feature, GroupedGraph, group_graph

__all__ = [
    "DEFAULT_GROUPER",
    "Feature",
    "GroupedGraph",
    "drop_own_groups",
    "group_graph",
    "list_own_members",
]
