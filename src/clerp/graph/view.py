"""A document to a networkx graph."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from clerp.graph.document import Document
from clerp.graph.flavour import KIND_OF_TYPE, NodeKind

if TYPE_CHECKING:
    from networkx import MultiDiGraph

NodeKey = tuple[str, str]


def build_networkx(document: Document) -> "MultiDiGraph[Any]":
    """Build a directed multigraph whose node keys are `(kind, node_id)`.

    Attributes of a node are its own keys, those of an edge the link's (`weight` among them).
    Links name their ends by id only. Where a feature shares its id with an error, the link is
    given to the feature and carries `ambiguous=True`; it may belong to the error.
    """
    import networkx as nx

    nodes = list(_list_nodes(document))
    owners: dict[str, list[NodeKey]] = {}
    for key, _ in nodes:
        owners.setdefault(key[1], []).append(key)
    graph: MultiDiGraph[Any] = nx.MultiDiGraph()
    graph.add_nodes_from(nodes)
    graph.add_edges_from(_list_edges(document, owners))
    return graph


def _list_nodes(document: Document) -> Iterator[tuple[NodeKey, dict[str, Any]]]:
    nodes: list[Document] = document["nodes"]
    extra: dict[str, Document] = document.get("qk_only_nodes") or {}
    for node in (*nodes, *extra.values()):
        kind = KIND_OF_TYPE.get(node["feature_type"], NodeKind.OTHER)
        yield (kind.value, node["node_id"]), node


def _list_edges(
    document: Document, owners: dict[str, list[NodeKey]]
) -> Iterator[tuple[NodeKey, NodeKey, dict[str, Any]]]:
    for link in document["links"]:
        sources, targets = owners[link["source"]], owners[link["target"]]
        ambiguous = len(sources) > 1 or len(targets) > 1
        attributes = {**link, "ambiguous": True} if ambiguous else link
        yield _prefer_feature(sources), _prefer_feature(targets), attributes


def _prefer_feature(keys: list[NodeKey]) -> NodeKey:
    return next((key for key in keys if key[0] == NodeKind.FEATURE), keys[0])
