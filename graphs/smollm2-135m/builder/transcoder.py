"""A sparse dictionary for the MLP of one layer.

Training uses BatchTopK (Bussmann, Leask & Nanda 2024): a batch of n tokens keeps its n * k largest
pre-activations, so a token may use more or fewer than k features. Afterwards one threshold a layer
stands in for the batch, which makes the dictionary a JumpReLU transcoder (Rajamanoharan et al.
2024), the form that circuit-tracer reads.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import torch
from jaxtyping import Bool, Float
from safetensors.torch import load_file
from torch import Tensor, nn
from transformers import LlamaForCausalLM
from transformers.models.llama.modeling_llama import LlamaDecoderLayer

from .capture import LayerData, read_layer
from .config import TrainingConfig
from .storage import write_tensors

logger = logging.getLogger(__name__)

# Tokens on which the model's own neurons and the units of a layer are measured.
PROBE_TOKENS = 8192
# The batch's k-th largest value is read from every eighth token: an eighth of the sorting.
CUTOFF_STRIDE = 8


@dataclass(frozen=True)
class Encoder:
    """Features of one layer as functions of the MLP's input.

    Attributes:
        weight: One direction a feature.
        bias: Added to the projection.
        threshold: A pre-activation at or below it counts as zero.
    """

    weight: Float[Tensor, "feature d_model"]
    bias: Float[Tensor, " feature"]
    threshold: Float[Tensor, " feature"]

    def encode(self, inputs: Float[Tensor, "*token d_model"]) -> Float[Tensor, "*token feature"]:
        """Return the activations, zero where a feature is off."""
        projected = inputs.float() @ self.weight.float().T + self.bias
        return projected * (projected > self.threshold)


@dataclass(frozen=True)
class Transcoder:
    """An encoder and the decoder that writes to the same layer's MLP output."""

    encoder: Encoder
    decoder: Float[Tensor, "feature d_model"]
    output_bias: Float[Tensor, " d_model"]


@dataclass(frozen=True)
class Units:
    """The scales in which a layer is trained, so that one learning rate fits all layers."""

    input_scale: float
    output_scale: float
    output_mean: Float[Tensor, " d_model"]


def train_layers(
    model: LlamaForCausalLM,
    shards: list[Path],
    folder: Path,
    config: TrainingConfig,
    seed: int,
) -> list[Transcoder]:
    """Train one dictionary a layer and keep each in `folder`; those that exist are read back.

    Encoder rows are rounded to half precision here, before anything is measured with them, so
    that the rows shipped with the sample are exactly the rows that made its numbers.
    """
    transcoders = []
    for layer, block in enumerate(cast(Iterable[LlamaDecoderLayer], model.model.layers)):
        path = folder / f"{layer:02d}.safetensors"
        if not path.exists():
            data = read_layer(shards, layer)
            _save(train_transcoder(block.mlp, data, config, seed + layer), path)
            logger.info("trained layer %d", layer)
        transcoders.append(_load(path))
    return transcoders


def train_transcoder(
    mlp: nn.Module, data: LayerData, config: TrainingConfig, seed: int
) -> Transcoder:
    """Fit a dictionary to the MLP of one layer.

    Args:
        mlp: The model's own MLP; its strongest neurons are the starting point.
        data: What the MLP read and wrote, half precision.
        config: Size and schedule.
        seed: Orders the batches.
    """
    generator = torch.Generator().manual_seed(seed)
    units = _measure_units(data)
    dictionary = _Dictionary(mlp, data, units, config.features)
    optimizer = torch.optim.Adam(dictionary.parameters(), lr=config.learning_rate)
    fired = torch.zeros(config.features, dtype=torch.bool)
    for step in range(config.steps):
        rows = torch.randint(len(data.inputs), (config.batch_tokens,), generator=generator)
        inputs = data.inputs[rows].float() / units.input_scale
        targets = (data.outputs[rows].float() - units.output_mean) / units.output_scale
        projected = dictionary.project(inputs)
        cutoff = _find_cutoff(projected, _scheduled_k(config, step))
        activations = projected * (projected > cutoff)
        residual = targets - activations @ dictionary.decoder - dictionary.output_bias
        _set_rate(optimizer, config, step)
        optimizer.zero_grad()
        residual.square().sum(1).mean().backward()
        optimizer.step()
        dictionary.normalize()
        fired |= (activations > 0).any(0)
        if (step + 1) % config.revive_every == 0 and step < config.steps * 0.7:
            dictionary.revive(~fired, inputs, residual.detach())
            fired.zero_()
    probe = data.inputs[:: max(1, len(data.inputs) // PROBE_TOKENS)].float() / units.input_scale
    threshold = _find_cutoff(dictionary.project(probe), config.active)
    return dictionary.export(units, threshold)


def _save(transcoder: Transcoder, path: Path) -> None:
    encoder = transcoder.encoder
    write_tensors(
        path,
        {
            "encoder": encoder.weight.half(),
            "bias": encoder.bias,
            "threshold": encoder.threshold,
            "decoder": transcoder.decoder,
            "output_bias": transcoder.output_bias,
        },
    )


def _load(path: Path) -> Transcoder:
    saved = load_file(path)
    encoder = Encoder(saved["encoder"], saved["bias"], saved["threshold"])
    return Transcoder(encoder, saved["decoder"], saved["output_bias"])


class _Dictionary(nn.Module):
    """The trainable form: unit decoder rows, so that an activation is the size of its effect."""

    def __init__(self, mlp: nn.Module, data: LayerData, units: Units, features: int) -> None:
        super().__init__()
        gate, up, down = (
            getattr(mlp, name).weight.detach() for name in ("gate_proj", "up_proj", "down_proj")
        )
        probe = data.inputs[:PROBE_TOKENS].float()
        neurons = nn.functional.silu(probe @ gate.T) * (probe @ up.T)
        energy = neurons.square().mean(0) * down.square().sum(0)
        chosen = energy.argsort(descending=True)[:features]
        # A neuron writes with the sign of its up projection: start on the side used more.
        sign = neurons[:, chosen].sum(0).sign()
        self.decoder = nn.Parameter(_unit_rows(down.T[chosen] * sign[:, None]))
        self.encoder = nn.Parameter(_unit_rows(gate[chosen]))
        self.bias = nn.Parameter(torch.zeros(len(chosen)))
        self.output_bias = nn.Parameter(torch.zeros(len(units.output_mean)))

    def project(self, inputs: Float[Tensor, "token d_model"]) -> Float[Tensor, "token feature"]:
        return (inputs @ self.encoder.T + self.bias).relu()

    @torch.no_grad()
    def normalize(self) -> None:
        self.decoder.copy_(_unit_rows(self.decoder))

    @torch.no_grad()
    def revive(
        self,
        dead: Bool[Tensor, " feature"],
        inputs: Float[Tensor, "token d_model"],
        residual: Float[Tensor, "token d_model"],
    ) -> None:
        """Point features that never fired at the tokens that are explained worst."""
        worst = residual.square().sum(1).argsort(descending=True)[: int(dead.sum())]
        slots = dead.nonzero().flatten()[: len(worst)]
        self.encoder[slots] = _unit_rows(inputs[worst])
        self.decoder[slots] = _unit_rows(residual[worst])
        self.bias[slots] = 0.0

    @torch.no_grad()
    def export(self, units: Units, threshold: float) -> Transcoder:
        """Undo the scaling; activations come out in units of the MLP's output."""
        scale = units.output_scale
        encoder = Encoder(
            weight=self.encoder * (scale / units.input_scale),
            bias=self.bias * scale,
            threshold=torch.full_like(self.bias, threshold * scale),
        )
        return Transcoder(
            encoder, self.decoder.clone(), self.output_bias * scale + units.output_mean
        )


def _measure_units(data: LayerData) -> Units:
    inputs, outputs = data.inputs[:PROBE_TOKENS].float(), data.outputs[:PROBE_TOKENS].float()
    mean = outputs.mean(0)
    return Units(
        input_scale=inputs.square().mean().sqrt().item(),
        output_scale=(outputs - mean).square().mean().sqrt().item(),
        output_mean=mean,
    )


@torch.no_grad()
def _find_cutoff(projected: Float[Tensor, "token feature"], k: float) -> float:
    sample = projected[::CUTOFF_STRIDE].flatten()
    kept = max(1, round(k * len(projected[::CUTOFF_STRIDE])))
    return sample.kthvalue(max(1, sample.numel() - kept)).values.item()


def _scheduled_k(config: TrainingConfig, step: int) -> float:
    done = min(1.0, step / max(1.0, config.anneal * config.steps))
    return config.active_start + (config.active - config.active_start) * done


def _set_rate(optimizer: torch.optim.Optimizer, config: TrainingConfig, step: int) -> None:
    left = (config.steps - step) / (0.2 * config.steps)
    for group in optimizer.param_groups:
        group["lr"] = config.learning_rate * min(1.0, left)


def _unit_rows(rows: Float[Tensor, "row d_model"]) -> Float[Tensor, "row d_model"]:
    return rows / rows.norm(dim=1, keepdim=True).clamp(min=1e-8)
