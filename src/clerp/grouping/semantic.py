"""The grouper `semantic`: labels that mean the same, and edges that do not speak against it.

It does what a researcher does by hand. Nodes whose labels share their words or meaning are one
group where they stand together; unlabelled nodes join the group that they are wired like.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int64

from clerp.feature import FeatureId
from clerp.graph import AttributionGraph, FeatureNode
from clerp.grouping.candidates import UNNAMED, list_candidates
from clerp.grouping.clustering import NEVER, cluster
from clerp.grouping.edge_profiles import NEAR
from clerp.grouping.label_form import fold, read_form
from clerp.grouping.meaning import compare_labels
from clerp.grouping.naming import choose_name
from clerp.grouping.profiles import DECIMALS, compare_profiles
from clerp.grouping.sides import list_conflicts, side_of
from clerp.grouping.supernode import Member, Named, Supernode
from clerp.plugins import Embedder, find

ALIKE = 0.5
"""Least similarity of labelled nodes in a group: more alike than not."""

LABEL_WEIGHT = 2 / 3
"""How much of the similarity of two nodes is that of their labels; the rest is that of their edges.

Edges alone tell nodes of like labels from others at the same position with an area under the curve
of .70 and .62 in the two graphs that come with clerp, and .60 in gemma-2-2b-plt-dollar: they are
worth something, and not as much as labels. With two thirds, equal labels make a group unless their
edges are opposed, and labels that are half alike only with edges that are, too.
"""

_DEFAULT_EMBEDDER = "wordllama"
# Names and words of several tokens are one thing.
_TOUCHING = 1

_Seed = tuple[int, ...]
"""Places of the labelled members of a group."""


class SemanticGrouper:
    """Groups by label, edges, role and position.

    Two labelled nodes at one position, or at two that touch, are as alike as their labels and their
    edges are on a weighted average; elsewhere as the lesser of both. A label that only has function
    words or punctuation says where a node stands and no more: nodes with the same one at the same
    position are as alike as their edges. The layer decides nothing: in the graphs that
    `LABEL_WEIGHT` names, nodes with like labels are no nearer in depth than others.

    An unlabelled node goes with the grouped one at its position whose edges its own are most like,
    when they agree in half or more. With labels hidden one at a time, in those three graphs and in
    gemma-2-2b-clt-meow, that finds the group of 28 % of the nodes that have one; the average over a
    group finds 14 %. It is a guess all the same: one in five that join had the group's label.

    Args:
        argument: Embedder that compares the labels; wordllama when empty.
    """

    def __init__(self, argument: str = "") -> None:
        self.name = f"semantic:{argument}" if argument else "semantic"
        self._embedder = find("embedders", argument or _DEFAULT_EMBEDDER)

    def group(
        self, graph: AttributionGraph, names: Mapping[FeatureId, Named]
    ) -> tuple[Supernode, ...]:
        """Group labelled nodes, then let unlabelled ones join."""
        nodes = list_candidates(graph, names)
        compared = _compare(graph, nodes, names, self._embedder)
        labelled = np.flatnonzero([bool(text) for text in compared.texts])
        if not len(labelled):
            return ()
        found = cluster(_blend(compared)[np.ix_(labelled, labelled)], ALIKE)
        seeds = [tuple(labelled[list(places)].tolist()) for places in found if len(places) > 1]
        joined = _join(compared, seeds)
        return tuple(
            _make(nodes, compared, seed, joined[number]) for number, seed in enumerate(seeds)
        )


@dataclass(frozen=True, slots=True, eq=False)
class _Compared:
    """Nodes, and how alike they are."""

    texts: Sequence[str]
    wordless: Bool[np.ndarray, " node"]
    """Labelled, with nothing but function words and punctuation."""
    positions: Int64[np.ndarray, " node"]
    apart: Bool[np.ndarray, "node node"]
    labels: Float64[np.ndarray, "node node"]
    edges: Float64[np.ndarray, "node node"]


def _compare(
    graph: AttributionGraph,
    nodes: Sequence[FeatureNode],
    names: Mapping[FeatureId, Named],
    embedder: Embedder,
) -> _Compared:
    named = [names.get(node.feature, UNNAMED) for node in nodes]
    forms = [read_form(each.text) for each in named]
    return _Compared(
        texts=[each.text for each in named],
        wordless=np.array([bool(f.body) and not f.words for f in forms], dtype=bool),
        positions=np.array([node.ctx_idx for node in nodes], dtype=np.int64),
        apart=list_conflicts([side_of(each) for each in named]),
        labels=compare_labels(forms, embedder),
        edges=compare_profiles(graph, nodes),
    )


def _blend(compared: _Compared) -> Float64[np.ndarray, "node node"]:
    """Return how alike labelled nodes are."""
    labels, edges, wordless = compared.labels, compared.edges, compared.wordless
    distance = np.abs(compared.positions[:, None] - compared.positions)
    together = LABEL_WEIGHT * labels + (1 - LABEL_WEIGHT) * edges
    alike = np.where(distance <= _TOUCHING, together, np.minimum(labels, edges))
    wording = np.unique([fold(text) for text in compared.texts], return_inverse=True)[1]
    same = (wording[:, None] == wording) & (distance == 0)
    alike = np.where(wordless[:, None] | wordless, np.where(same, edges, NEVER), alike)
    return np.where(compared.apart, NEVER, alike)


def _join(compared: _Compared, seeds: Sequence[_Seed]) -> list[dict[int, int]]:
    """Let unlabelled nodes join; for each seed, the nodes and whom each is wired like."""
    joined: list[dict[int, int]] = [{} for _ in seeds]
    owners = {place: number for number, seed in enumerate(seeds) for place in seed}
    grouped = sorted(owners)
    near = compared.edges[:, grouped].copy()
    near[compared.positions[:, None] != compared.positions[grouped]] = NEVER
    for seed in seeds:
        barred = np.flatnonzero(compared.apart[:, list(seed)].any(axis=1))
        near[np.ix_(barred, np.searchsorted(grouped, seed))] = NEVER
    for place, text in enumerate(compared.texts):
        if not text and near[place].max(initial=NEVER) >= NEAR:
            twin = grouped[int(near[place].argmax())]
            joined[owners[twin]][place] = twin
    return joined


def _make(
    nodes: Sequence[FeatureNode], compared: _Compared, seed: _Seed, joined: Mapping[int, int]
) -> Supernode:
    reasons = {place: _explain(compared, seed, place) for place in seed}
    for place, twin in joined.items():
        edges = compared.edges[place, twin]
        reasons[place] = f"no label; edges {edges:.2f} alike with those of {nodes[twin].node_id}"
    members = (Member(nodes[place].node_id, reasons[place]) for place in sorted(reasons))
    return Supernode(_name(compared, seed), tuple(members))


def _name(compared: _Compared, seed: _Seed) -> str:
    """Choose the label that is nearest to all."""
    totals = compared.labels[np.ix_(seed, seed)].sum(axis=1).round(DECIMALS)
    central = np.flatnonzero(totals == totals.max())
    return choose_name([compared.texts[seed[place]] for place in central])


def _explain(compared: _Compared, seed: _Seed, place: int) -> str:
    others = [other for other in seed if other != place]
    edges = f"edges {compared.edges[place, others].mean():.2f} alike with the others'"
    if compared.wordless[place]:
        return f"the same label at the same position, {edges}"
    return f"label {compared.labels[place, others].mean():.2f} and {edges}"
