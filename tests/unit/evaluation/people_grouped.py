"""A small graph with supernodes of a person's, and groupers that a test says what they do."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.unit.graph.conftest import build_graph

from clerp.feature import FeatureId
from clerp.graph import AttributionGraph
from clerp.grouping import Member, Named, Supernode

Document = dict[str, Any]
LABELS = ("Texas", "Texas", "Texas cities", "say Austin", "say Austin", "Dallas", "Dallas", "")
PEOPLE = {"Texas": (0, 1, 2), "say Austin": (3, 4), "Dallas": (5, 6)}


def build_people_grouped(groups: Mapping[str, Sequence[int]] = PEOPLE) -> Document:
    """Build a graph of eight labelled features, the last of which is in no group."""
    document = build_graph(n_features=len(LABELS))
    for node, label in zip(document["nodes"], LABELS, strict=False):
        node["clerp"] = label
    listed = [[name, *(name_node(place) for place in places)] for name, places in groups.items()]
    document["qParams"] |= {
        "supernodes": listed,
        "pinnedIds": [i for _, *ids in listed for i in ids],
        "clickedId": name_node(0),
        "sg_pos": "795 581 617",
    }
    return document


def name_node(place: int) -> str:
    return f"{place}_{10 + place}_1"


def write(folder: Path, document: Document, name: str = "people.json") -> Path:
    path = folder / name
    path.write_text(json.dumps(document))
    return path


@dataclass
class FakeGrouper:
    """Groups the places that it is told to, and keeps what it was shown."""

    groups: Mapping[str, Sequence[int]] = field(default_factory=dict[str, Sequence[int]])
    name: str = "fake"
    seen: list[AttributionGraph] = field(default_factory=list[AttributionGraph])

    def group(self, graph: AttributionGraph, names: Mapping[FeatureId, Named]) -> list[Supernode]:
        self.seen.append(graph)
        return [
            Supernode(name, tuple(Member(name_node(i), "it was told so") for i in places))
            for name, places in self.groups.items()
        ]


@dataclass
class LookingGrouper:
    """Groups by whatever a function finds in the graph that it is shown."""

    look: Callable[[AttributionGraph], Sequence[Sequence[str]]]
    name: str = "looking"

    def group(self, graph: AttributionGraph, names: Mapping[FeatureId, Named]) -> list[Supernode]:
        return [
            Supernode(f"group {n}", tuple(Member(i, "seen") for i in ids))
            for n, ids in enumerate(self.look(graph))
        ]
