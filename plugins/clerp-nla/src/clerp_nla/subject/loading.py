"""A subject from its folder; its weights as they are, safetensors only, no code of its own."""

from pathlib import Path
from typing import TYPE_CHECKING

import torch

from clerp.errors import InputError
from clerp_nla.pair.checkpoint import load_model, load_tokenizer, read_config
from clerp_nla.subject.anatomy import Anatomy, read_anatomy
from clerp_nla.subject.extraction import Subject

if TYPE_CHECKING:
    from transformers import PretrainedConfig


def load_config(folder: Path) -> "PretrainedConfig":
    """Load the configuration of a model.

    Raises:
        InputError: There is none, or transformers does not know the kind of model.
    """
    from transformers import AutoConfig

    read_config(folder)
    try:
        return AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as fault:
        reason = " ".join(str(fault).split())[:300]
        raise InputError(f"config.json cannot be used: {reason}", where=str(folder)) from fault


def load_anatomy(folder: Path) -> Anatomy:
    """Read the shape of a model without loading its weights; see `read_anatomy`."""
    return read_anatomy(load_config(folder), str(folder))


def load_subject(
    folder: Path, *, layer: int, device: torch.device | str, dtype: torch.dtype
) -> Subject:
    """Load the blocks 0 to K of a model.

    All of it is in the processor's memory for a moment; only what is needed moves to the device.

    Args:
        folder: Of `save_pretrained`, on this machine.
        layer: K.
        device: Where it is to run.
        dtype: bfloat16 or float32.

    Raises:
        NotAvailableError: The model has no block K.
        InputError: The folder holds no such model.
    """
    from transformers import AutoModelForCausalLM

    anatomy = load_anatomy(folder)
    tokenizer = load_tokenizer(folder)
    model = load_model(folder, AutoModelForCausalLM, device="cpu", dtype=dtype)
    return Subject(model, tokenizer, anatomy, layer).to(device)
