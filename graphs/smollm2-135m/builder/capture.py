"""What goes into and comes out of every MLP of the model."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import torch
from jaxtyping import Float, Int
from safetensors import safe_open
from torch import Tensor, nn
from transformers import LlamaForCausalLM
from transformers.models.llama.modeling_llama import LlamaDecoderLayer

from .errors import BuildError
from .storage import write_tensors

logger = logging.getLogger(__name__)

# An output beyond this would become infinite in the shards.
HALF_LIMIT = 65_504.0


@dataclass(frozen=True)
class MlpActivity:
    """One batch, BOS dropped: circuit-tracer gives position 0 no features.

    Attributes:
        inputs: The normalised residual stream that the MLP reads (circuit-tracer: `mlp.hook_in`).
        outputs: What the MLP adds to the residual stream (`mlp.hook_out`).
    """

    inputs: Float[Tensor, "layer sequence position d_model"]
    outputs: Float[Tensor, "layer sequence position d_model"]


@dataclass(frozen=True)
class LayerData:
    """Inputs and outputs of one layer, tokens in corpus order."""

    inputs: Float[Tensor, "token d_model"]
    outputs: Float[Tensor, "token d_model"]


def read_mlps(model: LlamaForCausalLM, tokens: Int[Tensor, "sequence position"]) -> MlpActivity:
    """Run the model without its unembedding and record every MLP."""
    inputs: list[Tensor] = []
    outputs: list[Tensor] = []
    with ExitStack() as stack, torch.inference_mode():
        for layer in cast(Iterable[LlamaDecoderLayer], model.model.layers):
            stack.callback(_record(layer.post_attention_layernorm, inputs).remove)
            stack.callback(_record(layer.mlp, outputs).remove)
        model.model(tokens, use_cache=False)
    return MlpActivity(torch.stack(inputs), torch.stack(outputs))


def capture_shards(
    model: LlamaForCausalLM,
    tokens: Int[Tensor, "sequence position"],
    folder: Path,
    *,
    shard_sequences: int,
    batch_sequences: int,
) -> list[Path]:
    """Store the MLP activity of `tokens` in half precision, 4 * layers * d_model bytes a token.

    Returns:
        The shards in corpus order. Those that exist are not computed again.

    Raises:
        BuildError: An activation does not fit half precision.
    """
    paths = []
    for number, shard in enumerate(tokens.split(shard_sequences)):
        path = folder / f"{number:04d}.safetensors"
        paths.append(path)
        if path.exists():
            continue
        batches = [read_mlps(model, batch) for batch in shard.split(batch_sequences)]
        inputs = torch.cat([batch.inputs for batch in batches], dim=1).flatten(1, 2)
        outputs = torch.cat([batch.outputs for batch in batches], dim=1).flatten(1, 2)
        if max(inputs.abs().max().item(), outputs.abs().max().item()) > HALF_LIMIT:
            raise BuildError(f"shard {number} holds an activation beyond half precision")
        write_tensors(path, {"inputs": inputs.half(), "outputs": outputs.half()})
        logger.info("captured shard %d: %d tokens", number, inputs.shape[1])
    return paths


def read_layer(shards: list[Path], layer: int) -> LayerData:
    """Gather one layer from all shards, in half precision."""
    parts = list(_read_parts(shards, layer))
    return LayerData(
        torch.cat([part.inputs for part in parts]), torch.cat([part.outputs for part in parts])
    )


def _read_parts(shards: list[Path], layer: int) -> Iterator[LayerData]:
    for path in shards:
        with safe_open(path, framework="pt") as shard:
            yield LayerData(shard.get_slice("inputs")[layer], shard.get_slice("outputs")[layer])


def _record(module: nn.Module, records: list[Tensor]) -> torch.utils.hooks.RemovableHandle:
    def hook(_module: nn.Module, _inputs: object, output: Tensor) -> None:
        records.append(output[:, 1:])

    return module.register_forward_hook(hook)
