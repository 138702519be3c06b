"""The wanted features of one layer: what they read, and when they fire."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from clerp.errors import InputError
from clerp_circuit_tracer.collect.transcoders import Transcoders, count_features, name_scan
from clerp_circuit_tracer.collect.weights import EncoderRows, read_encoder_rows

# Pre-activations that are held at once where all features of a layer are needed: 256 MB.
_MAX_VALUES = 2**26
# Largest difference to the transcoder's own encoder, relative to its largest pre-activation.
_TOLERANCE = {torch.float32: 1e-4, torch.float16: 1e-2, torch.bfloat16: 5e-2}


@dataclass(frozen=True, slots=True, eq=False)
class Encoded:
    """What features do at each token, in float32."""

    activations: Float[Tensor, "*place feature"]
    """Zero where a feature is off."""
    margins: Float[Tensor, "*place feature"]
    """Pre-activation minus threshold: positive where a feature fires."""

    def mask(self, valid: Bool[Tensor, "*place"]) -> "Encoded":
        """Return the same with features off, and as far from firing as can be, elsewhere."""
        elsewhere = ~valid.unsqueeze(-1)
        return Encoded(
            self.activations.masked_fill(elsewhere, 0.0),
            self.margins.masked_fill(elsewhere, -torch.inf),
        )


class Encoder(Protocol):
    """The wanted features of one layer, computed in the transcoder's own precision."""

    def encode(self, inputs: Float[Tensor, "*place d_model"]) -> Encoded:
        """Return what the features do on inputs of the layer's MLP."""
        ...


def make_encoder(
    transcoders: Transcoders, layer: int, indices: Sequence[int], rows: EncoderRows
) -> Encoder:
    """Make the cheapest encoder that computes what the transcoder does.

    Args:
        transcoders: A set that is on its device and in its precision.
        layer: Whose features are wanted.
        indices: The wanted features, ascending.
        rows: Their rows.
    """
    if rows.threshold is not None:
        return ThresholdEncoder(rows, rows.threshold)
    everything = read_encoder_rows(transcoders, layer, range(count_features(transcoders)))
    activate = partial(transcoders.apply_activation_function, layer)
    return CompetitiveEncoder(everything, activate, indices)


class ThresholdEncoder:
    """Features that fire above a threshold each (ReLU, JumpReLU): their own rows are enough.

    JumpReLU: Rajamanoharan et al. 2024, Jumping Ahead (arXiv 2407.14435).
    """

    def __init__(self, rows: EncoderRows, threshold: Float[Tensor, " feature"]) -> None:
        self._rows = rows
        self._threshold = threshold.float()

    def encode(self, inputs: Float[Tensor, "*place d_model"]) -> Encoded:
        """Return what the features do on inputs of the layer's MLP."""
        values = self._rows.project(inputs).float()
        margins = values - self._threshold
        return Encoded(torch.where(margins > 0, values, 0.0), margins)


class CompetitiveEncoder:
    """Features of which only the strongest fire (TopK): all of the layer are computed.

    The threshold at a token is the largest pre-activation that did not get through.
    TopK: Gao et al. 2024, Scaling and evaluating sparse autoencoders (arXiv 2406.04093).
    """

    def __init__(
        self, rows: EncoderRows, activate: Callable[[Tensor], Tensor], indices: Sequence[int]
    ) -> None:
        """Take all rows of a layer.

        Args:
            rows: Of every feature.
            activate: The activation function over all features of a token.
            indices: The wanted features.
        """
        self._rows = rows
        self._activate = activate
        self._indices = list(indices)

    def encode(self, inputs: Float[Tensor, "*place d_model"]) -> Encoded:
        """Return what the features do on inputs of the layer's MLP."""
        n_places = max(1, _MAX_VALUES // len(self._rows.bias))
        parts = [self._encode_some(part) for part in inputs.flatten(0, -2).split(n_places)]
        shape = (*inputs.shape[:-1], len(self._indices))
        return Encoded(
            torch.cat([part.activations for part in parts]).view(shape),
            torch.cat([part.margins for part in parts]).view(shape),
        )

    def _encode_some(self, inputs: Float[Tensor, "token d_model"]) -> Encoded:
        before = self._rows.project(inputs)
        after = self._activate(before)
        lost = before.masked_fill(after != 0, -torch.inf)
        threshold = lost.amax(-1, keepdim=True).clamp(min=0).float()
        margins = before[..., self._indices].float() - threshold
        activations = after[..., self._indices].float().clamp(min=0)
        return Encoded(activations, margins)


def check_encoder(
    encoder: Encoder,
    transcoders: Transcoders,
    layer: int,
    indices: Sequence[int],
    inputs: Float[Tensor, "token d_model"],
) -> None:
    """Hold an encoder against the transcoder's own on a few tokens.

    A feature within the tolerance of its threshold may fire in one and not in the other.

    Raises:
        InputError: They differ, or a feature fires without a positive margin.
    """
    ours = encoder.encode(inputs)
    before = transcoders.encode_layer(inputs, layer, apply_activation_function=False)
    after = transcoders.apply_activation_function(layer, before)[..., list(indices)]
    after = after.float().clamp(min=0)
    tolerance = _TOLERANCE[before.dtype] * before.abs().max().float().clamp(min=1e-6)
    clear = ours.margins.abs() > tolerance
    wrong = (ours.activations - after).abs() > tolerance
    contradicts = (ours.margins > 0) != (after > 0)
    if bool((clear & (wrong | contradicts)).any()):
        raise InputError(
            f"the features of layer {layer} are not computed as the transcoder itself does",
            where=name_scan(transcoders),
            remedy="Its activation function is none that clerp knows; please report it",
        )
