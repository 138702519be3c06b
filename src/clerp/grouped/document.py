"""Supernodes into a document, everything else left as it was; and clerp's own out again."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from typing import Any

from msgspec import Struct

from clerp.graph import SCHEMA_VERSION, AttributionGraph
from clerp.graph.shape import check
from clerp.graph.viewer_settings import NamedNodes, read_pins, read_supernodes
from clerp.grouping import Grouping, Supernode

RECORD = "grouping"
"""Key of the record under `metadata.clerp`."""
_LAYOUT = "sg_pos"
"""Places of the boxes on circuit-tracer's page, by their order: of other boxes it breaks."""


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
    layout: Any = None
    """Where the boxes stood before, as the file had it."""


def write_groups(graph: AttributionGraph, grouping: Grouping) -> dict[str, Any]:
    """Return a document that differs in supernodes, pins and `metadata.clerp.grouping` only.

    Both settings become arrays, which every frontend reads from a file, and name members by
    `node_id`. Where they show other boxes than before, the places of the old boxes move from
    `qParams.sg_pos` into the record. Parts that do not differ are shared with `graph.document`,
    which is not changed.

    Args:
        graph: Without what clerp grouped in it before.
        grouping: Of that graph; people's supernodes come first, in the order of the file.
    """
    document: dict[str, Any] = dict(graph.document)
    metadata: dict[str, Any] = document["metadata"]
    record: dict[str, Any] = metadata.get("clerp") or {"schema_version": SCHEMA_VERSION}
    described = _describe(grouping, graph)
    settings: dict[str, Any] = dict(document.get("qParams") or {})
    if settings.get(_LAYOUT) and _shows_other_boxes(grouping, graph):
        described["layout"] = settings[_LAYOUT]
        settings[_LAYOUT] = ""
    document["metadata"] = {**metadata, "clerp": {**record, RECORD: described}}
    document["qParams"] = {
        **settings,
        "pinnedIds": list(grouping.pins),
        "supernodes": [[group.name, *group.node_ids] for group in grouping.supernodes],
    }
    return document


def _shows_other_boxes(grouping: Grouping, graph: AttributionGraph) -> bool:
    before = [(group.name, group.node_ids) for group in read_supernodes(graph)]
    after = [(group.name, group.node_ids) for group in grouping.supernodes]
    return before != after or read_pins(graph) != grouping.pins


def drop_own_groups(graph: AttributionGraph) -> AttributionGraph:
    """Return the graph as it would be had clerp never grouped it.

    A supernode that somebody renamed or changed since is that person's and stays as it is, with
    the pins of its members; so do pins that were there before, and boxes that somebody placed.

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
    settings: dict[str, Any] = dict(document.get("qParams") or {})
    if record.layout and not settings.get(_LAYOUT):
        settings[_LAYOUT] = record.layout
    supernodes = read_supernodes(graph)
    dropped = set(record.pinned) - _list_taken_over(supernodes, record)
    document["qParams"] = {
        **settings,
        "pinnedIds": [pin for pin in read_pins(graph) if pin not in dropped],
        "supernodes": _list_theirs(supernodes, record),
    }
    return replace(graph, document=document)


def list_own_members(graph: AttributionGraph) -> tuple[frozenset[str], ...]:
    """List what clerp put into supernodes when it last grouped a graph, a set for each of them.

    Raises:
        GraphError: The record of the last grouping cannot be read.
    """
    record = _read_record(graph)
    return tuple(frozenset(group.added) for group in record.supernodes) if record else ()


def list_added(graph: AttributionGraph, grouping: Grouping) -> list[list[str]]:
    """List, for every supernode, the members that no person put there.

    Args:
        graph: Without what clerp grouped in it before.
        grouping: Of that graph.
    """
    people = read_supernodes(graph)
    given = [group.node_ids for group in people]
    given += [()] * (len(grouping.supernodes) - len(people))
    return [
        [node_id for node_id in group.node_ids if node_id not in set(ids)]
        for group, ids in zip(grouping.supernodes, given, strict=True)
    ]


def _map_added(record: _RecordedGrouping) -> Mapping[tuple[str, tuple[str, ...]], tuple[str, ...]]:
    """Map each recorded supernode, as it stood in the file, to what clerp put there."""
    return {
        (group.name, tuple(member.node_id for member in group.members)): group.added
        for group in record.supernodes
    }


def _list_theirs(supernodes: Iterable[NamedNodes], record: _RecordedGrouping) -> list[list[str]]:
    own = _map_added(record)
    theirs: list[list[str]] = []
    for group in supernodes:
        added = own.get((group.name, group.node_ids), ())
        ids = [node_id for node_id in group.node_ids if node_id not in added]
        if ids or not added:
            theirs.append([group.name, *ids])
    return theirs


def _list_taken_over(supernodes: Iterable[NamedNodes], record: _RecordedGrouping) -> set[str]:
    """List the members of supernodes that a person made or changed since clerp grouped."""
    own = _map_added(record)
    changed = (group for group in supernodes if (group.name, group.node_ids) not in own)
    return {node_id for group in changed for node_id in group.node_ids}


def _describe(grouping: Grouping, graph: AttributionGraph) -> dict[str, object]:
    pins = set(read_pins(graph))
    added = list_added(graph, grouping)
    return {
        "grouper": grouping.grouper,
        "supernodes": list(map(_describe_supernode, grouping.supernodes, added)),
        "ungrouped": [asdict(member) for member in grouping.ungrouped],
        "pinned": [pin for pin in grouping.pins if pin not in pins],
    }


def _describe_supernode(group: Supernode, added: list[str]) -> dict[str, object]:
    return {
        "name": group.name,
        "origin": group.origin,
        "warnings": list(group.warnings),
        "members": [asdict(member) for member in group.members],
        "added": added,
    }


def _read_record(graph: AttributionGraph) -> _RecordedGrouping | None:
    written: dict[str, Any] = graph.document["metadata"].get("clerp") or {}
    if written.get(RECORD) is None:
        return None
    return check(written[RECORD], _RecordedGrouping, graph.name, f"metadata.clerp.{RECORD}")
