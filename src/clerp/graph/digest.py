"""One number for all that labelling reads of a graph."""

import hashlib
from collections.abc import Collection, Mapping

import msgspec

from clerp.graph.flavour import NodeKind, kind_of
from clerp.graph.links import read_token
from clerp.graph.shape import LinkShape, MetadataShape, NodePlace, NodeShape


def digest_graph(
    metadata: MetadataShape,
    nodes: Mapping[NodePlace, NodeShape],
    into_logits: Collection[LinkShape],
) -> str:
    """Hash what decides a label, sha256 in hex.

    Labels, slug and viewer settings are left out, so a labelled graph has the digest of the graph
    that it was made from; so are the links that do not end at a logit, which nothing reads.
    """
    read = (
        metadata.scan,
        metadata.transcoder_list,
        metadata.prompt_tokens,
        [_read_of(node) for node in nodes.values()],
        [(link.source, link.target, link.weight) for link in into_logits],
    )
    return hashlib.sha256(msgspec.json.encode(read)).hexdigest()


def _read_of(node: NodeShape) -> tuple[object, ...]:
    token = read_token(node.clerp or "") if kind_of(node) is NodeKind.LOGIT else ""
    return (
        node.node_id,
        node.feature_type,
        node.ctx_idx,
        node.activation,
        node.influence,
        token,
    )
