"""Attribution-graph JSON, lossless in and out."""

from clerp.graph.annotation import NodeAnnotation, annotate
from clerp.graph.document import DEFAULT_MAX_BYTES
from clerp.graph.flavour import Flavour, NodeKind, shorten
from clerp.graph.influence import InfluenceShares
from clerp.graph.links import LogitEdge
from clerp.graph.model import AttributionGraph, FeatureNode
from clerp.graph.neighbours import (
    Neighbour,
    Neighbourhood,
    digest_neighbours,
    list_neighbours,
    rank_neighbours,
)
from clerp.graph.reading import SCHEMA_VERSION, GraphInput, GraphObject, name_stem, read_graph
from clerp.graph.shape import MetadataShape, NodePlace, RecordShape
from clerp.graph.transcoder import TranscoderIdentity
from clerp.graph.viewer_faults import list_viewer_faults
from clerp.graph.writing import check_destination, write_document

__all__ = [
    "DEFAULT_MAX_BYTES",
    "SCHEMA_VERSION",
    "AttributionGraph",
    "FeatureNode",
    "Flavour",
    "GraphInput",
    "GraphObject",
    "InfluenceShares",
    "LogitEdge",
    "MetadataShape",
    "Neighbour",
    "Neighbourhood",
    "NodeAnnotation",
    "NodeKind",
    "NodePlace",
    "RecordShape",
    "TranscoderIdentity",
    "annotate",
    "check_destination",
    "digest_neighbours",
    "list_neighbours",
    "list_viewer_faults",
    "name_stem",
    "rank_neighbours",
    "read_graph",
    "shorten",
    "write_document",
]
