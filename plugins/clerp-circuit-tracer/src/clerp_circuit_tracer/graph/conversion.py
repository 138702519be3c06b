"""A graph to the JSON that circuit-tracer writes of it, by circuit-tracer's own functions.

`circuit_tracer.utils.create_graph_files` does the same to a file; it also moves the caller's
tensors to another device, takes no bfloat16 matrix and names a list of transcoders by Python's
`hash`, which differs in every process.
"""

import hashlib
from typing import Any

import msgspec
from circuit_tracer.attribution.targets import LogitTarget
from circuit_tracer.graph import Graph, prune_graph
from circuit_tracer.utils.create_graph_files import (
    build_model,
    create_nodes,
    create_used_nodes_and_edges,
)
from circuit_tracer.utils.tl_nnsight_mapping import UnifiedConfig
from transformers import PreTrainedTokenizerBase

from clerp.errors import GraphError
from clerp_circuit_tracer.graph.contents import GraphContents
from clerp_circuit_tracer.graph.tokenizer import load_tokenizer

# The defaults of create_graph_files.
NODE_THRESHOLD = 0.8
EDGE_THRESHOLD = 0.98

# Sizes of the model that no function here reads.
_UNREAD = 0


def convert(contents: GraphContents, slug: str, where: str) -> dict[str, Any]:
    """Prune a graph and return it as parsed JSON, equal to what `create_graph_files` writes.

    Only `metadata.scan` may differ: "" where there is none, and for a list of transcoders
    `custom-` with a hash that is the same everywhere.

    Args:
        contents: The whole graph; not changed.
        slug: Its name in the JSON.
        where: The file or object it is from, as errors name it.

    Raises:
        GraphError: Its tokenizer is not on this machine, or its influences do not settle.
    """
    tokenizer = load_tokenizer(contents.tokenizer, where)
    graph = _build_graph(contents, tokenizer)
    try:
        pruned = prune_graph(graph, NODE_THRESHOLD, EDGE_THRESHOLD)
    except RuntimeError as error:
        raise GraphError(
            f"cannot be pruned: {error}",
            where=f"{where}, adjacency_matrix",
            remedy="Attribute the prompt again: a graph of direct effects has no cycle",
        ) from error
    nodes = create_nodes(graph, pruned.node_mask, tokenizer, pruned.cumulative_scores)
    used, links = create_used_nodes_and_edges(graph, nodes, pruned.edge_mask)
    model = build_model(graph, used, links, slug, graph.scan, NODE_THRESHOLD, tokenizer)
    # By way of its JSON, in which pydantic writes NaN as null.
    document: dict[str, Any] = msgspec.json.decode(model.model_dump_json())
    document["metadata"]["scan"] = _name_scan(contents.scan)
    return document


def _build_graph(contents: GraphContents, tokenizer: PreTrainedTokenizerBase) -> Graph:
    return Graph(
        input_string=contents.prompt,
        input_tokens=contents.tokens,
        active_features=contents.active_features,
        adjacency_matrix=contents.adjacency,
        cfg=_build_config(contents.n_layers),
        selected_features=contents.selected_features,
        activation_values=contents.activations,
        logit_targets=[
            LogitTarget(_decode(tokenizer, vocab_idx) if text is None else text, vocab_idx)
            for text, vocab_idx in contents.logit_targets
        ],
        logit_probabilities=contents.logit_probabilities,
        scan=contents.scan if isinstance(contents.scan, str) else list(contents.scan),
    )


def _build_config(n_layers: int) -> UnifiedConfig:
    return UnifiedConfig(
        n_layers=n_layers,
        d_model=_UNREAD,
        d_head=_UNREAD,
        n_heads=_UNREAD,
        d_mlp=_UNREAD,
        d_vocab=_UNREAD,
        tokenizer_name="",
        model_name="",
        original_architecture="",
    )


def _decode(tokenizer: PreTrainedTokenizerBase, vocab_idx: int) -> str:
    return tokenizer.decode(vocab_idx)


def _name_scan(scan: str | tuple[str, ...]) -> str:
    if isinstance(scan, str):
        return scan
    return f"custom-{hashlib.sha256(msgspec.json.encode(scan)).hexdigest()[:16]}"
