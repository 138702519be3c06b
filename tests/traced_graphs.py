"""A random two-layer model, the graph that circuit-tracer makes with it, and what it writes."""

import json
from copy import copy
from pathlib import Path
from typing import Any, TypeVar

import tokenizers
import torch
import transformers
from circuit_tracer import Graph, attribute
from circuit_tracer.replacement_model.replacement_model_nnsight import NNSightReplacementModel
from circuit_tracer.transcoder.single_layer_transcoder import SingleLayerTranscoder, TranscoderSet
from circuit_tracer.utils import create_graph_files
from tests.tiny_llama import D_MODEL, N_LAYERS, make_llama

WORDS = ("one", "two", "three", "four", "five", "six", "seven", "eight")
Record = TypeVar("Record")

SCAN = "tiny/transcoders"
N_FEATURES, N_VOCABULARY = 40, 16


PROMPT = "one two three two one"
MAX_FEATURE_NODES = 150


def trace_graph(folder: Path) -> Graph:
    """Attribute a prompt; model and tokenizer are left in the folder."""
    torch.set_num_threads(1)
    return attribute(
        PROMPT,
        make_model(folder),
        max_n_logits=3,
        batch_size=64,
        max_feature_nodes=MAX_FEATURE_NODES,
        verbose=False,
    )


def make_model(folder: Path) -> NNSightReplacementModel:
    """Make the model with its transcoders; model and tokenizer are left in the folder."""
    save_tokenizer(folder)
    make_llama(N_VOCABULARY, tie_word_embeddings=True).save_pretrained(folder)
    return NNSightReplacementModel.from_pretrained_and_transcoders(
        str(folder), _make_transcoders(), device=torch.device("cpu"), dtype=torch.float32
    )


def write_json(graph: Graph, folder: Path, slug: str, scan: Any = None) -> dict[str, Any]:
    """Let circuit-tracer write a graph, and read what it wrote."""
    create_graph_files(copy(graph), slug, str(folder), scan=scan)
    return json.loads((folder / f"{slug}.json").read_text())


def save_transcoders(folder: Path) -> None:
    """Save the transcoders of `trace_graph` as circuit-tracer does, with their configuration."""
    torch.manual_seed(0)
    made = _make_transcoders()
    made.to_safetensors(str(folder))
    config = {
        "model_kind": "transcoder_set",
        "scan": SCAN,
        "feature_input_hook": made.feature_input_hook,
        "feature_output_hook": made.feature_output_hook,
    }
    (folder / "config.yaml").write_text(json.dumps(config))


def change(record: Record, **fields: Any) -> Record:
    """Copy a graph or its configuration with other values in some fields."""
    changed = copy(record)
    vars(changed).update(fields)
    return changed


def save_tokenizer(folder: Path, words: tuple[str, ...] = WORDS) -> None:
    # Id 0 must not be BOS: circuit-tracer's search for it drops zeros.
    ids = {word: index for index, word in enumerate(("<unk>", "<bos>", *words))}
    raw = tokenizers.Tokenizer(tokenizers.models.WordLevel(ids, unk_token="<unk>"))
    raw.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    raw.post_processor = tokenizers.processors.TemplateProcessing(
        single="<bos> $A", special_tokens=[("<bos>", 1)]
    )
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=raw, bos_token="<bos>", unk_token="<unk>", pad_token="<unk>"
    ).save_pretrained(folder)


def _make_transcoders() -> TranscoderSet:
    transcoders = {
        layer: SingleLayerTranscoder(D_MODEL, N_FEATURES, torch.relu, layer)
        for layer in range(N_LAYERS)
    }
    for transcoder in transcoders.values():
        for parameter in transcoder.parameters():
            torch.nn.init.normal_(parameter, std=0.3).requires_grad_(False)
    return TranscoderSet(
        transcoders, feature_input_hook="mlp.hook_in", feature_output_hook="mlp.hook_out", scan=SCAN
    )
