"""Supernodes that people made, and the graph as it was before they did."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clerp.errors import UsageError
from clerp.graph import AttributionGraph, FeatureNode, read_graph
from clerp.graph.viewer_settings import NamedNodes, read_supernodes
from clerp.grouped import drop_own_groups

MAX_NODES = 10_000
"""Resampling holds a number for every node and resample."""


@dataclass(frozen=True, slots=True)
class TrueGroups:
    """Feature nodes with the supernode that a person put each of them in."""

    name: str
    """Of the graph's file."""
    graph: AttributionGraph
    """Without supernodes, pins and whatever else names them."""
    nodes: tuple[FeatureNode, ...]
    """Those in exactly one supernode, by layer, index and position."""
    groups: tuple[int, ...]
    """For every node, the place of its supernode in `names`."""
    names: tuple[str, ...]
    n_shared: int
    """Feature nodes that are left out because several supernodes have them."""


def read_true_groups(path: Path, max_bytes: int) -> TrueGroups:
    """Read a graph that people grouped; what clerp grouped in it is no truth.

    Raises:
        GraphError: It cannot be read.
        UsageError: No supernode of a person's has a feature node, or too many nodes are in one.
    """
    graph = drop_own_groups(read_graph(path, max_bytes=max_bytes))
    supernodes = read_supernodes(graph)
    owners: Counter[str] = Counter(i for group in supernodes for i in group.node_ids)
    nodes = tuple(sorted((n for n in graph.feature_nodes if owners[n.node_id] == 1), key=_place))
    _check_number(len(nodes), path)
    group_of = {i: place for place, group in enumerate(supernodes) for i in group.node_ids}
    return TrueGroups(
        name=graph.name,
        graph=read_graph(_hide_groups(graph, supernodes)),
        nodes=nodes,
        groups=tuple(group_of[node.node_id] for node in nodes),
        names=tuple(group.name for group in supernodes),
        n_shared=sum(owners[node.node_id] > 1 for node in graph.feature_nodes),
    )


def _place(node: FeatureNode) -> tuple[object, int]:
    return node.feature, node.ctx_idx


def _check_number(n: int, path: Path) -> None:
    if n == 0:
        raise UsageError(
            "no supernode of a person's has a feature node of the graph",
            where=str(path),
            remedy="Name a graph whose qParams.supernodes a person made",
        )
    if n > MAX_NODES:
        raise UsageError(
            f"supernodes have {n:,} feature nodes, more than {MAX_NODES:,}",
            where=str(path),
            remedy="Evaluate on a smaller graph",
        )


def _hide_groups(graph: AttributionGraph, supernodes: Sequence[NamedNodes]) -> dict[str, Any]:
    # All of qParams: the place of a supernode on the page tells of it, too.
    metadata = dict(graph.document["metadata"])
    if metadata.get("clerp"):
        metadata["clerp"] = {k: v for k, v in metadata["clerp"].items() if k != "grouping"}
    prefixes = [f"[{group.name}]" for group in supernodes]
    nodes = [_hide_prefix(node, prefixes) for node in graph.document["nodes"]]
    return {**graph.document, "metadata": metadata, "qParams": {}, "nodes": nodes}


def _hide_prefix(node: Mapping[str, Any], prefixes: Sequence[str]) -> dict[str, Any]:
    """Undo `[supernode] label`, which frontends show and Neuronpedia's download writes."""
    text = node.get("clerp") or ""
    found = max((prefix for prefix in prefixes if text.startswith(prefix)), key=len, default="")
    return {**node, "clerp": text.removeprefix(found).lstrip()} if found else dict(node)
