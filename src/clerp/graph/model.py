"""An attribution graph as labelling sees it, beside the document that it was read from."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from clerp.feature import FeatureId
from clerp.graph.document import Document
from clerp.graph.flavour import Flavour
from clerp.graph.influence import InfluenceShares
from clerp.graph.links import LogitEdge
from clerp.graph.shape import MetadataShape, NodePlace, RecordShape
from clerp.graph.transcoder import TranscoderIdentity

if TYPE_CHECKING:
    from networkx import MultiDiGraph


@dataclass(frozen=True, slots=True)
class FeatureNode:
    """One occurrence of a feature in a graph."""

    place: NodePlace
    node_id: str
    feature: FeatureId
    ctx_idx: int
    """Position in the prompt, counted from 0."""
    token: str
    """Readable token of the prompt at that position; "" where the graph has none."""
    activation: float | None
    """Activation at that position; None where the flavour has none."""
    share: float | None
    """The node's own share of the influence in the file, 0 to 1; None without influences."""
    foreign_label: str
    """The label that somebody else gave it, or ""; placeholders and clerp's own do not count."""


@dataclass(frozen=True, slots=True, eq=False)
class AttributionGraph:
    """A graph that was read and checked; nothing in it is ever changed."""

    name: str
    """The file's stem or else the slug; never a path."""
    document: Document = field(repr=False)
    """The parsed JSON, as it was read."""
    flavour: Flavour
    slug: str
    scan: str
    prompt: str
    prompt_tokens: tuple[str, ...]
    """Readable, whatever spelling the file has."""
    feature_nodes: tuple[FeatureNode, ...] = field(repr=False)
    """In the order of the file, those of `qk_only_nodes` last."""
    shares: InfluenceShares | None = field(repr=False)
    """None when the flavour has no influences."""
    notes: tuple[str, ...]
    """What a reader of the graph should know, one sentence each."""
    digest: str
    """sha256 in hex of all that labelling reads; a graph and its labelled copy have the same."""
    transcoder_identity: TranscoderIdentity
    metadata: MetadataShape = field(repr=False)
    """What names the transcoders and where their features are kept, as the file has it."""
    record: RecordShape | None = field(repr=False)
    """What `metadata.clerp` says, where clerp labelled the graph before."""
    _by_feature: Mapping[FeatureId, tuple[FeatureNode, ...]] = field(repr=False)
    _logit_edges: Mapping[FeatureId, tuple[LogitEdge, ...]] = field(repr=False)

    @property
    def features(self) -> tuple[FeatureId, ...]:
        """The distinct features, sorted by layer and index."""
        return tuple(sorted(self._by_feature))

    def nodes_of(self, feature: FeatureId) -> tuple[FeatureNode, ...]:
        """Return every occurrence of a feature, in the order of the file."""
        return self._by_feature.get(feature, ())

    def logit_edges(self, feature: FeatureId) -> tuple[LogitEdge, ...]:
        """Return the direct edges from a feature's nodes to logits, strongest |weight| first.

        Nodes whose id is also that of an error are left out: their edges may be the error's.
        """
        return self._logit_edges.get(feature, ())

    def to_networkx(self) -> "MultiDiGraph[Any]":
        """Return the graph for networkx; see `clerp.graph.view.build_networkx`."""
        from clerp.graph.view import build_networkx

        return build_networkx(self.document)
