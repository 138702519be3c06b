"""Circuits whose groups are known, with noise in labels and edges."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from clerp.graph import AttributionGraph, read_graph

Document = dict[str, Any]
Link = tuple[str, str, float]

INPUTS = ("Texas", "capital", "piano", "bread", "river")
OUTPUTS = ("say Austin", "say yellow")
STRAYS = ("algebra", "Monday", "winter", "copper", "violin", "harbour", "senate", "tennis")
_DEPTH = 12
_JITTER = 0.2


@dataclass(frozen=True, slots=True)
class PlantedCircuit:
    document: Document
    groups: dict[str, frozenset[str]]
    """By name, the node ids of every group."""
    strays: frozenset[str]

    def read(self) -> AttributionGraph:
        return read_graph(self.document)


def make_node(node_id: str, label: str = "", **more: object) -> Document:
    """Make a feature node, whose id tells layer, index and position."""
    layer, _, position = node_id.split("_")
    return {
        "node_id": node_id,
        "feature": 0,
        "layer": layer,
        "ctx_idx": int(position),
        "feature_type": "cross layer transcoder",
        "jsNodeId": f"{layer}_{node_id}-0",
        "clerp": label,
        **more,
    }


def make_token(position: int) -> Document:
    return make_node(f"0_0_{position}") | {
        "node_id": f"E_{position}_{position}",
        "layer": "E",
        "feature_type": "embedding",
        "jsNodeId": f"E_{position}-{position}",
    }


def make_logit(index: int) -> Document:
    return make_node(f"27_{index}_5", f'Output "w{index}" (p=0.4)') | {
        "feature_type": "logit",
        "token_prob": 0.4,
    }


def make_graph(
    nodes: Sequence[Document], links: Sequence[Link] = (), **settings: object
) -> AttributionGraph:
    return read_graph(make_document(nodes, links, **settings))


def make_document(
    nodes: Sequence[Document], links: Sequence[Link] = (), **settings: object
) -> Document:
    prompt = ["<bos>", "The", " state", " of", " Dallas", " is"]
    return {
        "metadata": {"slug": "planted", "scan": "a/b", "prompt_tokens": prompt, "prompt": "x"},
        "qParams": settings,
        "nodes": [*nodes],
        "links": [{"source": s, "target": t, "weight": w} for s, t, w in links],
    }


def plant_circuit(seed: int = 0, *, size: int = 4, unlabelled: float = 0.0) -> PlantedCircuit:
    """Plant a group for each of the names, and as many strays with labels of their own.

    Members of a group read the same token with the same strength, give or take a fifth, and act on
    the same outputs; outputs act on a logit each. A part of the members goes without a label.
    """
    rng = random.Random(seed)
    groups = {
        name: [f"{layer}_{100 * number + k}_{position}" for k in range(size)]
        for number, name in enumerate((*INPUTS, *OUTPUTS))
        for layer, position in [(8 + number, 5) if name in OUTPUTS else (number, number)]
    }
    strays = {
        f"{rng.randrange(1, 7)}_{1000 + i}_{rng.randrange(5)}": w for i, w in enumerate(STRAYS)
    }
    nodes = [
        make_node(node_id, "" if k and rng.random() < unlabelled else name)
        for name, members in groups.items()
        for k, node_id in enumerate(members)
    ]
    nodes += [make_node(node_id, label) for node_id, label in strays.items()]
    ends = [*(make_token(i) for i in range(6)), *(make_logit(i) for i in range(len(OUTPUTS)))]
    links = [*_wire(groups, rng), *_wire_strays(list(strays), groups, rng)]
    return PlantedCircuit(
        make_document([*nodes, *ends], links),
        {name: frozenset(members) for name, members in groups.items()},
        frozenset(strays),
    )


def _wire(groups: dict[str, list[str]], rng: random.Random) -> list[Link]:
    def jitter(strength: float) -> float:
        return strength * rng.uniform(1 - _JITTER, 1 + _JITTER)

    links: list[Link] = []
    said = [groups[name] for name in OUTPUTS]
    for number, name in enumerate(INPUTS):
        strengths = [rng.uniform(1, 3) * rng.choice((-1, 1)) for _ in said]
        for member in groups[name]:
            links.append((f"E_{number}_{number}", member, jitter(5.0)))
            links += [
                (member, target, jitter(strength))
                for strength, targets in zip(strengths, said, strict=True)
                for target in targets
            ]
    for number, members in enumerate(said):
        links += [(member, f"27_{number}_5", jitter(4.0)) for member in members]
    return links


def _wire_strays(strays: list[str], groups: dict[str, list[str]], rng: random.Random) -> list[Link]:
    said = [member for name in OUTPUTS for member in groups[name]]
    return [
        link
        for stray in strays
        for link in (
            (f"E_{rng.randrange(6)}_0", stray, 1.0),
            *((stray, target, rng.gauss(0, 1)) for target in rng.sample(said, 3)),
        )
        if not link[0].startswith("E_") or link[0] in {f"E_{i}_{i}" for i in range(6)}
    ]
