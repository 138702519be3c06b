"""Any model that circuit-tracer runs on nnsight."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch
from circuit_tracer.replacement_model.replacement_model_nnsight import NNSightReplacementModel
from jaxtyping import Int
from torch import Tensor

from clerp.errors import InputError
from clerp_circuit_tracer.collect.backend import (
    Placement,
    Unembedding,
    Visit,
    check_context,
    find_prefix,
)
from clerp_circuit_tracer.collect.transcoders import Transcoders
from clerp_circuit_tracer.collect.weights import digest_model

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedTokenizerFast


class NNSightBackend:
    """A model whose modules nnsight opens; see `Backend`."""

    def __init__(self, model: NNSightReplacementModel) -> None:
        self._model = model
        self.tokenizer = cast("PreTrainedTokenizerFast", model.tokenizer)
        self.prefix = find_prefix(self.tokenizer, model.zero_positions, model.cfg.model_name)
        self.n_layers = model.cfg.n_layers
        self.d_model = model.cfg.d_model
        body = model._resolve_attr(model, model._pre_logit_location)
        self.unembedding = Unembedding(
            cast(Any, body).norm, cast(Tensor, model.unembed_weight).detach()
        )

    def digest(self) -> str:
        """Return a digest of the weights as they were loaded; see `Backend`."""
        return digest_model(cast(torch.nn.Module, self._model._module))

    def visit_inputs(
        self, tokens: Int[Tensor, "row position"], layers: Sequence[int], visit: Visit
    ) -> None:
        """Run the model as far as the last of the layers; see `Backend`."""
        model = self._model
        # A bare dict: given a tensor, nnsight would send it through the tokenizer's padding.
        prompts = {"input_ids": tokens.to(model.device)}
        with torch.no_grad(), model.trace(prompts) as tracer:
            for layer in layers:
                visit(layer, model.get_feature_input_loc(layer).output)
            tracer.stop()


def open_nnsight(
    model: str | Path, transcoders: Transcoders, placement: Placement, context: int
) -> NNSightBackend:
    """Load a model from the hub or from a folder of `save_pretrained`.

    Args:
        model: Name or folder.
        transcoders: A set that is moved to the model's device and precision.
        placement: Device and precision.
        context: Most tokens of a row.

    Raises:
        UsageError: Rows would be longer than the model can read.
        InputError: There is no such model, or circuit-tracer cannot open it on nnsight.
    """
    try:
        loaded = NNSightReplacementModel.from_pretrained_and_transcoders(
            str(model), transcoders, device=placement.device, dtype=placement.dtype
        )
    except KeyError as fault:
        raise InputError(
            f"circuit-tracer's map of models for nnsight lacks this one or its {fault}",
            where=str(model),
            remedy="Run with --backend transformerlens",
        ) from fault
    except (OSError, ValueError) as fault:
        raise InputError(
            f"the model cannot be loaded: {fault}",
            where=str(model),
            remedy="Check the name, HF_TOKEN, or run with --backend transformerlens",
        ) from fault
    check_context(cast("PretrainedConfig", loaded._hf_config), context)
    return NNSightBackend(loaded)
