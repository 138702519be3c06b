"""Subject, actor and critic as folders in the layout of released pairs (kitft, version 2).

All weights are safetensors in half precision.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
import yaml
from safetensors.torch import save_file
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from clerp_nla.training.pairs import ACTOR_TEMPLATE, CRITIC_TEMPLATE, ActorPrompt, CriticModel

SIDECAR = "nla_meta.yaml"


@dataclass(frozen=True, slots=True)
class Origin:
    """What both halves of a pair say of themselves."""

    base: str
    """Name of the subject."""
    layer: int
    """K."""
    training: str
    """One sentence on how they learned."""


def write_subject(folder: Path, model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast) -> None:
    """Write a model as it is loaded by transformers."""
    _write_model(folder, model, _halve(_list_weights(model)), {})
    tokenizer.save_pretrained(folder)


def write_actor(
    folder: Path,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    prompt: ActorPrompt,
    origin: Origin,
) -> None:
    """Write an actor: a whole model, and which embedding is replaced by what."""
    _write_model(folder, model, _halve(_list_weights(model)), {})
    tokenizer.save_pretrained(folder)
    extraction = {"injection_scale": prompt.scale, "mse_scale": "sqrt_d_model"}
    _write_sidecar(folder, "av", model, origin, tokenizer, prompt, extraction)


def write_critic(
    folder: Path,
    model: CriticModel,
    subject: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    prompt: ActorPrompt,
    origin: Origin,
) -> None:
    """Write a critic: some blocks without the last norm, and the head in a file of its own."""
    backbone = {f"model.{name}": value for name, value in model.backbone.state_dict().items()}
    cut: dict[str, object] = {"num_hidden_layers": origin.layer + 1}
    if kinds := getattr(subject.config, "layer_types", None):
        cut["layer_types"] = kinds[: origin.layer + 1]
    _write_model(folder, subject, _halve(backbone), cut)
    save_file(_halve({"weight": model.head.weight}), folder / "value_head.safetensors")
    tokenizer.save_pretrained(folder)
    extraction = {"injection_scale": None, "mse_scale": "sqrt_d_model"}
    _write_sidecar(folder, "ar", subject, origin, tokenizer, prompt, extraction)


def _list_weights(model: PreTrainedModel) -> dict[str, Tensor]:
    """Return all weights but an output matrix that is the embedding once more."""
    tied = bool(model.config.tie_word_embeddings)
    return {k: v for k, v in model.state_dict().items() if not (tied and k == "lm_head.weight")}


def _halve(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {
        name: value.detach().to("cpu", torch.float16).contiguous()
        for name, value in tensors.items()
    }


def _write_model(
    folder: Path,
    model: PreTrainedModel,
    tensors: Mapping[str, Tensor],
    changed: Mapping[str, object],
) -> None:
    folder.mkdir(parents=True)
    save_file(dict(tensors), folder / "model.safetensors", metadata={"format": "pt"})
    # The version says who wrote it, not what it is: equal models give equal bytes without.
    left_out = ("_name_or_path", "dtype", "transformers_version")
    full = model.config.to_diff_dict()
    config: dict[str, object] = {
        **{key: value for key, value in full.items() if key not in left_out},
        **changed,
        "architectures": [type(model).__name__],
        "torch_dtype": "float16",
    }
    _write_json(folder / "config.json", config)
    ends = ("bos_token_id", "eos_token_id", "pad_token_id")
    generation = {key: getattr(model.config, key) for key in ends}
    _write_json(folder / "generation_config.json", generation)


def _write_sidecar(
    folder: Path,
    role: str,
    model: PreTrainedModel,
    origin: Origin,
    tokenizer: PreTrainedTokenizerFast,
    prompt: ActorPrompt,
    extraction: Mapping[str, object],
) -> None:
    suffix = CRITIC_TEMPLATE.partition("{explanation}")[2]
    content = {
        "kind": "nla_model",
        "schema_version": 2,
        "role": role,
        "stage": "sft",
        "base_checkpoint": origin.base,
        "d_model": model.config.hidden_size,
        "extraction_layer_index": origin.layer,
        "extraction": dict(extraction),
        "tokens": {
            "injection_char": prompt.char,
            "injection_token_id": prompt.ids[prompt.marker],
            "injection_left_neighbor_id": prompt.ids[prompt.marker - 1],
            "injection_right_neighbor_id": prompt.ids[prompt.marker + 1],
            "critic_suffix_ids": tokenizer(suffix, add_special_tokens=False).input_ids,
        },
        "prompt_templates": {"av": ACTOR_TEMPLATE, "ar": CRITIC_TEMPLATE},
        "training": origin.training,
    }
    text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
    (folder / SIDECAR).write_text(text, encoding="utf-8")


def _write_json(path: Path, content: Mapping[str, object]) -> None:
    path.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n", encoding="utf-8")
