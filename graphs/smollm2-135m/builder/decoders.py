"""Cross-layer decoders in closed form, which turn per-layer dictionaries into a CLT.

A cross-layer transcoder (Ameisen et al. 2025, "Circuit Tracing") lets a feature of layer s write
to every layer t >= s. Training all those decoders by gradient descent is out of reach of two cores,
but with the encoders held fixed each target layer is a ridge regression on the features of its own
and all earlier layers. The unknown is the *change* against the per-layer decoders, so a feature too
rare to tell keeps what it had. Features are ordered by layer: the equations of target t are the
leading block of one matrix, and one Cholesky factor serves every layer.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from safetensors.torch import load_file
from torch import Tensor

from .storage import replacing, write_tensors
from .transcoder import Encoder, Transcoder

logger = logging.getLogger(__name__)

# Tokens whose activations are held densely at a time: 4 * layers * features bytes each.
CHUNK_TOKENS = 4096


@dataclass(frozen=True)
class CrossLayerTranscoder:
    """A CLT.

    Attributes:
        encoders: One per layer.
        decoders: Per source layer s, what a feature writes to layers s, s+1, ...
        output_biases: One per layer.
    """

    encoders: list[Encoder]
    decoders: list[Float[Tensor, "feature target d_model"]]
    output_biases: Float[Tensor, "layer d_model"]


@dataclass(frozen=True)
class LayerQuality:
    """How well one layer is reconstructed on tokens that trained nothing.

    Attributes:
        fvu_per_layer: Fraction of variance unexplained by the layer's own features.
        fvu_cross_layer: The same with all features up to this layer.
        l0: Mean active features a token.
        dead: Features that never fired.
    """

    fvu_per_layer: float
    fvu_cross_layer: float
    l0: float
    dead: int


@dataclass(frozen=True)
class _Chunk:
    activations: Float[Tensor, "token layer feature"]
    outputs: Float[Tensor, "token layer d_model"]
    residuals: Float[Tensor, "token layer d_model"]


@dataclass(frozen=True)
class _Moments:
    """Centred sums over the training tokens: features with features, features with residuals."""

    gram: Float[Tensor, "column column"]
    cross: list[Float[Tensor, "feature target*d_model"]]
    activation_mean: Float[Tensor, " column"]
    residual_mean: Float[Tensor, "layer d_model"]


def solve_decoders(
    transcoders: list[Transcoder], shards: list[Path], ridge: float
) -> CrossLayerTranscoder:
    """Fit the decoders of all layers to the training shards.

    Args:
        transcoders: Their encoders stay; their decoders are what the solution departs from.
        shards: Training activations.
        ridge: Penalty on the change, relative to the mean energy of a feature.
    """
    return _solve(transcoders, _accumulate_moments(transcoders, shards), ridge)


def measure_quality(
    transcoders: list[Transcoder], clt: CrossLayerTranscoder, shards: list[Path]
) -> list[LayerQuality]:
    """Compare both reconstructions with the MLP outputs of `shards`."""
    n_layers, (features, d_model) = len(transcoders), transcoders[0].decoder.shape
    total, squares = torch.zeros(n_layers, d_model), torch.zeros(n_layers)
    per_layer, cross_layer = torch.zeros(n_layers), torch.zeros(n_layers)
    active = torch.zeros(n_layers, features)
    tokens = 0
    for chunk in _read_chunks(transcoders, shards):
        total += chunk.outputs.sum(0)
        squares += chunk.outputs.square().sum((0, 2))
        per_layer += chunk.residuals.square().sum((0, 2))
        cross_layer += (chunk.outputs - _decode(clt, chunk.activations)).square().sum((0, 2))
        active += (chunk.activations > 0).float().sum(0)
        tokens += len(chunk.outputs)
    variance = squares - total.square().sum(1) / tokens
    return [
        LayerQuality(
            fvu_per_layer=(per_layer[layer] / variance[layer]).item(),
            fvu_cross_layer=(cross_layer[layer] / variance[layer]).item(),
            l0=active[layer].sum().item() / tokens,
            dead=int((active[layer] == 0).sum()),
        )
        for layer in range(n_layers)
    ]


def save_clt(clt: CrossLayerTranscoder, folder: Path) -> None:
    """Write circuit-tracer's CLT files into a fresh folder.

    circuit-tracer counts the encoder files to learn the number of layers, so the folder must not
    keep any of an earlier, larger CLT.
    """
    with replacing(folder) as partial:
        for layer, (encoder, decoder) in enumerate(zip(clt.encoders, clt.decoders, strict=True)):
            encoder_tensors = {
                f"W_enc_{layer}": encoder.weight.half(),
                f"b_enc_{layer}": encoder.bias,
                f"b_dec_{layer}": clt.output_biases[layer],
                f"threshold_{layer}": encoder.threshold,
            }
            write_tensors(partial / f"W_enc_{layer}.safetensors", encoder_tensors)
            write_tensors(
                partial / f"W_dec_{layer}.safetensors", {f"W_dec_{layer}": decoder.half()}
            )


def load_clt(folder: Path) -> CrossLayerTranscoder:
    """Read a CLT that `save_clt` wrote; decoders stay in half precision."""
    encoders, decoders, biases = [], [], []
    for layer in range(len(list(folder.glob("W_enc_*.safetensors")))):
        saved = load_file(folder / f"W_enc_{layer}.safetensors")
        encoders.append(
            Encoder(saved[f"W_enc_{layer}"], saved[f"b_enc_{layer}"], saved[f"threshold_{layer}"])
        )
        biases.append(saved[f"b_dec_{layer}"])
        decoders.append(load_file(folder / f"W_dec_{layer}.safetensors")[f"W_dec_{layer}"])
    return CrossLayerTranscoder(encoders, decoders, torch.stack(biases))


def _solve(transcoders: list[Transcoder], moments: _Moments, ridge: float) -> CrossLayerTranscoder:
    n_layers, (features, d_model) = len(transcoders), transcoders[0].decoder.shape
    penalty = ridge * moments.gram.diagonal().mean()
    moments.gram.diagonal().add_(penalty)
    factor = torch.linalg.cholesky(moments.gram, upper=True)
    logger.info("factorised %d equations", len(factor))
    decoders = [torch.zeros(features, n_layers - source, d_model) for source in range(n_layers)]
    biases = torch.stack([transcoder.output_bias for transcoder in transcoders])
    for target in range(n_layers):
        known = (target + 1) * features
        right = torch.cat(
            [
                moments.cross[source].view(features, -1, d_model)[:, target - source]
                for source in range(target + 1)
            ]
        )
        change = torch.cholesky_solve(right, factor[:known, :known], upper=True)
        for source, block in enumerate(change.split(features)):
            decoders[source][:, target - source] = block
        decoders[target][:, 0] += transcoders[target].decoder
        biases[target] += moments.residual_mean[target] - moments.activation_mean[:known] @ change
    return CrossLayerTranscoder([item.encoder for item in transcoders], decoders, biases)


def _decode(
    clt: CrossLayerTranscoder, activations: Float[Tensor, "token layer feature"]
) -> Float[Tensor, "token layer d_model"]:
    outputs = clt.output_biases.repeat(len(activations), 1, 1)
    for source, decoder in enumerate(clt.decoders):
        written = _sparse(activations[:, source]) @ decoder.float().flatten(1)
        outputs[:, source:] += written.view(len(activations), *decoder.shape[1:])
    return outputs


def _accumulate_moments(transcoders: list[Transcoder], shards: list[Path]) -> _Moments:
    n_layers, (features, d_model) = len(transcoders), transcoders[0].decoder.shape
    gram = torch.zeros(n_layers * features, n_layers * features)
    cross = [torch.zeros(features, (n_layers - layer) * d_model) for layer in range(n_layers)]
    activation_sum = torch.zeros(n_layers * features)
    residual_sum = torch.zeros(n_layers, d_model)
    tokens = 0
    for chunk in _read_chunks(transcoders, shards):
        columns = chunk.activations.flatten(1)
        for layer in range(n_layers):
            start = layer * features
            source = _sparse(chunk.activations[:, layer].T)
            # Only the upper triangle: that is all the factorisation reads.
            gram[start : start + features, start:] += source @ columns[:, start:]
            cross[layer] += source @ chunk.residuals[:, layer:].flatten(1)
        activation_sum += columns.sum(0)
        residual_sum += chunk.residuals.sum(0)
        tokens += len(columns)
        logger.info("summed %d tokens", tokens)
    activation_mean, residual_mean = activation_sum / tokens, residual_sum / tokens
    gram.addr_(activation_mean, activation_mean, alpha=-tokens)
    for layer, means in enumerate(activation_mean.split(features)):
        cross[layer].addr_(means, residual_mean[layer:].flatten(), alpha=-tokens)
    return _Moments(gram, cross, activation_mean, residual_mean)


def _read_chunks(transcoders: list[Transcoder], shards: list[Path]) -> Iterator[_Chunk]:
    for path in shards:
        shard = load_file(path)
        for start in range(0, shard["inputs"].shape[1], CHUNK_TOKENS):
            span = slice(start, start + CHUNK_TOKENS)
            yield _reconstruct(transcoders, shard["inputs"][:, span], shard["outputs"][:, span])


def _reconstruct(
    transcoders: list[Transcoder],
    inputs: Float[Tensor, "layer token d_model"],
    outputs: Float[Tensor, "layer token d_model"],
) -> _Chunk:
    activations, residuals = [], []
    for layer, transcoder in enumerate(transcoders):
        active = transcoder.encoder.encode(inputs[layer])
        written = active @ transcoder.decoder + transcoder.output_bias
        activations.append(active)
        residuals.append(outputs[layer].float() - written)
    return _Chunk(
        torch.stack(activations, dim=1),
        outputs.float().transpose(0, 1),
        torch.stack(residuals, dim=1),
    )


def _sparse(matrix: Float[Tensor, "row column"]) -> Tensor:
    return matrix.contiguous().to_sparse_csr()
