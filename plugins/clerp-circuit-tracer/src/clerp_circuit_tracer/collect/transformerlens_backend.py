"""Models that TransformerLens knows, and folders of Llama and Qwen models.

TransformerLens rewrites a model's weights and rules of its own. What it makes is compared with the
model as transformers runs it before it is used: it takes an unknown rotary base for 10,000, and
circuit-tracer gives all layers of a model one set of rotary angles.
"""

import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch
from circuit_tracer.replacement_model.replacement_model_transformerlens import (
    TransformerLensReplacementModel,
)
from jaxtyping import Int
from torch import Tensor
from transformer_lens import HookedTransformerConfig
from transformer_lens import loading_from_pretrained as loading
from transformers import AutoModelForCausalLM, AutoTokenizer

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
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

_INSTEAD = "Run with --backend nnsight"
# Mean difference of logits to the same model in transformers, relative to their spread.
_TOLERANCE = {torch.float32: 1e-3, torch.float16: 2e-2, torch.bfloat16: 1e-1}
# Attributes, keys and shapes that TransformerLens does not find in a model.
_UNKNOWN = (NotImplementedError, AttributeError, KeyError, ValueError, RuntimeError, TypeError)


class TransformerLensBackend:
    """A model with TransformerLens's hooks; see `Backend`."""

    def __init__(
        self, model: TransformerLensReplacementModel, tokenizer: "PreTrainedTokenizerFast"
    ) -> None:
        self._model = model
        self.tokenizer = tokenizer
        self.prefix = find_prefix(tokenizer, model.zero_positions, model.cfg.model_name)
        self.n_layers = model.cfg.n_layers
        self.d_model = model.cfg.d_model
        rows = cast(Tensor, model.unembed_proj).detach().T
        self.unembedding = Unembedding(model.ln_final, rows)

    def digest(self) -> str:
        """Return a digest of the weights as they were loaded; see `Backend`."""
        return digest_model(self._model)

    def visit_inputs(
        self, tokens: Int[Tensor, "row position"], layers: Sequence[int], visit: Visit
    ) -> None:
        """Run the model as far as the last of the layers; see `Backend`."""

        def show(inputs: Tensor, hook: object, *, layer: int) -> None:
            visit(layer, inputs)

        model = self._model
        place = model.feature_input_hook
        hooks = [(f"blocks.{layer}.{place}", partial(show, layer=layer)) for layer in layers]
        with torch.no_grad():
            model.run_with_hooks(
                tokens.to(model.cfg.device),
                return_type=None,
                fwd_hooks=cast(Any, hooks),
                stop_at_layer=layers[-1] + 1,
            )


def open_transformerlens(
    model: str | Path, transcoders: Transcoders, placement: Placement, context: int
) -> TransformerLensBackend:
    """Load a model by its name on the hub or from a folder of `save_pretrained`.

    Args:
        model: Name or folder.
        transcoders: A set that is moved to the model's device and precision.
        placement: Device and precision.
        context: Most tokens of a row; attention masks are made for no more.

    Raises:
        UsageError: Rows would be longer than the model can read.
        InputError: There is no such model, or TransformerLens does not compute what it does.
    """
    name = str(model)
    original, tokenizer = _load_original(name, placement.dtype)
    check_context(original.config, context)
    try:
        config = _make_config(name, original, placement, context)
        hooked = TransformerLensReplacementModel(config, move_to_device=False)
        weights = loading.get_pretrained_state_dict(name, config, original, dtype=placement.dtype)
        hooked.load_and_process_state_dict(
            weights,
            fold_ln=False,
            center_writing_weights=False,
            center_unembed=False,
            fold_value_biases=False,
        )
        hooked.move_model_modules_to_device()
        hooked._configure_replacement_model(transcoders)
    except _UNKNOWN as fault:
        raise InputError(
            f"TransformerLens cannot load the model: {fault}", where=name, remedy=_INSTEAD
        ) from fault
    _compare(hooked, original, name)
    return TransformerLensBackend(hooked, tokenizer)


def _load_original(
    name: str, dtype: torch.dtype
) -> "tuple[PreTrainedModel, PreTrainedTokenizerFast]":
    try:
        model = AutoModelForCausalLM.from_pretrained(name, dtype=dtype)
        tokenizer = AutoTokenizer.from_pretrained(name)
    except (OSError, ValueError) as fault:
        raise InputError(
            f"the model cannot be loaded: {fault}",
            where=name,
            remedy="Check the name, and set HF_TOKEN",
        ) from fault
    return model.eval(), tokenizer


def _make_config(
    name: str, original: "PreTrainedModel", placement: Placement, context: int
) -> HookedTransformerConfig:
    given = original.config
    base = getattr(given, "rope_theta", None)
    convert = partial(
        loading.get_pretrained_model_config,
        hf_cfg=given.to_dict(),
        device=str(placement.device),
        dtype=placement.dtype,
        # Learned positions are as many as they are; angles are computed for any number.
        n_ctx=None if base is None else context,
    )
    if not Path(name).is_dir():
        return _without_tokenizer(convert(name))
    if getattr(given, "rope_scaling", None):
        raise InputError(
            "TransformerLens cannot scale the rotary angles of a folder",
            where=name,
            remedy=_INSTEAD,
        )
    with tempfile.TemporaryDirectory() as neutral:
        # TransformerLens judges a model by what its path contains: `llama`, `gemma-2-`.
        alias = Path(neutral) / "model"
        alias.symlink_to(Path(name).resolve())
        config = _without_tokenizer(convert(str(alias)))
    config.model_name = Path(name).name
    if base is not None:
        config.rotary_base = base
    return config


def _without_tokenizer(config: HookedTransformerConfig) -> HookedTransformerConfig:
    """Keep TransformerLens from loading a tokenizer of its own, which may differ."""
    config.tokenizer_name = None
    return config


@torch.no_grad()
def _compare(
    hooked: TransformerLensReplacementModel, original: "PreTrainedModel", name: str
) -> None:
    generator = torch.Generator().manual_seed(0)
    tokens = torch.randint(hooked.cfg.d_vocab, (1, hooked.cfg.n_ctx), generator=generator)
    expected = original(tokens.to(original.device)).logits.float().cpu()
    found = cast(Tensor, hooked(tokens.to(hooked.cfg.device))).float().cpu()
    difference = ((found - expected).abs().mean() / expected.std()).item()
    if not difference <= _TOLERANCE[cast(torch.dtype, hooked.cfg.dtype)]:
        raise InputError(
            f"TransformerLens computes logits that differ by {difference:.2g} of their spread",
            where=name,
            remedy=_INSTEAD,
        )
