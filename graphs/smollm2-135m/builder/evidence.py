"""The evidence of a feature, in circuit-tracer's schema and on-disk layout."""

from __future__ import annotations

import gzip
import json
import logging
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from circuit_tracer.frontend.feature_models import Example, ExamplesQuantile, Model
from jaxtyping import Float, Int
from torch import Tensor
from transformers import LlamaForCausalLM

from .activations import read_records
from .attribution import FeatureId
from .config import EvidenceConfig
from .decoders import CrossLayerTranscoder
from .examples import Place, choose_examples, start_window
from .storage import replacing, write_bytes, write_tensors
from .vocabulary import LogitEffects, Vocabulary, rank_logits

logger = logging.getLogger(__name__)

# circuit-tracer's schema has no key for it; its readers pass over keys that they do not know.
_ORIGIN = {"promoted_from": "summed"}
"""Which decoder rows `top_logits` and `bottom_logits` come from: see `sum_decoders`."""


@dataclass(frozen=True)
class EvidenceSource:
    """What evidence is made from.

    Attributes:
        scan: Name of the transcoder, as the graphs give it.
        model: For the unembedding.
        clt: For the decoders.
        tokens: The corpus.
        activation_shards: Activations of all features on it.
        vocabulary: Readable tokens.
    """

    scan: str
    model: LlamaForCausalLM
    clt: CrossLayerTranscoder
    tokens: Int[Tensor, "sequence position"]
    activation_shards: Sequence[Path]
    vocabulary: Vocabulary


def write_evidence(
    source: EvidenceSource, features: Sequence[FeatureId], config: EvidenceConfig, folder: Path
) -> None:
    """Write `index.json.gz` and one `.bin` a layer for the given features."""
    n_layers, n_features = len(source.clt.encoders), len(source.clt.encoders[0].bias)
    index = {}
    with replacing(folder) as partial:
        partial.mkdir(parents=True)
        for layer in range(n_layers):
            chosen = [feature for feature in features if feature.layer == layer]
            described = describe_layer(source, layer, chosen, config)
            name = f"layer_{layer}.bin"
            index[str(layer)] = {
                "filename": name,
                "offsets": _write_records(partial / name, described, n_features),
            }
            logger.info("described %d features of layer %d", len(chosen), layer)
        write_bytes(partial / "index.json.gz", _pack(index))


def describe_layer(
    source: EvidenceSource, layer: int, features: Sequence[FeatureId], config: EvidenceConfig
) -> dict[int, Model]:
    """Gather the evidence of some features of one layer, by feature index."""
    if not features:
        return {}
    rows = torch.tensor([feature.index for feature in features])
    records = read_records(source.activation_shards, layer, len(source.clt.encoders[layer].bias))
    directions = sum_decoders(source.clt, layer)[rows]
    effects = rank_logits(source.model, directions, source.vocabulary, config.logit_tokens)
    return {
        feature.index: _describe(
            source, feature, records.expand(feature.index, source.tokens.shape), effect, config
        )
        for feature, effect in zip(features, effects, strict=True)
    }


def sum_decoders(clt: CrossLayerTranscoder, layer: int) -> Float[Tensor, "feature d_model"]:
    """Sum what each feature of a layer writes over all its target layers."""
    return clt.decoders[layer].float().sum(1)


def write_weights(clt: CrossLayerTranscoder, features: Sequence[FeatureId], path: Path) -> None:
    """Keep the rows with which the activations of these features can be computed again."""
    encoders = [clt.encoders[feature.layer] for feature in features]
    pairs = list(zip(encoders, [feature.index for feature in features], strict=True))
    sums = {layer: sum_decoders(clt, layer) for layer in {item.layer for item in features}}
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


def _describe(
    source: EvidenceSource,
    feature: FeatureId,
    activations: Float[Tensor, "sequence position"],
    effect: LogitEffects,
    config: EvidenceConfig,
) -> Model:
    generator = torch.Generator().manual_seed(feature.layer << 32 | feature.index)
    positive = activations[activations > 0]
    highest = positive.max().item()
    shares = torch.linspace(0, 1, config.percentiles + 1)
    histogram = positive.histc(config.histogram_bins, min=0, max=highest)
    groups = choose_examples(activations, source.tokens, config, generator)
    return Model(
        transcoder_id=source.scan,
        index=feature.index,
        examples_quantiles=[
            ExamplesQuantile(
                quantile_name=group.name,
                examples=[_cut(source, activations, place, config) for place in group.places],
            )
            for group in groups
        ],
        top_logits=effect.promoted,
        bottom_logits=effect.suppressed,
        act_min=_round(positive.min().item()),
        act_max=_round(highest),
        quantile_values=[_round(value) for value in positive.quantile(shares).tolist()],
        histogram=histogram.tolist(),
        activation_frequency=_round(len(positive) / source.tokens[:, 1:].numel()),
    )


def _cut(
    source: EvidenceSource,
    activations: Float[Tensor, "sequence position"],
    place: Place,
    config: EvidenceConfig,
) -> Example:
    start = start_window(place, activations.shape[1], config)
    span = slice(start, start + 2 * config.context + 1)
    return Example(
        tokens_acts_list=[_round(value) for value in activations[place.sequence, span].tolist()],
        train_token_ind=place.position - start,
        is_repeated_datapoint=False,
        tokens=source.vocabulary.read(source.tokens[place.sequence, span].tolist()),
    )


def _write_records(path: Path, described: Mapping[int, Model], n_features: int) -> list[int]:
    offsets, content = [0], bytearray()
    for index in range(n_features):
        if index in described:
            record = _pack({**described[index].model_dump(), **_ORIGIN})
            content += struct.pack("<I", len(record)) + record
        offsets.append(len(content))
    write_bytes(path, bytes(content))
    return offsets


def _pack(value: object) -> bytes:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    # No time stamp: the same evidence must give the same bytes.
    return gzip.compress(text.encode(), compresslevel=9, mtime=0)


def _round(value: float) -> float:
    return float(f"{value:.4g}")
