"""Supernodes into a document, everything else left as it was; and clerp's own out again."""

from collections.abc import Collection, Iterable
from dataclasses import asdict, replace
from typing import Any

from msgspec import Struct

from clerp.graph import SCHEMA_VERSION, AttributionGraph
from clerp.graph.shape import check
from clerp.graph.viewer_settings import NamedNodes, read_pins, read_supernodes
from clerp.grouping import Grouping, Supernode

RECORD = "grouping"
"""Key of the record under `metadata.clerp`."""


class _RecordedMember(Struct, frozen=True):
    node_id: str


class _RecordedGroup(Struct, frozen=True):
    name: str
    members: tuple[_RecordedMember, ...]
    added: tuple[str, ...]
    """Those of its members that clerp put there: of its own groups, all."""


class _RecordedGrouping(Struct, frozen=True):
    supernodes: tuple[_RecordedGroup, ...] = ()
    pinned: tuple[str, ...] = ()


def write_groups(graph: AttributionGraph, grouping: Grouping) -> dict[str, Any]:
    """Return a document that differs in supernodes, pins and `metadata.clerp.grouping` only.

    Both settings become arrays, which every frontend reads from a file, and name members by
    `node_id`. Parts that do not differ are shared with `graph.document`, which is not changed.

    Args:
        graph: Without what clerp grouped in it before.
        grouping: Of that graph; people's supernodes come first, in the order of the file.
    """
    document: dict[str, Any] = dict(graph.document)
    metadata: dict[str, Any] = document["metadata"]
    record: dict[str, Any] = metadata.get("clerp") or {"schema_version": SCHEMA_VERSION}
    described = _describe(grouping, graph)
    document["metadata"] = {**metadata, "clerp": {**record, RECORD: described}}
    document["qParams"] = {
        **(document.get("qParams") or {}),
        "pinnedIds": list(grouping.pins),
        "supernodes": [[group.name, *group.node_ids] for group in grouping.supernodes],
    }
    return document


def drop_own_groups(graph: AttributionGraph) -> AttributionGraph:
    """Return the graph as it would be had clerp never grouped it.

    A supernode that somebody renamed or changed since is that person's and stays as it is; so do
    pins that were there before.

    Raises:
        GraphError: The settings, or the record of the last grouping, cannot be read.
    """
    record = _read_record(graph)
    if record is None:
        return graph
    document: dict[str, Any] = dict(graph.document)
    metadata: dict[str, Any] = document["metadata"]
    kept = {key: value for key, value in metadata["clerp"].items() if key != RECORD}
    document["metadata"] = {**metadata, "clerp": kept}
    document["qParams"] = {
        **(document.get("qParams") or {}),
        "pinnedIds": [pin for pin in read_pins(graph) if pin not in set(record.pinned)],
        "supernodes": _list_theirs(read_supernodes(graph), record),
    }
    return replace(graph, document=document)


def _list_theirs(supernodes: Iterable[NamedNodes], record: _RecordedGrouping) -> list[list[str]]:
    own = {
        (group.name, tuple(member.node_id for member in group.members)): group.added
        for group in record.supernodes
    }
    theirs: list[list[str]] = []
    for group in supernodes:
        added = own.get((group.name, group.node_ids), ())
        ids = [node_id for node_id in group.node_ids if node_id not in added]
        if ids or not added:
            theirs.append([group.name, *ids])
    return theirs


def _describe(grouping: Grouping, graph: AttributionGraph) -> dict[str, object]:
    pins = set(read_pins(graph))
    people = read_supernodes(graph)
    return {
        "grouper": grouping.grouper,
        "supernodes": [
            _describe_supernode(group, people[place].node_ids if place < len(people) else ())
            for place, group in enumerate(grouping.supernodes)
        ],
        "ungrouped": [asdict(member) for member in grouping.ungrouped],
        "pinned": [pin for pin in grouping.pins if pin not in pins],
    }


def _describe_supernode(group: Supernode, given: Collection[str]) -> dict[str, object]:
    return {
        "name": group.name,
        "origin": group.origin,
        "warnings": list(group.warnings),
        "members": [asdict(member) for member in group.members],
        "added": [node_id for node_id in group.node_ids if node_id not in given],
    }


def _read_record(graph: AttributionGraph) -> _RecordedGrouping | None:
    written: dict[str, Any] = graph.document["metadata"].get("clerp") or {}
    if written.get(RECORD) is None:
        return None
    return check(written[RECORD], _RecordedGrouping, graph.name, f"metadata.clerp.{RECORD}")
