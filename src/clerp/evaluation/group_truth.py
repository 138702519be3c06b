"""Supernodes that people made, and the graph as it was before they did."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clerp.errors import UsageError
from clerp.graph import AttributionGraph, FeatureNode, read_graph
from clerp.graph.viewer_settings import NamedNodes, read_supernodes
from clerp.grouped import drop_own_groups, list_own_members
from clerp.targets.given_labels import read_entries

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
    n_proposed: int
    """Supernodes that are left out because clerp put most of their members there."""


def read_true_groups(path: Path, max_bytes: int) -> TrueGroups:
    """Read a graph that people grouped; what clerp grouped in it is no truth.

    Neither is a proposal of clerp's that somebody renamed or changed: a supernode is left out if
    more than half of its members are what clerp put into one when it last grouped the graph.

    Raises:
        GraphError: It cannot be read.
        UsageError: No supernode of a person's has a feature node, or too many nodes are in one.
    """
    grouped = read_graph(path, max_bytes=max_bytes)
    graph = drop_own_groups(grouped)
    written = read_supernodes(graph)
    proposed = list_own_members(grouped)
    supernodes = [group for group in written if not _is_proposal(group, proposed)]
    owners: Counter[str] = Counter(i for group in supernodes for i in group.node_ids)
    nodes = tuple(sorted((n for n in graph.feature_nodes if owners[n.node_id] == 1), key=_place))
    _check_number(len(nodes), path)
    group_of = {i: place for place, group in enumerate(supernodes) for i in group.node_ids}
    return TrueGroups(
        name=graph.name,
        graph=read_graph(_hide_groups(graph, written)),
        nodes=nodes,
        groups=tuple(group_of[node.node_id] for node in nodes),
        names=tuple(group.name for group in supernodes),
        n_shared=sum(owners[node.node_id] > 1 for node in graph.feature_nodes),
        n_proposed=len(written) - len(supernodes),
    )


def _is_proposal(group: NamedNodes, proposed: Iterable[frozenset[str]]) -> bool:
    ids = set(group.node_ids)
    return any(2 * len(ids & members) > len(ids) for members in proposed)


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
    """Drop `qParams` but for labels: the place of a supernode on the page tells of it, too."""
    prefixes = [f"[{group.name}]" for group in supernodes]
    clerps = read_entries(graph.document, graph.name)
    hidden = {
        **graph.document,
        "qParams": {"clerps": [[key, _hide_prefix(text, prefixes)] for key, text in clerps]},
        "nodes": [_hide_in_node(node, prefixes) for node in graph.document["nodes"]],
    }
    if more := graph.document.get("qk_only_nodes"):
        hidden["qk_only_nodes"] = {k: _hide_in_node(node, prefixes) for k, node in more.items()}
    return hidden


def _hide_in_node(node: Mapping[str, Any], prefixes: Sequence[str]) -> dict[str, Any]:
    text = node.get("clerp")
    return {**node, "clerp": _hide_prefix(text, prefixes)} if text else dict(node)


def _hide_prefix(text: str, prefixes: Sequence[str]) -> str:
    """Undo `[supernode] label`, which frontends show and Neuronpedia's download writes."""
    found = max((prefix for prefix in prefixes if text.startswith(prefix)), key=len, default="")
    return text.removeprefix(found).lstrip() if found else text
