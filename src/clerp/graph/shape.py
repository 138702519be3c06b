"""What clerp reads of a graph document, with types checked by msgspec.

Only keys that are read stand here; all others pass through the document untouched.
"""

from collections.abc import Mapping
from typing import Annotated, Any, NamedTuple, TypeVar

import msgspec
from msgspec import Meta, Struct

from clerp.errors import GraphError

ShapeT = TypeVar("ShapeT")

MAX_INTEGER = 2**63 - 1
"""Ids beyond this are not read: other tools turn them into floats and lose digits."""
NOT_A_GRAPH = "Check that it is an attribution graph, then export it again"
"""What to do about a document that is none, or a broken one."""


class NodePlace(NamedTuple):
    """Where a node stands in the document; a feature and an error may share an id."""

    key: int | str
    """Index in `nodes`, or key in `qk_only_nodes`."""

    def __str__(self) -> str:
        return f"nodes[{self.key}]" if isinstance(self.key, int) else f"qk_only_nodes[{self.key!r}]"


class NodeShape(Struct, frozen=True, gc=False):
    """One node, of any type and flavour."""

    node_id: str
    feature_type: str
    ctx_idx: Annotated[int, Meta(ge=0, le=MAX_INTEGER)]
    layer: str | int | None = None
    feature: Annotated[int, Meta(ge=-MAX_INTEGER, le=MAX_INTEGER)] | None = None
    js_node_id: str = msgspec.field(default="", name="jsNodeId")
    clerp: str | None = None
    clerp_status: str | None = None
    influence: float | None = None
    activation: float | None = None
    token_prob: float | None = None


class LinkShape(Struct, frozen=True, gc=False):
    """One direct edge; both ends are node ids."""

    source: str
    target: str
    weight: float


class InfoShape(Struct, frozen=True):
    """`metadata.info`, which Neuronpedia adds."""

    transcoder_set: str | None = None
    neuronpedia_source_set: str | None = None
    source_urls: Any = None


class FeatureDetailsShape(Struct, frozen=True):
    """`metadata.feature_details`, which Neuronpedia's CRM engine adds."""

    neuronpedia_source_set: str | None = None
    neuronpedia_lorsa_source_set: str | None = None


class MetadataShape(Struct, frozen=True):
    """`metadata` of any flavour."""

    slug: str | None = None
    scan: str | None = None
    prompt: str | None = None
    prompt_tokens: tuple[str, ...] = ()
    transcoder_list: tuple[str, ...] | None = None
    schema_version: int | None = None
    info: InfoShape | None = None
    generation_settings: Any = None
    feature_details: FeatureDetailsShape | None = None
    clerp: Any = None


class LinksShape(Struct, frozen=True):
    """The links of a document, apart from the rest because graphs have millions of them."""

    links: list[LinkShape]


class GraphShape(Struct, frozen=True):
    """The document."""

    metadata: MetadataShape
    nodes: list[NodeShape]
    links: Any
    q_params: dict[str, Any] | None = msgspec.field(default=None, name="qParams")
    qk_only_nodes: dict[str, Any] | None = None

    def read_nodes(self, where: str) -> dict[NodePlace, NodeShape]:
        """Return every node by its place: `nodes` first, then `qk_only_nodes`."""
        listed = {NodePlace(index): node for index, node in enumerate(self.nodes)}
        extra = {
            NodePlace(key): check(node, NodeShape, where, str(NodePlace(key)))
            for key, node in (self.qk_only_nodes or {}).items()
        }
        return listed | extra


class RecordedDetails(Struct, frozen=True):
    """What a labeler put on record, as far as it is read again."""

    reviewers: str = ""
    reviewed_role: str = ""


class RecordedFeature(Struct, frozen=True):
    """What `metadata.clerp.features` says of one feature."""

    clerp: str = ""
    """As a node shows it."""
    label: str = ""
    evidence_digest: str = ""
    status: str = ""
    details: RecordedDetails = RecordedDetails()
    verbalization: dict[str, Any] | None = None
    """What an NLA said of it."""


class RecordedNull(Struct, frozen=True):
    """What `metadata.clerp.null` says of the ordinary text that evidence was compared with."""

    passages: str = ""
    text: str = ""
    rule: str = ""


class VersionShape(Struct, frozen=True):
    """What stands in `metadata.clerp` whatever its version."""

    schema_version: int


class RecordShape(Struct, frozen=True):
    """`metadata.clerp`, clerp's own record."""

    features: dict[str, RecordedFeature] = {}
    configuration: dict[str, Any] = {}
    embedder: str = ""
    null: RecordedNull | None = None


def check_graph(document: Mapping[str, Any], where: str) -> GraphShape:
    """Check what clerp reads of a document.

    Raises:
        GraphError: A key is missing or has the wrong type; the place is named.
    """
    return check(document, GraphShape, where)


def check(value: object, shape: type[ShapeT], where: str, place: str = "") -> ShapeT:
    """Check one part of a document that stands at `place`.

    Raises:
        GraphError: A key is missing or has the wrong type; the place is named.
    """
    try:
        return msgspec.convert(value, shape)
    except msgspec.ValidationError as error:
        fault, _, path = str(error).partition(" - at `$")
        inner = path.removesuffix("`")
        full = f"{place}{inner}".lstrip(".")
        raise GraphError(
            f"not an attribution graph: {fault[:1].lower()}{fault[1:]}",
            where=f"{where}, {full}" if full else where,
            remedy=NOT_A_GRAPH,
        ) from error
