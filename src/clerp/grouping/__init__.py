"""Supernodes: named groups of feature nodes."""

from clerp.grouping.grouping import Grouping, group_nodes
from clerp.grouping.names import read_names
from clerp.grouping.supernode import Member, Named, Supernode

__all__ = ["Grouping", "Member", "Named", "Supernode", "group_nodes", "read_names"]
