"""Small graphs in circuit-tracer's form."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

Document = dict[str, Any]
MakeGraph = Callable[..., Document]


def build_graph(
    n_features: int = 3, n_errors: int = 2, n_embeddings: int = 2, n_logits: int = 2
) -> Document:
    """Build a schema 1 graph: feature i is latent 10 + i of layer i, at position 1."""
    features = [_node(f"{i}_{10 + i}_1", "cross layer transcoder", i) for i in range(n_features)]
    errors = [_node(f"0_{20 + i}_1", "mlp reconstruction error", 20 + i) for i in range(n_errors)]
    embeddings = [_node(f"E_{i}_{i}", "embedding", "E", i) for i in range(n_embeddings)]
    ranked = features + errors + embeddings
    for rank, node in enumerate(ranked):
        node["influence"] = 0.8 * (rank + 1) / len(ranked)
    for node in features:
        node["activation"] = 2.5
    logits = [_node(f"27_{i}_1", "logit", 27) for i in range(n_logits)]
    for i, node in enumerate(logits):
        node |= {"clerp": f'Output " word{i}" (p=0.{i + 1}00)', "token_prob": (i + 1) / 10}
    return {
        "metadata": {
            "slug": "small",
            "scan": "owner/transcoders",
            "transcoder_list": [],
            "prompt_tokens": ["<bos>", "Dallas"],
            "prompt": "<bos>Dallas",
            "node_threshold": 0.8,
            "schema_version": 1,
        },
        "qParams": {
            "pinnedIds": [],
            "supernodes": [],
            "linkType": "both",
            "clickedId": "",
            "sg_pos": "",
        },
        "nodes": ranked + logits,
        "links": [
            {"source": source["node_id"], "target": logit["node_id"], "weight": 0.5 - i - 2 * j}
            for i, source in enumerate(ranked)
            for j, logit in enumerate(logits)
        ],
    }


def _node(node_id: str, kind: str, layer: int | str, position: int = 1) -> Document:
    return {
        "node_id": node_id,
        "feature": 7,
        "layer": str(layer),
        "ctx_idx": position,
        "feature_type": kind,
        "token_prob": 0.0,
        "is_target_logit": False,
        "run_idx": 0,
        "reverse_ctx_idx": 0,
        "jsNodeId": f"{node_id.rpartition('_')[0]}-0",
        "clerp": "",
        "influence": None,
        "activation": None,
    }


@pytest.fixture
def make_graph() -> MakeGraph:
    return build_graph


@pytest.fixture
def document() -> Document:
    return build_graph()


@pytest.fixture
def colliding() -> Document:
    """A graph whose feature 20 of layer 0 has the id of the error of layer 20."""
    graph = copy.deepcopy(build_graph())
    graph["nodes"][0] |= {"node_id": "0_20_1", "jsNodeId": "0_20-0"}
    for link in graph["links"]:
        if link["source"] == "0_10_1":
            link["source"] = "0_20_1"
    return graph
