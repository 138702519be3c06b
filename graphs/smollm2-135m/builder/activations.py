"""Activations of all features on the whole corpus, kept sparsely."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float, Int
from safetensors import safe_open
from torch import Tensor
from transformers import LlamaForCausalLM

from .capture import read_mlps
from .storage import write_tensors
from .transcoder import Encoder

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ActivationRecords:
    """Where the features of one layer fire, sorted by feature and then by token.

    Attributes:
        offsets: Feature i owns records offsets[i] up to offsets[i + 1].
        tokens: Flat corpus position: row * sequence_length + column.
        values: Activations, all positive.
    """

    offsets: Int[Tensor, " feature+1"]
    tokens: Int[Tensor, " record"]
    values: Float[Tensor, " record"]

    def expand(self, feature: int, shape: torch.Size) -> Float[Tensor, "sequence position"]:
        """Lay one feature out over a corpus of the given shape, zero where it is off."""
        span = slice(int(self.offsets[feature]), int(self.offsets[feature + 1]))
        dense = torch.zeros(shape).flatten()
        dense[self.tokens[span].long()] = self.values[span]
        return dense.view(shape)


def encode_corpus(
    model: LlamaForCausalLM,
    encoders: Sequence[Encoder],
    tokens: Int[Tensor, "sequence position"],
    folder: Path,
    *,
    shard_sequences: int,
    batch_sequences: int,
) -> list[Path]:
    """Run the model over the corpus and keep every activation, about 10 bytes each.

    Memory stays that of one shard's records. Shards that exist are not computed again.
    """
    paths = []
    for number, shard in enumerate(tokens.split(shard_sequences)):
        path = folder / f"{number:04d}.safetensors"
        paths.append(path)
        if path.exists():
            continue
        first = number * shard_sequences
        batches = [
            _encode_batch(model, encoders, batch, first + start * batch_sequences)
            for start, batch in enumerate(shard.split(batch_sequences))
        ]
        merged = {name: torch.cat([batch[name] for batch in batches]) for name in batches[0]}
        write_tensors(path, merged)
        logger.info("encoded %d of %d sequences", first + len(shard), len(tokens))
    return paths


def read_records(shards: Sequence[Path], layer: int, features: int) -> ActivationRecords:
    """Gather one layer's records from all shards."""
    parts: dict[str, list[Tensor]] = {"token": [], "feature": [], "value": []}
    for path in shards:
        with safe_open(path, framework="pt") as shard:
            for name, tensors in parts.items():
                tensors.append(shard.get_tensor(f"{name}_{layer}"))
    owners = torch.cat(parts["feature"]).int()
    order = owners.argsort(stable=True)
    counts = torch.bincount(owners, minlength=features)
    return ActivationRecords(
        offsets=torch.cat([torch.zeros(1, dtype=torch.long), counts.cumsum(0)]),
        tokens=torch.cat(parts["token"])[order],
        values=torch.cat(parts["value"])[order],
    )


def _encode_batch(
    model: LlamaForCausalLM,
    encoders: Sequence[Encoder],
    tokens: Int[Tensor, "sequence position"],
    first_sequence: int,
) -> Mapping[str, Tensor]:
    records = {}
    length = tokens.shape[1]
    for layer, inputs in enumerate(read_mlps(model, tokens).inputs):
        activations = encoders[layer].encode(inputs)
        sequence, position, feature = activations.nonzero(as_tuple=True)
        # Position 0 is BOS, which the capture dropped.
        flat = (first_sequence + sequence) * length + position + 1
        records[f"token_{layer}"] = flat.int()
        records[f"feature_{layer}"] = feature.short()
        records[f"value_{layer}"] = activations[sequence, position, feature]
    return records
