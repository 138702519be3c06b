"""A graph with its supernodes in the place of their members: what acts on what, and where."""

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, Literal

from clerp.feature import FeatureId
from clerp.graph import AttributionGraph
from clerp.graph.flavour import KIND_OF_TYPE, NodeKind
from clerp.graph.links import read_token
from clerp.graph.viewer_settings import read_supernodes
from clerp.router import Role

MAX_BOXES = 24
"""Supernodes that are drawn, those with the most members."""
MAX_ARROWS = 40
_PER_BOX = 3
"""Strongest arrows into each box, and out of it, that are looked at first."""
_FAINT = 0.05
"""Of the strongest arrow; a fainter one is drawn where a box has no other."""
_MAX_ENDS = 12
"""Tokens of the prompt, and logits, that are drawn."""

BoxKind = Literal["token", "group", "logit"]


@dataclass(frozen=True, slots=True)
class Box:
    """A supernode, a token of the prompt or a logit."""

    kind: BoxKind
    number: int
    """Place among the supernodes, or the nodes, of the graph."""
    name: str
    n_nodes: int
    role: str
    """The commonest of its features; empty for tokens, logits and where none is known."""
    layer: float
    """Mean over its features; of tokens and logits it says nothing."""
    position: float
    """Mean in the prompt."""


@dataclass(frozen=True, slots=True)
class Arrow:
    """All direct links from the nodes of one box to those of another."""

    source: Box
    target: Box
    weight: float
    """Their sum, signed."""


@dataclass(frozen=True, slots=True)
class Circuit:
    """What is drawn of a graph."""

    boxes: tuple[Box, ...]
    arrows: tuple[Arrow, ...]
    """The strongest, by |weight|."""
    n_groups: int
    """All supernodes with a feature of the graph, drawn or not."""
    n_arrows: int
    """All of them, drawn or not."""


def condense(graph: AttributionGraph, roles: Mapping[FeatureId, Role]) -> Circuit | None:
    """Put the supernodes of a graph in the place of their members.

    Links whose ends do not tell which node is meant count for none. Of tokens and logits those are
    in it that an arrow ties to a supernode.

    Args:
        graph: With supernodes in `qParams`.
        roles: Of its features, as far as they are known.

    Returns:
        None where the graph has no supernode with a feature.

    Raises:
        GraphError: Its supernodes cannot be read.
    """
    groups = _list_groups(graph, roles)
    if not groups:
        return None
    drawn = dict(sorted(groups.items(), key=lambda item: -item[0].n_nodes)[:MAX_BOXES])
    weights = _add_up(graph, _list_ends(graph) | _list_owners(drawn))
    arrows = _choose(weights)
    ends = {box for arrow in arrows for box in (arrow.source, arrow.target)}
    return Circuit(
        boxes=(*drawn, *sorted(ends - drawn.keys(), key=lambda box: (box.kind, box.number))),
        arrows=arrows,
        n_groups=len(groups),
        n_arrows=len(weights),
    )


def _list_groups(
    graph: AttributionGraph, roles: Mapping[FeatureId, Role]
) -> dict[Box, tuple[str, ...]]:
    nodes = {node.node_id: node for node in graph.feature_nodes}
    groups: dict[Box, tuple[str, ...]] = {}
    for number, supernode in enumerate(read_supernodes(graph)):
        found = [nodes[node_id] for node_id in supernode.node_ids if node_id in nodes]
        if found:
            known = Counter(roles[node.feature] for node in found if node.feature in roles)
            box = Box(
                kind="group",
                number=number,
                name=supernode.name,
                n_nodes=len(found),
                role=max(known, key=lambda role: (known[role], role), default=""),
                layer=math.fsum(node.feature.layer for node in found) / len(found),
                position=math.fsum(node.ctx_idx for node in found) / len(found),
            )
            groups[box] = tuple(node.node_id for node in found)
    return groups


def _list_owners(groups: Mapping[Box, tuple[str, ...]]) -> dict[str, tuple[Box, ...]]:
    """List the groups of each node: people may put one into several."""
    owners: defaultdict[str, list[Box]] = defaultdict(list)
    for box, node_ids in groups.items():
        for node_id in node_ids:
            owners[node_id].append(box)
    return {node_id: tuple(boxes) for node_id, boxes in owners.items()}


def _list_ends(graph: AttributionGraph) -> dict[str, tuple[Box, ...]]:
    """List tokens of the prompt and logits by node id."""
    nodes: list[dict[str, Any]] = graph.document["nodes"]
    return {
        node["node_id"]: (box,)
        for number, node in enumerate(nodes)
        for box in _make_end(number, node, graph.prompt_tokens)
    }


def _make_end(number: int, node: Mapping[str, Any], tokens: Sequence[str]) -> Iterator[Box]:
    kind = KIND_OF_TYPE.get(node["feature_type"])
    position: int = node["ctx_idx"]
    if kind is NodeKind.EMBEDDING and position < len(tokens):
        yield Box("token", number, tokens[position], 1, "", 0.0, float(position))
    elif kind is NodeKind.LOGIT and (token := read_token(node.get("clerp") or "")):
        yield Box("logit", number, token, 1, "", 0.0, float(position))


def _add_up(
    graph: AttributionGraph, owners: Mapping[str, tuple[Box, ...]]
) -> dict[tuple[Box, Box], float]:
    n_nodes = Counter(node["node_id"] for node in graph.document["nodes"])
    clear = {node_id: boxes for node_id, boxes in owners.items() if n_nodes[node_id] == 1}
    weights: defaultdict[tuple[Box, Box], float] = defaultdict(float)
    links: list[dict[str, Any]] = graph.document["links"]
    for link in links:
        for ends in product(clear.get(link["source"], ()), clear.get(link["target"], ())):
            if ends[0] is not ends[1] and "group" in (ends[0].kind, ends[1].kind):
                weights[ends] += link["weight"]
    return {ends: weight for ends, weight in weights.items() if math.isfinite(weight) and weight}


def _choose(weights: Mapping[tuple[Box, Box], float]) -> tuple[Arrow, ...]:
    """Choose the strongest arrows of each box, and of these the strongest of all."""
    ordered = sorted(
        (Arrow(*ends, weight) for ends, weight in weights.items()),
        key=lambda arrow: (
            -abs(arrow.weight),
            *((end.kind, end.number) for end in (arrow.source, arrow.target)),
        ),
    )
    choice = _Choice()
    for arrow in ordered:
        choice.offer(arrow)
    return tuple(choice.arrows[:MAX_ARROWS])


class _Choice:
    """Arrows that are drawn, offered in the order of their strength."""

    def __init__(self) -> None:
        self.arrows: list[Arrow] = []
        self._into: Counter[Box] = Counter()
        self._out_of: Counter[Box] = Counter()
        self._ends: defaultdict[BoxKind, set[Box]] = defaultdict(set)

    def offer(self, arrow: Arrow) -> None:
        if self._is_wanted(arrow) and self._has_room(arrow):
            self.arrows.append(arrow)
            self._into[arrow.target] += 1
            self._out_of[arrow.source] += 1
            for end in (arrow.source, arrow.target):
                self._ends[end.kind].add(end)

    def _is_wanted(self, arrow: Arrow) -> bool:
        fewest = min(self._into[arrow.target], self._out_of[arrow.source])
        is_faint = bool(self.arrows) and abs(arrow.weight) < _FAINT * abs(self.arrows[0].weight)
        return fewest == 0 if is_faint else fewest < _PER_BOX

    def _has_room(self, arrow: Arrow) -> bool:
        return all(
            end.kind == "group"
            or end in self._ends[end.kind]
            or len(self._ends[end.kind]) < _MAX_ENDS
            for end in (arrow.source, arrow.target)
        )
