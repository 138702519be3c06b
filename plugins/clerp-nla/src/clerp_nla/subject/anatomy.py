"""Where a causal language model of transformers keeps its blocks, read without its weights."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING

import torch
from torch import nn

from clerp.errors import InputError

if TYPE_CHECKING:
    from transformers import PretrainedConfig

# Of Llama and its many likes; Gemma 3 with pictures; GPT-NeoX; GPT-2.
_PLACES = ("model.layers", "model.language_model.layers", "gpt_neox.layers", "transformer.h")
# What an MLP puts out goes through one of these before it is added to the residual stream.
_NORMS_AFTER_MLP = ("post_feedforward_layernorm", "post_mlp_layernorm")


@dataclass(frozen=True, slots=True)
class Anatomy:
    """The shape of a model."""

    architecture: str
    """Name of its class: `Gemma2ForCausalLM`."""
    blocks: str
    """Path of the list of blocks: `model.layers`."""
    n_layers: int
    d_model: int
    longest: int
    """Tokens that it was made for."""
    mlp_is_normed: bool
    """Whether a norm stands between a block's MLP and the residual stream."""

    def find_blocks(self, model: nn.Module) -> nn.ModuleList:
        """Return the list of blocks of a model of this shape."""
        return _require_list(_follow(model, self.blocks.split(".")))

    def find_body(self, model: nn.Module) -> nn.Module:
        """Return the module that runs the blocks, without what makes logits."""
        return _follow(model, self.blocks.split(".")[:-1])


def read_anatomy(config: "PretrainedConfig", where: str) -> Anatomy:
    """Read the shape of a model from its configuration.

    Args:
        config: Of a causal language model; code of its own is never run.
        where: For messages.

    Raises:
        InputError: transformers does not know the architecture, or its blocks are at no place that
            clerp knows.
    """
    from transformers import AutoModelForCausalLM

    text = config.get_text_config()
    try:
        with torch.device("meta"):
            model = AutoModelForCausalLM.from_config(config, trust_remote_code=False)
    except (ValueError, KeyError, TypeError, AttributeError, ImportError) as fault:
        raise InputError(
            f"no causal language model that transformers knows: {fault}", where=where
        ) from fault
    blocks = _find_blocks(model, where)
    return Anatomy(
        architecture=type(model).__name__,
        blocks=blocks,
        n_layers=int(text.num_hidden_layers),
        d_model=int(text.hidden_size),
        longest=int(getattr(text, "max_position_embeddings", 0) or 2**31),
        mlp_is_normed=any(
            hasattr(_follow(model, [*blocks.split("."), "0"]), norm) for norm in _NORMS_AFTER_MLP
        ),
    )


def _find_blocks(model: nn.Module, where: str) -> str:
    found = [place for place in _PLACES if _has_list(model, place.split("."))]
    if len(found) != 1:
        raise InputError(
            f"the blocks of {type(model).__name__} are at no place that clerp knows "
            f"({', '.join(_PLACES)})",
            where=where,
            remedy="Residuals of this architecture cannot be read; a server may have them",
        )
    return found[0]


def _has_list(model: nn.Module, path: Sequence[str]) -> bool:
    try:
        return isinstance(_follow(model, path), nn.ModuleList)
    except AttributeError:
        return False


def _follow(model: nn.Module, path: Sequence[str]) -> nn.Module:
    return reduce(getattr, path, model)


def _require_list(module: nn.Module) -> nn.ModuleList:
    assert isinstance(module, nn.ModuleList)  # `read_anatomy` found it there
    return module
