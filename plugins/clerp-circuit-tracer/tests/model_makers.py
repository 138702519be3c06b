"""Random two-layer models, transcoders for them, texts, and a graph of their features."""

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
import transformers
import yaml
from circuit_tracer.transcoder.activation_functions import JumpReLU, TopK
from circuit_tracer.transcoder.cross_layer_transcoder import CrossLayerTranscoder
from circuit_tracer.transcoder.single_layer_transcoder import SingleLayerTranscoder, TranscoderSet
from tests.tiny_llama import BOS, D_MODEL, N_LAYERS, SPECIAL, make_llama, train_tokenizer
from tests.unit.graph.conftest import build_graph
from torch import Tensor
from torch.nn import functional

from clerp.feature import FeatureId
from clerp_circuit_tracer.collect.activity import Batch, Row
from clerp_circuit_tracer.collect.transcoders import Hooks, Transcoders

N_FEATURES, K = 48, 6
SCAN = "tiny/transcoders"
HOOKS = Hooks("mlp.hook_in", "mlp.hook_out")
WANTED = tuple(FeatureId(layer, index) for layer in range(N_LAYERS) for index in (0, 7, 21, 40))

Architecture = Literal["cross", "single"]
Activation = Literal["relu", "jump", "top_k"]

_PARTS = (
    ["Ada", "Ben", "Cleo", "Dan", "Eve", "Finn", "Gus", "Hal", "Zoë"],
    ["sees", "likes", "calls", "helps", "paints", "hears"],
    ["a cat", "the dog", "one tree", "two ships", "red wine", "old bread"],
    ["in Rome", "at sea", "on Monday", "near Oslo", "by night", "in the rain"],
)


def write_texts(count: int, seed: int = 7) -> list[str]:
    chance = random.Random(seed)
    return [
        "\n".join(
            " ".join(chance.choice(part) for part in _PARTS) + "."
            for _ in range(chance.randrange(1, 6))
        )
        for _ in range(count)
    ]


def save_model(folder: Path, **config: Any) -> Path:
    """Save a random Llama and a byte-level tokenizer."""
    tokenizer = make_byte_tokenizer()
    sizes = {
        "max_position_embeddings": 128,
        # No layer's default, which TransformerLens would take for it.
        "rope_theta": 500.0,
        "tie_word_embeddings": False,
    }
    model = make_llama(len(tokenizer), **(sizes | config))
    torch.nn.init.uniform_(model.model.norm.weight, 0.2, 2.0)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def make_byte_tokenizer(special: Sequence[str] = SPECIAL) -> Any:
    raw = train_tokenizer(write_texts(200), 330, special)
    return transformers.PreTrainedTokenizerFast(tokenizer_object=raw, bos_token=special[-1])


def make_transcoders(
    architecture: Architecture = "cross", activation: Activation = "jump", seed: int = 3
) -> Transcoders:
    torch.manual_seed(seed)
    made = _make_cross(activation) if architecture == "cross" else _make_single(activation)
    for parameter in made.parameters():
        parameter.requires_grad = False
    return made


def _make_cross(activation: Activation) -> CrossLayerTranscoder:
    made = CrossLayerTranscoder(
        N_LAYERS,
        N_FEATURES,
        D_MODEL,
        activation_function="jump_relu" if activation == "jump" else "relu",
        lazy_decoder=False,
        feature_input_hook=HOOKS.input,
        feature_output_hook=HOOKS.output,
        scan=SCAN,
        device=torch.device("cpu"),
        dtype=torch.float32,
    )
    _fill(made)
    if activation == "top_k":
        made.activation_function = TopK(K)
    return made


def _make_single(activation: Activation) -> TranscoderSet:
    def choose() -> Any:
        if activation == "jump":
            return JumpReLU(torch.zeros(N_FEATURES), 0.1)
        return functional.relu if activation == "relu" else TopK(K)

    layers = {
        layer: SingleLayerTranscoder(
            D_MODEL, N_FEATURES, choose(), layer, device=torch.device("cpu"), dtype=torch.float32
        )
        for layer in range(N_LAYERS)
    }
    for transcoder in layers.values():
        _fill(transcoder)
    return TranscoderSet(layers, HOOKS.input, HOOKS.output, scan=SCAN)


def _fill(module: torch.nn.Module) -> None:
    for name, parameter in module.named_parameters():
        with torch.no_grad():
            if name.endswith("threshold"):
                parameter.uniform_(0.1, 1.0)
            elif name == "b_enc":
                parameter.uniform_(-1.5, 0.0)
            else:
                parameter.normal_(std=D_MODEL**-0.5)


def save_transcoders(transcoders: Transcoders, folder: Path, *, config: bool = True) -> Path:
    folder.mkdir()
    transcoders.to_safetensors(str(folder))
    if config:
        cross = isinstance(transcoders, CrossLayerTranscoder)
        content: dict[str, object] = {
            "model_kind": "cross_layer_transcoder" if cross else "transcoder_set",
            "feature_input_hook": HOOKS.input,
            "feature_output_hook": HOOKS.output,
            "scan": SCAN,
        }
        if not cross:
            content["transcoders"] = [f"layer_{i}.safetensors" for i in range(N_LAYERS)]
        (folder / "config.yaml").write_text(yaml.safe_dump(content))
    return folder


def make_batch(rows: Sequence[Sequence[int]], pad: int = 5) -> Batch:
    lengths = [len(row) for row in rows]
    tokens = torch.full((len(rows), max(lengths)), pad)
    for number, row in enumerate(rows):
        tokens[number, : len(row)] = torch.tensor(row)
    listed = [Row(number, torch.tensor(row)) for number, row in enumerate(rows)]
    return Batch(listed, tokens, torch.tensor(lengths), prefix=1)


def draw_rows(*lengths: int) -> list[list[int]]:
    chance = random.Random(1)
    return [[BOS, *(chance.randrange(2, 320) for _ in range(n - 1))] for n in lengths]


def write_graph(path: Path, features: Sequence[FeatureId] = WANTED, scan: str = SCAN) -> Path:
    document = build_graph(n_features=len(features))
    nodes = [n for n in document["nodes"] if n["feature_type"] == "cross layer transcoder"]
    for node, feature in zip(nodes, features, strict=True):
        old, node["node_id"] = node["node_id"], f"{feature}_1"
        node |= {"layer": str(feature.layer), "feature": feature.cantor, "jsNodeId": f"{feature}-1"}
        for link in document["links"]:
            for end in ("source", "target"):
                link[end] = node["node_id"] if link[end] == old else link[end]
    document["metadata"]["scan"] = scan
    path.write_text(json.dumps(document))
    return path


@dataclass(frozen=True)
class MlpInputs:
    """What each MLP of a model reads, by transformers and hooks of our own."""

    model: Any

    def read(self, tokens: Tensor) -> list[Tensor]:
        inputs: list[Tensor] = []
        handles = [
            layer.mlp.register_forward_pre_hook(lambda _, given: inputs.append(given[0]))
            for layer in self.model.model.layers
        ]
        with torch.no_grad():
            self.model(tokens)
        for handle in handles:
            handle.remove()
        return inputs


def open_plain(folder: Path) -> MlpInputs:
    return MlpInputs(transformers.LlamaForCausalLM.from_pretrained(folder))
