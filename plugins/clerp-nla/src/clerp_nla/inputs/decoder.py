"""Input `decoder`: what a feature itself writes into the residual stream, up to block K.

Its encoder row is never an input: it is what the feature is read with, and no residual. Feature and
residual are alike only where the row meets what the model computes.
"""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor

from clerp.errors import NotAvailableError, PluginError, UsageError
from clerp.feature import FeatureId

if TYPE_CHECKING:
    from clerp_circuit_tracer.collect.transcoders import Transcoders

# What is put in there is added to the residual stream as it is.
_ADDED = "hook_mlp_out"
# The MLP's own output: added as it is where no norm follows.
_BEFORE_NORM = "mlp.hook_out"


@dataclass(frozen=True, slots=True)
class Reach:
    """How far down the model a vector is to be summed, and what stands in the way."""

    layer: int
    """K: the last block whose writes count."""
    n_layers: int
    d_model: int
    mlp_is_normed: bool
    """Whether a norm stands between an MLP and the residual stream."""


class DecoderRows:
    """The decoder rows of a transcoder set, read from disk as they are asked for.

    Args:
        place: `OWNER/REPO[//SUB][@REVISION]` or a folder, as circuit-tracer lays them out.
        reach: Of the model and the pair.

    Raises:
        NotAvailableError: The rows do not add to the residual stream as they are, or belong to a
            model of another shape.
        PluginError: clerp-circuit-tracer is not installed.
        UsageError, InputError, RemoteError: The set cannot be loaded.
    """

    def __init__(self, place: str, reach: Reach) -> None:
        with needing_transcoders():
            from clerp_circuit_tracer.collect.transcoders import load_transcoders, read_directions

        self._transcoders: Transcoders = load_transcoders(
            place, hooks=None, device=torch.device("cpu"), dtype=torch.float32
        )
        self._reach = reach
        self._check_shape()
        self._check_hook()
        if not self._is_cross_layer and read_directions(place) == "summed":
            raise NotAvailableError(
                "this folder has decoder rows that were summed over all layers, and "
                f"those up to block {reach.layer} cannot be told apart",
                where=place,
                remedy="Name the cross-layer transcoder itself",
            )

    def sum_up_to(self, feature: FeatureId) -> Float32[np.ndarray, " d_model"]:
        """Sum what a feature writes from its own layer to block K.

        That is its direct effect on the residual at K; what attention and MLPs in between make of
        it is not in it. Its length means nothing.

        Raises:
            NotAvailableError: The feature is above K, where it has written nothing yet, or its rows
                up to K are zero.
            UsageError: The set has no such feature.
        """
        if feature.layer > self._reach.layer:
            raise NotAvailableError(
                f"the feature writes from layer {feature.layer} on, and the pair "
                f"reads block {self._reach.layer}, to which it has written nothing",
                where=str(feature),
                remedy="Use the input `example`, which shows what comes before the feature",
            )
        rows = self._read(feature)
        total = rows[: self._reach.layer - feature.layer + 1].sum(0)
        if not (bool(torch.isfinite(total).all()) and float(total.norm()) > 0):
            raise NotAvailableError(
                f"what the feature writes up to block {self._reach.layer} is zero or not finite",
                where=str(feature),
            )
        return total.numpy()

    @property
    def _is_cross_layer(self) -> bool:
        from circuit_tracer.transcoder.cross_layer_transcoder import CrossLayerTranscoder

        return isinstance(self._transcoders, CrossLayerTranscoder)

    def _read(self, feature: FeatureId) -> Float[Tensor, "layer d_model"]:
        """Read one row for each layer that the feature writes to, its own first."""
        from clerp_circuit_tracer.collect.transcoders import count_features, name_scan

        if not 0 <= feature.index < count_features(self._transcoders):
            raise UsageError(
                f"{feature} is outside {name_scan(self._transcoders)}",
                remedy="Name the transcoders that the graph was made with",
            )
        wanted = torch.tensor([feature.index])
        rows = cast(Tensor, self._transcoders._get_decoder_vectors(feature.layer, wanted))
        return rows.detach().float().reshape(-1, self._reach.d_model)

    def _check_shape(self) -> None:
        from clerp_circuit_tracer.collect.weights import check_fit

        try:
            check_fit(self._transcoders, self._reach.n_layers, self._reach.d_model)
        except UsageError as misfit:
            raise NotAvailableError(f"{misfit.what}", remedy=misfit.remedy) from misfit

    def _check_hook(self) -> None:
        hook = self._transcoders.feature_output_hook
        if hook == _ADDED or (hook == _BEFORE_NORM and not self._reach.mlp_is_normed):
            return
        between = (
            "a norm changes it before it is added to the residual stream"
            if hook == _BEFORE_NORM
            else "it is not known how that adds to the residual stream"
        )
        raise NotAvailableError(
            f"the features write to {hook!r}, and {between}",
            remedy="Use the input `example` or `contrast`",
        )


@contextmanager
def needing_transcoders() -> Generator[None]:
    """Say what to install where clerp-circuit-tracer is missing."""
    try:
        yield
    except ModuleNotFoundError as missing:
        raise PluginError(
            f"transcoders need the module {missing.name!r}, which is not installed",
            remedy="Run: pip install 'clerp-nla[transcoders]'",
        ) from missing
