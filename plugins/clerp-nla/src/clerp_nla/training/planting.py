"""A cross-layer transcoder for the tiny subject, with features about known things put into it.

Nothing is trained: a feature reads with a ridge regression of its theme, and writes what residuals
at its theme have over all others.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import yaml
from jaxtyping import Bool, Float, Float32
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from clerp.feature import FeatureId
from clerp_nla.training.grammar import TOPICS, Document
from clerp_nla.training.learning import tokenize
from clerp_nla.training.themes import Planted, Theme, draw_activations, mark

SCAN = "clerp-toy/grammar"
N_FEATURES = 24
"""Of each layer; places without a planted feature never fire."""
HOOKS = ("mlp.hook_in", "mlp.hook_out")
_TOKENS = (" the", " and", " with", ".", " note", " court", " but", " of")
_RIDGE = 1.0
_FALSE = 1e-3
"""Share of the places where a theme does not hold at which a feature may fire all the same."""
_BATCH = 64


def list_planted() -> tuple[Planted, ...]:
    """List all features: topics, tokens, a class of words, nothing, and one above the pair."""
    topics = [Theme("topic", name) for name in TOPICS]
    classes = [Theme("word class", "adjective"), Theme("word class", "verb")]
    nothing = [Theme("nothing")] * 10
    second = (*topics, *classes, *nothing)
    return (
        *(Planted(FeatureId(1, i), Theme("token", text)) for i, text in enumerate(_TOKENS)),
        *(Planted(FeatureId(2, i), theme) for i, theme in enumerate(second)),
        Planted(FeatureId(5, 0), topics[0]),
    )


@dataclass(frozen=True, slots=True, eq=False)
class Stream:
    """What a model computes on texts, all tokens of all texts one after the other."""

    read: Float32[np.ndarray, "layer token d_model"]
    """What the MLP of each block is given."""
    residual: Float32[np.ndarray, "layer token d_model"]
    """What each block puts out."""


@dataclass(frozen=True, slots=True, eq=False)
class Probe:
    """How a feature is read; it fires where the projection is above the threshold."""

    weight: Float[np.ndarray, " d_model"]
    bias: float
    threshold: float

    def fire(self, inputs: Float[np.ndarray, "token d_model"]) -> Float[np.ndarray, " token"]:
        """Return activations."""
        projected = inputs @ self.weight + self.bias
        return np.where(projected > self.threshold, projected, 0.0)


@torch.no_grad()
def read_stream(
    model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, texts: Sequence[str]
) -> Stream:
    """Run a model on texts; start tokens are left out."""
    given: list[Tensor] = []
    put_out: list[Tensor] = []

    def keep(_module: nn.Module, _inputs: object, output: Tensor) -> None:
        put_out.append(output)

    blocks: list[nn.Module] = list(model.model.layers)
    handles = [
        handle
        for block in blocks
        for handle in (
            block.get_submodule("mlp").register_forward_pre_hook(
                lambda _module, inputs: given.append(inputs[0])
            ),
            block.register_forward_hook(keep),
        )
    ]
    read: list[Tensor] = []
    residual: list[Tensor] = []
    for start in range(0, len(texts), _BATCH):
        given.clear()
        put_out.clear()
        batch = tokenize(texts[start : start + _BATCH], tokenizer, model.device)
        model(input_ids=batch.ids, attention_mask=batch.mask, use_cache=False)
        kept = batch.mask.bool()
        kept[:, 0] = False
        read.append(torch.stack(given)[:, kept])
        residual.append(torch.stack(put_out)[:, kept])
    for handle in handles:
        handle.remove()
    return Stream(torch.cat(read, 1).numpy(), torch.cat(residual, 1).numpy())


def fit_probe(
    inputs: Float[np.ndarray, "token d_model"], holds: Bool[np.ndarray, " token"]
) -> Probe:
    """Fit a ridge regression of 0 and 1, and the threshold that few other places pass."""
    mean, share = inputs.mean(0), holds.mean()
    centred = inputs - mean
    gram = centred.T @ centred + _RIDGE * np.eye(len(mean))
    weight = np.linalg.solve(gram, centred.T @ (holds - share))
    bias = float(share - mean @ weight)
    others = inputs[~holds] @ weight + bias
    return Probe(weight, bias, max(float(np.quantile(others, 1 - _FALSE)), 1e-3))


def find_writes(
    stream: Stream, layer: int, holds: Bool[np.ndarray, " token"]
) -> Float[np.ndarray, "written d_model"]:
    """Return a row for each layer from a feature's own on.

    Summed up to a block they are what residuals there have where the theme holds over all others.
    """
    means = [block[holds].mean(0) - block[~holds].mean(0) for block in stream.residual[layer:]]
    return np.diff(np.stack(means), axis=0, prepend=0.0)


@dataclass(frozen=True, slots=True, eq=False)
class Garden:
    """What was planted, and what it does on the documents it was planted with."""

    probes: dict[FeatureId, Probe]
    """Of features that are about something; no model computes the others."""
    writes: dict[FeatureId, Float[np.ndarray, "written d_model"]]
    activations: dict[FeatureId, list[Float[np.ndarray, " token"]]]
    """Of each document, of all features; of those about nothing they are drawn."""


def plant(
    stream: Stream, documents: Sequence[Document], planted: Sequence[Planted], seed: int
) -> Garden:
    """Plant all features that are about something, and let the others fire by chance."""
    ends = np.cumsum([len(document.tokens) for document in documents])[:-1]
    garden = Garden({}, {}, {})
    for number, (feature, theme) in enumerate((p.feature, p.theme) for p in planted):
        if theme.about == "nothing":
            garden.activations[feature] = draw_activations(documents, theme, seed + number)
            continue
        holds = np.concatenate(mark(documents, theme))
        inputs = stream.read[feature.layer].astype(np.float64)
        probe = garden.probes[feature] = fit_probe(inputs, holds)
        garden.writes[feature] = find_writes(stream, feature.layer, holds)
        garden.activations[feature] = np.split(probe.fire(inputs), ends)
    return garden


def write_transcoders(folder: Path, garden: Garden, n_layers: int, d_model: int) -> None:
    """Write a cross-layer transcoder with JumpReLU as circuit-tracer reads it."""
    folder.mkdir()
    for layer in range(n_layers):
        encoder = torch.zeros(N_FEATURES, d_model)
        bias, threshold = torch.zeros(N_FEATURES), torch.full((N_FEATURES,), torch.inf)
        decoder = torch.zeros(N_FEATURES, n_layers - layer, d_model)
        for feature in (f for f in garden.probes if f.layer == layer):
            probe = garden.probes[feature]
            encoder[feature.index] = torch.from_numpy(probe.weight)
            bias[feature.index], threshold[feature.index] = probe.bias, probe.threshold
            decoder[feature.index] = torch.from_numpy(garden.writes[feature])
        encoding = {
            f"W_enc_{layer}": encoder,
            f"b_enc_{layer}": bias,
            f"b_dec_{layer}": torch.zeros(d_model),
            f"threshold_{layer}": threshold,
        }
        save_file(encoding, folder / f"W_enc_{layer}.safetensors")
        # Only sums of these are read, in no need of more precision.
        save_file({f"W_dec_{layer}": decoder.half()}, folder / f"W_dec_{layer}.safetensors")
    config = {
        "model_kind": "cross_layer_transcoder",
        "feature_input_hook": HOOKS[0],
        "feature_output_hook": HOOKS[1],
        "scan": SCAN,
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
