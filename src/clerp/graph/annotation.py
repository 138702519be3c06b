"""Labels into a document, everything else left as it was."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from clerp.errors import UsageError
from clerp.graph.document import Document
from clerp.graph.model import AttributionGraph
from clerp.graph.shape import NodePlace

_PREFIX = "clerp_"
_OTHERS = ("grouping",)
"""Keys of `metadata.clerp` that labelling does not write, and therefore keeps."""


@dataclass(frozen=True, slots=True)
class NodeAnnotation:
    """What clerp writes on one feature node."""

    clerp: str
    """The label as frontends show it; "" when there is none."""
    role: str
    tier: int
    method: str
    status: str
    act_pct: float | None
    """Place of the node's activation in the feature's range, 0 to 100."""
    hint: str | None
    proposal: str | None
    """clerp's label, where another one was there and stays."""

    def flat_keys(self) -> dict[str, str | int | float]:
        """Return the `clerp_*` keys in the order they are written, without those that are None."""
        keys = {
            "role": self.role,
            "tier": self.tier,
            "method": self.method,
            "status": self.status,
            "act_pct": self.act_pct,
            "hint": self.hint,
            "proposal": self.proposal,
        }
        return {f"{_PREFIX}{key}": value for key, value in keys.items() if value is not None}


def annotate(
    graph: AttributionGraph,
    annotations: Mapping[NodePlace, NodeAnnotation],
    record: Mapping[str, object],
) -> dict[str, Any]:
    """Return a document that differs in the annotated nodes and `metadata.clerp` only.

    What `clerp group` recorded there stays.

    Parts that do not differ are shared with `graph.document`, which is not changed.

    Raises:
        UsageError: A place is not that of a feature node.
    """
    _check_places(graph, annotations)
    document: dict[str, Any] = dict(graph.document)
    metadata: dict[str, Any] = document["metadata"]
    before: dict[str, Any] = metadata.get("clerp") or {}
    kept = {key: before[key] for key in _OTHERS if key in before}
    document["metadata"] = {**metadata, "clerp": {**record, **kept}}
    document["nodes"] = _annotate_list(document["nodes"], annotations)
    if document.get("qk_only_nodes"):
        document["qk_only_nodes"] = {
            key: _annotate_at(NodePlace(key), node, annotations)
            for key, node in document["qk_only_nodes"].items()
        }
    return document


def _check_places(graph: AttributionGraph, places: Mapping[NodePlace, NodeAnnotation]) -> None:
    stray = places.keys() - {node.place for node in graph.feature_nodes}
    if stray:
        raise UsageError(f"{min(map(str, stray))} is not a feature node", where=graph.name)


def _annotate_list(
    nodes: list[Document], annotations: Mapping[NodePlace, NodeAnnotation]
) -> list[Document]:
    return [_annotate_at(NodePlace(i), node, annotations) for i, node in enumerate(nodes)]


def _annotate_at(
    place: NodePlace, node: Document, annotations: Mapping[NodePlace, NodeAnnotation]
) -> Document:
    annotation = annotations.get(place)
    if annotation is None:
        return node
    kept = {key: value for key, value in node.items() if not key.startswith(_PREFIX)}
    return {**kept, "clerp": annotation.clerp, **annotation.flat_keys()}
