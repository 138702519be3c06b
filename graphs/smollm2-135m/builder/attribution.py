"""Attribution graphs of the prompts, made and written by circuit-tracer."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from pathlib import Path

import torch
from circuit_tracer import attribute
from circuit_tracer.graph import Graph, compute_graph_scores
from circuit_tracer.replacement_model.replacement_model_nnsight import NNSightReplacementModel
from circuit_tracer.transcoder.cross_layer_transcoder import CrossLayerTranscoder, load_clt
from circuit_tracer.utils import create_graph_files

from clerp.feature import FeatureId

from .config import AttributionConfig, Prompt
from .errors import BuildError
from .storage import replacing

logger = logging.getLogger(__name__)

FEATURE_TYPE = "cross layer transcoder"


@dataclass(frozen=True)
class GraphFacts:
    """Measured on one graph.

    Attributes:
        slug: The graph's name.
        prompt: The attributed text.
        answer: The most probable next token.
        probability: Its probability under the unmodified model.
        active_features: Feature activations on the prompt before pruning.
        replacement: Share of token-to-logit influence that flows through features, unpruned.
        completeness: Influence-weighted share of node inputs that are not errors, unpruned.
        feature_nodes: Feature nodes after pruning.
        distinct_features: Features among them, each counted once.
        links: Links after pruning.
    """

    slug: str
    prompt: str
    answer: str
    probability: float
    active_features: int
    replacement: float
    completeness: float
    feature_nodes: int
    distinct_features: int
    links: int


def load_transcoder(clt: Path, scan: str) -> CrossLayerTranscoder:
    """Load the CLT as circuit-tracer holds it, float32 on the CPU."""
    return load_clt(
        str(clt),
        feature_input_hook="mlp.hook_in",
        feature_output_hook="mlp.hook_out",
        scan=scan,
        device=torch.device("cpu"),
        dtype=torch.float32,
        lazy_decoder=False,
    )


def load_replacement_model(model: Path, clt: Path, scan: str) -> NNSightReplacementModel:
    """Load the model with the CLT in circuit-tracer's nnsight backend, float32 on the CPU."""
    return NNSightReplacementModel.from_pretrained_and_transcoders(
        str(model), load_transcoder(clt, scan), device=torch.device("cpu"), dtype=torch.float32
    )


def trace_prompt(
    model: NNSightReplacementModel, prompt: Prompt, config: AttributionConfig, path: Path
) -> None:
    """Attribute one prompt and keep the whole, unpruned graph in circuit-tracer's `.pt` form.

    Raises:
        BuildError: The model does not really answer the prompt.
    """
    graph = attribute(
        prompt.text,
        model,
        max_n_logits=config.max_logits,
        batch_size=config.batch_rows,
        max_feature_nodes=config.max_features,
    )
    answer, probability = graph.logit_targets[0].token_str, graph.logit_probabilities[0].item()
    if probability < config.min_answer_probability:
        raise BuildError(f"{prompt.slug}: best answer {answer!r} has only p={probability:.3f}")
    # The graph's configuration names the folder its tokenizer came from. It stays in the
    # workspace; the JSON that ships has no such field.
    with replacing(path) as partial:
        graph.to_pt(str(partial))
    logger.info("traced %s", prompt.slug)


def write_graph(
    trace: Path, prompt: Prompt, config: AttributionConfig, scan: str, folder: Path
) -> GraphFacts:
    """Prune a traced graph and let circuit-tracer write its files into `folder`."""
    graph = Graph.from_pt(str(trace))
    replacement, completeness = compute_graph_scores(graph)
    with replacing(folder) as partial:
        create_graph_files(
            graph,
            slug=prompt.slug,
            output_path=str(partial),
            scan=scan,
            node_threshold=config.node_threshold,
            edge_threshold=config.edge_threshold,
        )
        written = json.loads((partial / f"{prompt.slug}.json").read_text())
    return GraphFacts(
        slug=prompt.slug,
        prompt=prompt.text,
        answer=graph.logit_targets[0].token_str,
        probability=graph.logit_probabilities[0].item(),
        active_features=len(graph.active_features),
        replacement=replacement,
        completeness=completeness,
        feature_nodes=sum(node["feature_type"] == FEATURE_TYPE for node in written["nodes"]),
        distinct_features=len(list_features(folder / f"{prompt.slug}.json")),
        links=len(written["links"]),
    )


def list_features(graph_file: Path) -> set[FeatureId]:
    """Return the distinct features of a graph file."""
    features = set()
    for node in json.loads(graph_file.read_text())["nodes"]:
        if node["feature_type"] == FEATURE_TYPE:
            layer, index, _position = map(int, node["node_id"].split("_"))
            features.add(FeatureId(layer, index))
    return features
