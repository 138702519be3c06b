"""Which features of a transcoder set are the same ones, wherever the set lies."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor

from clerp.feature import FeatureId
from clerp.verbalizers import FoundFeatures
from clerp_nla.inputs.decoder import needing_transcoders

if TYPE_CHECKING:
    from clerp_circuit_tracer.collect.transcoders import Transcoders

_CPU = torch.device("cpu")


def name_features(place: str, features: Iterable[FeatureId]) -> FoundFeatures:
    """Name features by their own rows, and, where features compete, by all of their layer.

    That is all that decides when they fire and what they write.

    Of each layer the encoder is read whole; no other layer is.

    Args:
        place: `OWNER/REPO[//SUB][@REVISION]` or a folder, as circuit-tracer lays them out.
        features: Of any layer.

    Raises:
        PluginError: clerp-circuit-tracer is not installed.
        UsageError, InputError, RemoteError: The set cannot be loaded.
    """
    with needing_transcoders():
        from clerp_circuit_tracer.collect.transcoders import (
            load_transcoders,
            read_directions,
            read_set_name,
        )

    loaded = load_transcoders(place, hooks=None, device=_CPU, dtype=torch.float32)
    hooks = loaded.feature_input_hook, loaded.feature_output_hook
    of_set = json.dumps([type(loaded).__name__, *hooks, read_directions(place)])
    wanted = sorted(set(features))
    lacking = {feature: why for feature in wanted if (why := _tell_lack(loaded, feature))}
    there = [feature for feature in wanted if feature not in lacking]
    names: dict[FeatureId, str] = {}
    for layer in sorted({feature.layer for feature in there}):
        names |= _name_layer(loaded, [one for one in there if one.layer == layer], of_set)
    return FoundFeatures(read_set_name(place, loaded), names, lacking)


def _tell_lack(loaded: "Transcoders", feature: FeatureId) -> str:
    from clerp_circuit_tracer.collect.transcoders import count_features

    if feature.kind:
        return f"{feature} is an attention feature, which no transcoder has"
    if feature.layer < loaded.n_layers and feature.index < count_features(loaded):
        return ""
    return (
        f"{feature} is outside of {loaded.n_layers} layers of {count_features(loaded)} features. "
        "Name the transcoders that the graph was made with"
    )


def _name_layer(
    loaded: "Transcoders", features: Sequence[FeatureId], of_set: str
) -> dict[FeatureId, str]:
    """Name features of one layer."""
    from clerp_circuit_tracer.collect.weights import read_encoder_rows

    layer, indices = features[0].layer, [feature.index for feature in features]
    rows = read_encoder_rows(loaded, layer, indices)
    written = loaded._get_decoder_vectors(layer, torch.tensor(indices))
    parts = [rows.weight, rows.bias, written]
    if rows.threshold is not None:
        of_layer, parts = b"", [*parts, rows.threshold]
    else:
        of_layer = _digest_competition(loaded, layer)
    return {
        feature: _digest(of_set.encode(), of_layer, *(_write(part[number]) for part in parts))
        for number, feature in enumerate(features)
    }


def _digest_competition(loaded: "Transcoders", layer: int) -> bytes:
    """Return a digest of all features of a layer, of which the strongest alone fire."""
    from circuit_tracer.transcoder.cross_layer_transcoder import CrossLayerTranscoder

    from clerp_circuit_tracer.collect.transcoders import count_features
    from clerp_circuit_tracer.collect.weights import read_encoder_rows

    everything = read_encoder_rows(loaded, layer, range(count_features(loaded)))
    owner = loaded if isinstance(loaded, CrossLayerTranscoder) else loaded[layer]
    function = cast(Any, owner.activation_function)
    chosen = f"{type(function).__name__} {getattr(function, 'k', None)}"
    return _digest(chosen.encode(), _write(everything.weight), _write(everything.bias)).encode()


def _write(part: Tensor) -> bytes:
    return part.detach().float().cpu().contiguous().numpy().tobytes()


def _digest(*parts: bytes) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(f"{len(part)}:".encode() + part)
    return digest.hexdigest()
