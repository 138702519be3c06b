"""A graph with its supernodes: what comes of grouping, and for whom it is written."""

from clerp.grouped.document import drop_own_groups
from clerp.grouped.graph import DEFAULT_GROUPER, Feature, GroupedGraph, group_graph

__all__ = ["DEFAULT_GROUPER", "Feature", "GroupedGraph", "drop_own_groups", "group_graph"]
