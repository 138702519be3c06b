"""Which nodes of a graph act on which most."""

import hashlib
import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from heapq import nsmallest
from itertools import chain
from typing import Any, Literal

import msgspec

from clerp.feature import FeatureId
from clerp.graph.flavour import KIND_OF_TYPE, NodeKind
from clerp.graph.links import read_token
from clerp.graph.model import AttributionGraph

MAX_STRONGEST = 8
"""Neighbours that `list_neighbours` keeps in each direction."""
_CHUNK = 10_000

NeighbourKind = Literal["feature", "token", "logit"]


@dataclass(frozen=True, slots=True)
class Neighbour:
    """All nodes of one feature, or all that stand for one token, as the end of direct edges."""

    kind: NeighbourKind
    name: str
    """`14_2268` for a feature, else the token."""
    weight: float
    """Sum over the edges, signed."""


@dataclass(frozen=True, slots=True)
class Neighbourhood:
    """The strongest neighbours of a feature, those of the largest |weight| first."""

    upstream: tuple[Neighbour, ...] = ()
    downstream: tuple[Neighbour, ...] = ()


def rank_neighbours(graph: AttributionGraph) -> Mapping[FeatureId, tuple[FeatureId, ...]]:
    """List the features that each feature has direct edges with, most tied first.

    Features are tied by the sum of |weight| over the links between their nodes, in both directions.
    Links whose ends do not tell which node is meant count for none.

    Returns:
        By feature; one without such links is not in it.
    """
    owners = _find_owners(graph)
    ties: defaultdict[FeatureId, Counter[FeatureId]] = defaultdict(Counter)
    links: list[dict[str, Any]] = graph.document["links"]
    for link in links:
        source, target = owners.get(link["source"]), owners.get(link["target"])
        if source is None or target is None or source == target:
            continue
        ties[source][target] += abs(link["weight"])
        ties[target][source] += abs(link["weight"])
    return {
        feature: tuple(sorted(tied, key=lambda other: (-tied[other], other)))
        for feature, tied in ties.items()
    }


def list_neighbours(graph: AttributionGraph) -> Mapping[FeatureId, Neighbourhood]:
    """List the features, prompt tokens and logits that direct edges tie each feature to most.

    Features are pooled over their nodes, tokens and logits by their text, so edges of either sign
    may cancel out. Errors, nodes without a text, and links whose ends do not tell which node is
    meant are left out.

    Returns:
        At most `MAX_STRONGEST` each way, by feature; one without such links is not in it.
    """
    ends = _find_ends(graph)
    into, out_of = _Weights(), _Weights()
    links: list[dict[str, Any]] = graph.document["links"]
    for link in links:
        source, target = ends.get(link["source"]), ends.get(link["target"])
        if source is None or target is None or source is target:
            continue
        into[target][source] += link["weight"]
        out_of[source][target] += link["weight"]
    return {
        end.feature: Neighbourhood(_choose_strongest(into[end]), _choose_strongest(out_of[end]))
        for end in dict.fromkeys((*into, *out_of))
        if end.feature is not None
    }


def digest_neighbours(graph: AttributionGraph) -> str:
    """Hash all that `list_neighbours` reads, sha256 in hex, in a fifth of its time."""
    identities = [(node.node_id, node.feature) for node in graph.feature_nodes]
    digest = hashlib.sha256(msgspec.json.encode((graph.digest, identities)))
    links: list[dict[str, Any]] = graph.document["links"]
    # In pieces, because graphs have millions of links.
    for start in range(0, len(links), _CHUNK):
        digest.update(msgspec.json.encode(links[start : start + _CHUNK]))
    return digest.hexdigest()


@dataclass(frozen=True, slots=True, eq=False)
class _End:
    """What a node counts as; there is one of each, so that comparing them takes no time."""

    kind: NeighbourKind
    name: str
    feature: FeatureId | None = None


class _Weights(defaultdict[_End, defaultdict[_End, float]]):
    def __init__(self) -> None:
        super().__init__(lambda: defaultdict(float))


def _choose_strongest(weights: Mapping[_End, float]) -> tuple[Neighbour, ...]:
    # Sums of numbers that are near the largest there are may be none.
    finite = [end for end in weights if math.isfinite(weights[end])]
    strongest = nsmallest(
        MAX_STRONGEST, finite, key=lambda end: (-abs(weights[end]), end.kind, end.name)
    )
    return tuple(Neighbour(end.kind, end.name, weights[end]) for end in strongest)


def _find_ends(graph: AttributionGraph) -> dict[str, _End]:
    """Find what each node id that is one node's alone counts as."""
    features = {feature: _End("feature", str(feature), feature) for feature in graph.features}
    ends = {node_id: features[owner] for node_id, owner in _find_owners(graph).items()}
    tokens: dict[tuple[NeighbourKind, str], _End] = {}
    n_nodes = _count_ids(graph)
    for node in _all_nodes(graph):
        named = _name_token(node, graph.prompt_tokens)
        if named is not None and n_nodes[node["node_id"]] == 1:
            ends[node["node_id"]] = tokens.setdefault(named, _End(*named))
    return ends


def _find_owners(graph: AttributionGraph) -> dict[str, FeatureId]:
    """Find the feature of each node id that only nodes of features have."""
    n_nodes = _count_ids(graph)
    return {
        node.node_id: node.feature for node in graph.feature_nodes if n_nodes[node.node_id] == 1
    }


def _name_token(
    node: dict[str, Any], prompt_tokens: tuple[str, ...]
) -> tuple[NeighbourKind, str] | None:
    kind = KIND_OF_TYPE.get(node["feature_type"])
    if kind is NodeKind.LOGIT:
        token = read_token(node.get("clerp") or "")
        return ("logit", token) if token else None
    if kind is NodeKind.EMBEDDING:
        position: int = node["ctx_idx"]
        token = prompt_tokens[position] if position < len(prompt_tokens) else ""
        return ("token", token) if token else None
    return None


def _count_ids(graph: AttributionGraph) -> Counter[str]:
    return Counter(node["node_id"] for node in _all_nodes(graph))


def _all_nodes(graph: AttributionGraph) -> Iterator[dict[str, Any]]:
    nodes: list[dict[str, Any]] = graph.document["nodes"]
    more: dict[str, dict[str, Any]] = graph.document.get("qk_only_nodes") or {}
    return chain(nodes, more.values())
