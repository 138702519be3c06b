"""Groupings made by hand over a graph of eight features."""

from typing import Any

from tests.unit.graph.conftest import build_graph

from clerp.graph import read_graph
from clerp.grouped import GroupedGraph
from clerp.grouping import Grouping, Member, Supernode

Document = dict[str, Any]
N = 8


def name_node(place: int) -> str:
    return f"{place}_{10 + place}_1"


def build_labelled() -> Document:
    document = build_graph(n_features=N)
    for place, node in enumerate(document["nodes"][:N]):
        node |= {"clerp": f"label {place}", "clerp_role": "input", "clerp_status": "labeled"}
    document["metadata"]["clerp"] = {"schema_version": 1, "features": {}}
    return document


def make_supernode(name: str, *ids: str | int, **changes: Any) -> Supernode:
    listed = (name_node(i) if isinstance(i, int) else i for i in ids)
    return Supernode(name, tuple(Member(i, f"why {i}") for i in listed), **changes)


def make_grouping(*supernodes: Supernode, pins: tuple[str, ...] | None = None) -> Grouping:
    members = [i for group in supernodes for i in group.node_ids]
    left = [name_node(i) for i in range(N) if name_node(i) not in members]
    return Grouping(
        supernodes=supernodes,
        ungrouped=tuple(Member(i, "nothing like it") for i in left),
        pins=tuple(dict.fromkeys(members)) if pins is None else pins,
        grouper="by hand",
    )


def make_grouped(*supernodes: Supernode, document: Document | None = None) -> GroupedGraph:
    graph = read_graph(build_labelled() if document is None else document)
    return GroupedGraph(graph, make_grouping(*supernodes))


TEXAS = make_supernode("Texas", 0, 1)
AUSTIN = make_supernode("say Austin", 3, 4, 5, warnings=("makes a cycle with Texas",))
