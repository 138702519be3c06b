"""A labelled graph as a flat table: one row for each feature node."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from msgspec import Struct

from clerp.graph import AttributionGraph, FeatureNode
from clerp.graph.shape import check
from clerp.graph.viewer_settings import NamedNodes, read_pins, read_supernodes
from clerp.targets.given_labels import pair_nodes

Value = str | int | float | None

_MEASURES = ("raw", "z", "p")
_SEPARATOR = "; "


@dataclass(frozen=True, slots=True)
class Column:
    """One column, with a value for each node."""

    name: str
    kind: Literal["text", "whole", "number"]
    values: Sequence[Value]


class _Score(Struct, frozen=True):
    raw: float | None = None
    z: float | None = None
    p: float | None = None


class _Recorded(Struct, frozen=True):
    scores: dict[str, _Score] = {}


class _Member(Struct, frozen=True):
    node_id: str
    reason: str = ""


class _Group(Struct, frozen=True):
    name: str
    members: list[_Member] = []


class _Grouping(Struct, frozen=True):
    supernodes: list[_Group] = []
    ungrouped: list[_Member] = []


class _Record(Struct, frozen=True):
    features: dict[str, _Recorded] = {}
    grouping: _Grouping | None = None


class _Metadata(Struct, frozen=True):
    clerp: _Record | None = None


class _Labelled(Struct, frozen=True):
    """What clerp writes on a node; a graph of others has none of it."""

    clerp: str | None = None
    clerp_role: str = ""
    clerp_tier: int | None = None
    clerp_method: str = ""
    clerp_status: str = ""


@dataclass(frozen=True, slots=True)
class _Row:
    node: FeatureNode
    labelled: _Labelled
    scores: Mapping[str, _Score]
    supernodes: Sequence[str]
    reason: str
    is_pinned: bool


@dataclass(frozen=True, slots=True)
class _Groups:
    """What a document says of its supernodes and pins."""

    supernodes: Mapping[str, Sequence[str]]
    """Names by node id."""
    reasons: Mapping[tuple[str, str], str]
    """By name of a supernode, "" for none, and node id."""
    pins: frozenset[str]

    def explain(self, node_id: str) -> str:
        """Return why a node is in its supernodes, or in none."""
        names = self.supernodes.get(node_id, ("",))
        reasons = (self.reasons.get((name, node_id), "") for name in names)
        return _SEPARATOR.join(reason for reason in reasons if reason)


def list_columns(graph: AttributionGraph, document: Mapping[str, Any]) -> list[Column]:
    """List the columns of a labelled graph's table, nodes in the order of the file.

    Scores have three columns for each channel that any feature was scored on: `input_raw`,
    `input_z`, `input_p`. `supernode_reason` says why the node is in its supernodes, or why clerp
    left it out of all; `pinned` is 1 or 0.

    Raises:
        GraphError: What the document says of its labels is not as clerp writes it, or its viewer
            settings cannot be read.
    """
    rows = list(_list_rows(graph, document))
    nodes = [row.node for row in rows]
    labels = [row.labelled for row in rows]
    return [
        Column("node", "text", [node.node_id for node in nodes]),
        Column("feature", "text", [str(node.feature) for node in nodes]),
        Column("layer", "whole", [node.feature.layer for node in nodes]),
        Column("index", "whole", [node.feature.index for node in nodes]),
        Column("position", "whole", [node.ctx_idx for node in nodes]),
        Column("token", "text", [node.token for node in nodes]),
        Column("role", "text", [label.clerp_role for label in labels]),
        Column("tier", "whole", [label.clerp_tier for label in labels]),
        Column("label", "text", [label.clerp or "" for label in labels]),
        Column("method", "text", [label.clerp_method for label in labels]),
        Column("status", "text", [label.clerp_status for label in labels]),
        Column("supernode", "text", [_SEPARATOR.join(row.supernodes) for row in rows]),
        Column("supernode_reason", "text", [row.reason for row in rows]),
        Column("pinned", "whole", [int(row.is_pinned) for row in rows]),
        *_list_scores(rows),
        Column("share", "number", [node.share for node in nodes]),
    ]


def _list_rows(graph: AttributionGraph, document: Mapping[str, Any]) -> Iterator[_Row]:
    metadata = check(document["metadata"], _Metadata, graph.name, "metadata")
    recorded = metadata.clerp.features if metadata.clerp else {}
    groups = _read_groups(graph, document, metadata.clerp)
    for node, raw in pair_nodes(graph, document):
        known = recorded.get(str(node.feature))
        yield _Row(
            node=node,
            labelled=check(raw, _Labelled, graph.name, str(node.place)),
            scores=known.scores if known else {},
            supernodes=groups.supernodes.get(node.node_id, ()),
            reason=groups.explain(node.node_id),
            is_pinned=node.node_id in groups.pins,
        )


def _read_groups(
    graph: AttributionGraph, document: Mapping[str, Any], record: _Record | None
) -> _Groups:
    shown = replace(graph, document=dict(document))
    grouping = (record and record.grouping) or _Grouping()
    groups = [_Group("", grouping.ungrouped), *grouping.supernodes]
    reasons = {(group.name, m.node_id): m.reason for group in groups for m in group.members}
    return _Groups(_invert(read_supernodes(shown)), reasons, frozenset(read_pins(shown)))


def _invert(supernodes: Sequence[NamedNodes]) -> Mapping[str, Sequence[str]]:
    names: dict[str, list[str]] = {}
    for named in supernodes:
        for node_id in named.node_ids:
            names.setdefault(node_id, []).append(named.name)
    return names


def _list_scores(rows: Sequence[_Row]) -> Iterator[Column]:
    for channel in sorted({channel for row in rows for channel in row.scores}):
        for measure in _MEASURES:
            scores = [row.scores.get(channel, _Score()) for row in rows]
            values: list[float | None] = [getattr(score, measure) for score in scores]
            yield Column(f"{channel}_{measure}", "number", values)
