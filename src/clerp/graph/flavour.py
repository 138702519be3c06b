"""Who wrote a graph, and how that writer names features.

`feature` means cantor(layer, index), index, or index + layer * 10^k, depending on writer and year,
and nothing in the file says which. The identity of a feature is therefore read from its id.
"""

import re
from collections.abc import Collection
from enum import StrEnum

from clerp.errors import GraphError
from clerp.feature import FeatureId
from clerp.graph.shape import MAX_INTEGER, MetadataShape, NodePlace, NodeShape


class Flavour(StrEnum):
    """The writer of a graph, as far as its content tells."""

    CIRCUIT_TRACER = "circuit-tracer"
    CIRCUIT_TRACER_0 = "circuit-tracer, schema 0"
    NEURONPEDIA = "neuronpedia"
    CRM = "neuronpedia, CRM"
    ANTHROPIC = "anthropic"
    ATTRIBUTE = "attribute"


class NodeKind(StrEnum):
    """What a node stands for, whatever its flavour calls it."""

    FEATURE = "feature"
    ERROR = "error"
    EMBEDDING = "embedding"
    LOGIT = "logit"
    OTHER = "other"


KIND_OF_TYPE = {
    "cross layer transcoder": NodeKind.FEATURE,
    "unexplored node": NodeKind.FEATURE,
    "lorsa": NodeKind.FEATURE,
    "mlp reconstruction error": NodeKind.ERROR,
    "lorsa error": NodeKind.ERROR,
    "embedding": NodeKind.EMBEDDING,
    "logit": NodeKind.LOGIT,
    "bias": NodeKind.OTHER,
    "unknown": NodeKind.OTHER,
}

_PLAIN_ID = re.compile(r"(?P<layer>[0-9]+)_(?P<index>[0-9]+)_[0-9]+")
_CRM_ID = re.compile(r"(?P<layer>[0-9]+)_(?P<kind>cro|lor)_(?P<index>[0-9]+)_[0-9]+")
_ANTHROPIC_ID = re.compile(r"(?P<layer>[0-9]+)_(?P<index>[0-9]+)_-[0-9]+")


def kind_of(node: NodeShape) -> NodeKind:
    """Say what a node stands for; a type that nobody documents is `other`."""
    return KIND_OF_TYPE.get(node.feature_type, NodeKind.OTHER)


def detect_flavour(metadata: MetadataShape, nodes: Collection[NodeShape]) -> Flavour:
    """Tell the writer of a graph by its ids, then its logits, then its metadata."""
    if any(_CRM_ID.fullmatch(node.node_id) for node in nodes):
        return Flavour.CRM
    features = [node for node in nodes if kind_of(node) is NodeKind.FEATURE]
    if any(_ANTHROPIC_ID.fullmatch(node.js_node_id) for node in features):
        return Flavour.ANTHROPIC
    logits = [node for node in nodes if kind_of(node) is NodeKind.LOGIT]
    if any((node.clerp or "").startswith("output: ") for node in logits):
        return Flavour.ATTRIBUTE
    if metadata.info is not None or metadata.generation_settings is not None:
        return Flavour.NEURONPEDIA
    return Flavour.CIRCUIT_TRACER if metadata.schema_version else Flavour.CIRCUIT_TRACER_0


def identify(node: NodeShape, flavour: Flavour, where: str, place: NodePlace) -> FeatureId:
    """Read the identity of a feature node from the id that its flavour keeps it in.

    Raises:
        GraphError: The id does not have the flavour's form, or a number is beyond 64 bits.
    """
    match flavour:
        case Flavour.CRM:
            written, pattern, form = node.node_id, _CRM_ID, "layer_cro_index_position"
        case Flavour.ANTHROPIC:
            written, pattern, form = node.js_node_id, _ANTHROPIC_ID, "layer_index_-position"
        case _:
            written, pattern, form = node.node_id, _PLAIN_ID, "layer_index_position"
    match = pattern.fullmatch(written)
    if match is None:
        raise GraphError(
            f"the id {shorten(written)!r} of a feature node names no feature",
            where=f"{where}, {place}",
            remedy=f"This looks like a graph of {flavour}, which writes {form}",
        )
    layer, index = match["layer"], match["index"]
    if max(_magnitude(layer), _magnitude(index)) > MAX_INTEGER:
        raise GraphError(
            f"the id {shorten(written)!r} has a number beyond 64 bits",
            where=f"{where}, {place}",
            remedy="Export the graph again",
        )
    kind = "lor" if match.groupdict().get("kind") == "lor" else ""
    return FeatureId(int(layer), int(index), kind)


def shorten(text: str, limit: int = 60) -> str:
    """Keep an untrusted text from filling a message."""
    return text if len(text) <= limit else f"{text[:limit]}…"


def _magnitude(digits: str) -> int:
    # int() refuses texts of thousands of digits, so bound them first.
    return int(digits[: len(str(MAX_INTEGER)) + 1])
