"""An attribution graph over planted features, for commands to be tried on.

Nodes and activations are those of one document; links are made up, each as strong as its feature.
"""

import numpy as np
from jaxtyping import Float

from clerp.feature import FeatureId
from clerp_nla.training.grammar import Document
from clerp_nla.training.planting import Garden

Node = dict[str, object]


def draw_graph(document: Document, place: int, garden: Garden, scan: str) -> dict[str, object]:
    """Build a graph in circuit-tracer's schema 1.

    Args:
        document: That the graph is of.
        place: Number of the document among those of the garden.
        garden: What fires where.
        scan: What the graph calls its transcoders.
    """
    tokens = ["<bos>", *(token.text for token in document.tokens)]
    fired = [
        _make_feature(feature, activations[place])
        for feature, activations in sorted(garden.activations.items())
        if activations[place].max() > 0
    ]
    logit = _make_node("6_0_1", "logit", "6", len(tokens) - 1) | {
        "clerp": 'Output " the" (p=0.500)',
        "token_prob": 0.5,
        "is_target_logit": True,
    }
    ranked = sorted(fired, key=_read_activation, reverse=True)
    for rank, node in enumerate(ranked):
        node["influence"] = round(0.8 * (rank + 1) / len(ranked), 4)
    return {
        "metadata": {
            "slug": "toy",
            "scan": scan,
            "transcoder_list": [],
            "prompt_tokens": tokens,
            "prompt": "".join(tokens),
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
        "nodes": [*ranked, logit],
        "links": [
            {"source": n["node_id"], "target": logit["node_id"], "weight": _read_activation(n)}
            for n in ranked
        ],
    }


def _make_feature(feature: FeatureId, activations: Float[np.ndarray, " token"]) -> Node:
    # One more than the place: the start token comes first.
    position = int(activations.argmax()) + 1
    name = f"{feature.layer}_{feature.index}_{position}"
    node = _make_node(name, "cross layer transcoder", str(feature.layer), position)
    return node | {
        "feature": feature.cantor,
        "activation": round(float(activations.max()), 4),
    }


def _make_node(name: str, kind: str, layer: str, position: int) -> Node:
    return {
        "node_id": name,
        "feature": 0,
        "layer": layer,
        "ctx_idx": position,
        "feature_type": kind,
        "token_prob": 0.0,
        "is_target_logit": False,
        "run_idx": 0,
        "reverse_ctx_idx": 0,
        "jsNodeId": f"{name.rpartition('_')[0]}-0",
        "clerp": "",
        "influence": None,
        "activation": None,
    }


def _read_activation(node: Node) -> float:
    activation = node["activation"]
    assert isinstance(activation, float)
    return activation
