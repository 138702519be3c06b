"""A labelled graph as a flat table: one row for each feature node."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from msgspec import Struct

from clerp.graph import AttributionGraph, FeatureNode
from clerp.graph.shape import check
from clerp.targets.given_labels import pair_nodes

Value = str | int | float | None

_MEASURES = ("raw", "z", "p")


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


class _Record(Struct, frozen=True):
    features: dict[str, _Recorded] = {}


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


def list_columns(graph: AttributionGraph, document: Mapping[str, Any]) -> list[Column]:
    """List the columns of a labelled graph's table, nodes in the order of the file.

    Scores have three columns for each channel that any feature was scored on: `input_raw`,
    `input_z`, `input_p`.

    Raises:
        GraphError: What the document says of its labels is not as clerp writes it.
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
        *_list_scores(rows),
        Column("share", "number", [node.share for node in nodes]),
    ]


def _list_rows(graph: AttributionGraph, document: Mapping[str, Any]) -> Iterator[_Row]:
    metadata = check(document["metadata"], _Metadata, graph.name, "metadata")
    recorded = metadata.clerp.features if metadata.clerp else {}
    for node, raw in pair_nodes(graph, document):
        labelled = check(raw, _Labelled, graph.name, str(node.place))
        known = recorded.get(str(node.feature))
        yield _Row(node, labelled, known.scores if known else {})


def _list_scores(rows: Sequence[_Row]) -> Iterator[Column]:
    for channel in sorted({channel for row in rows for channel in row.scores}):
        for measure in _MEASURES:
            scores = [row.scores.get(channel, _Score()) for row in rows]
            values: list[float | None] = [getattr(score, measure) for score in scores]
            yield Column(f"{channel}_{measure}", "number", values)
