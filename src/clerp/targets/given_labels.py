"""Labels that people gave in a frontend, which keeps them in `qParams.clerps` beside the nodes.

circuit-tracer's Save writes the JSON text `[["<feature>", "label"], ...]`, one entry for all
occurrences of a feature; Neuronpedia an array `[["<layer>_<feature>_<position>", "label"], ...]`.
Both show such a label instead of the node's own, and neither reads the other's form.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import msgspec

from clerp.errors import GraphError
from clerp.graph import AttributionGraph, FeatureNode

_Entries = list[tuple[str, str]]


class NodeKeys(NamedTuple):
    """What the two frontends call a node in `qParams.clerps`."""

    feature: str
    """circuit-tracer: the number in `feature`."""
    occurrence: str
    """Neuronpedia."""


def name_node(node: Mapping[str, Any]) -> NodeKeys:
    """Return what frontends call a node of a document."""
    feature = node.get("feature")
    return NodeKeys(str(feature), f"{node.get('layer')}_{feature}_{node['ctx_idx']}")


def pair_nodes(
    graph: AttributionGraph, document: Mapping[str, Any]
) -> Iterator[tuple[FeatureNode, dict[str, Any]]]:
    """Yield every feature node of a graph with what a document says of it."""
    for node in graph.feature_nodes:
        key = node.place.key
        listed = document["nodes"] if isinstance(key, int) else document["qk_only_nodes"]
        yield node, listed[key]


def read_given_labels(graph: AttributionGraph, document: Mapping[str, Any]) -> Mapping[str, str]:
    """Read `qParams.clerps` in either form, without what clerp itself wrote there before.

    Returns:
        Labels by `NodeKeys.feature` or `NodeKeys.occurrence`, in the order of the file.

    Raises:
        GraphError: It is neither form.
    """
    entries = read_entries(document, graph.name)
    own = set(_list_own(graph)) if entries else set[tuple[str, str]]()
    return {key: label for key, label in entries if label and (key, label) not in own}


def read_entries(document: Mapping[str, Any], name: str) -> list[tuple[str, str]]:
    """Read `qParams.clerps` in either form, as it stands.

    Args:
        document: A graph.
        name: What an error calls it.

    Raises:
        GraphError: It is neither form.
    """
    settings: Mapping[str, object] = document.get("qParams") or {}
    value = settings.get("clerps")
    try:
        if isinstance(value, str):
            return msgspec.json.decode(value or "[]", type=_Entries | None) or []
        return msgspec.convert(value, _Entries | None) or []
    except msgspec.DecodeError as error:
        raise GraphError(
            f"cannot be read: {error}",
            where=f"{name}, qParams.clerps",
            remedy="Remove the key, or save the graph again in the frontend that wrote it",
        ) from error


def _list_own(graph: AttributionGraph) -> Iterable[tuple[str, str]]:
    recorded = graph.record.features if graph.record else {}
    for node, raw in pair_nodes(graph, graph.document):
        said = recorded.get(str(node.feature))
        if said is not None and said.clerp:
            yield name_node(raw).occurrence, said.clerp
