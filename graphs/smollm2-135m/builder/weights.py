"""The rows of the transcoder with which the graphs' features can be computed again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from clerp.feature import FeatureId

from .decoders import CrossLayerTranscoder
from .storage import write_tensors


def write_weights(clt: CrossLayerTranscoder, features: Sequence[FeatureId], path: Path) -> None:
    """Keep the rows with which the activations of these features can be computed again."""
    encoders = [clt.encoders[feature.layer] for feature in features]
    pairs = list(zip(encoders, [feature.index for feature in features], strict=True))
    sums = {layer: _sum_decoders(clt, layer) for layer in {item.layer for item in features}}
    write_tensors(
        path,
        {
            "layer": torch.tensor([item.layer for item in features], dtype=torch.int32),
            "index": torch.tensor([item.index for item in features], dtype=torch.int32),
            "encoder": torch.stack([encoder.weight[index].half() for encoder, index in pairs]),
            "encoder_bias": torch.stack([encoder.bias[index] for encoder, index in pairs]),
            "threshold": torch.stack([encoder.threshold[index] for encoder, index in pairs]),
            "decoder_sum": torch.stack(
                [sums[feature.layer][feature.index].half() for feature in features]
            ),
        },
    )


def _sum_decoders(clt: CrossLayerTranscoder, layer: int) -> Float[Tensor, "feature d_model"]:
    """Sum what each feature of a layer writes over all its target layers."""
    return clt.decoders[layer].float().sum(1)
