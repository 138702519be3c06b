"""Pairs with random weights in the layout of the released ones, written by transformers itself."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import tokenizers
import torch
import transformers
import yaml
from safetensors.torch import save_file
from tests.tiny_llama import train_tokenizer
from tokenizers import AddedToken, processors

K, N_LAYERS, D_MODEL, SCALE = 2, 4, 32, 7.0
MARKER = "㈎"
BASE = "owner/base"
ACTOR_TEMPLATE = "Explain <concept>{injection_char}</concept> in <explanation> tags."
CRITIC_TEMPLATE = "Summary of <text>{explanation}</text> <summary>"
CHAT = (
    "{{ bos_token }}{% for message in messages %}<turn>{{ message.content }}<end>{% endfor %}"
    "{% if add_generation_prompt %}<turn>{% endif %}"
)
_SPECIAL = ("<pad>", "<unk>", "<bos>", "<end>", "<turn>")

Kind = Literal["llama", "qwen2", "gemma2", "gemma3"]
KINDS: tuple[Kind, ...] = ("llama", "qwen2", "gemma2", "gemma3")


@dataclass(frozen=True)
class Written:
    """A pair in a folder, and the model that it is about."""

    folder: Path
    subject: Any
    """All blocks; the critic's are its first K + 1."""
    head: torch.Tensor


def write_pair(folder: Path, kind: Kind = "llama") -> Written:
    tokenizer = make_tokenizer()
    torch.manual_seed(5)
    actor, subject = make_model(kind, len(tokenizer)), make_model(kind, len(tokenizer))
    actor.save_pretrained(folder / "av")
    head = torch.eye(D_MODEL) + 0.1 * torch.randn(D_MODEL, D_MODEL)
    _write_critic(folder / "ar", subject, head)
    for half in ("av", "ar"):
        tokenizer.save_pretrained(folder / half)
        write_sidecar(folder / half, make_sidecar(half, tokenizer))
    return Written(folder, subject, head)


def make_model(kind: Kind, vocab_size: int) -> Any:
    sizes: dict[str, Any] = {
        "vocab_size": vocab_size,
        "hidden_size": D_MODEL,
        "intermediate_size": 48,
        "num_hidden_layers": N_LAYERS,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "max_position_embeddings": 256,
        "initializer_range": 0.3,
        "bos_token_id": 2,
        "eos_token_id": 3,
        "pad_token_id": 0,
    }
    gemma: dict[str, Any] = {"head_dim": 16, "sliding_window": 16, "query_pre_attn_scalar": 16}
    if kind == "llama":
        config = transformers.LlamaConfig(**sizes, tie_word_embeddings=False)
    elif kind == "qwen2":
        config = transformers.Qwen2Config(**sizes, tie_word_embeddings=True)
    elif kind == "gemma2":
        config = transformers.Gemma2Config(**sizes, **gemma)
    else:
        config = transformers.Gemma3TextConfig(**sizes, **gemma)
    model = transformers.AutoModelForCausalLM.from_config(config)
    # Norms that do something, the one after the last block included.
    for name, parameter in model.named_parameters():
        if "norm" in name:
            torch.nn.init.uniform_(parameter, 0.2, 2.0)
    return model.eval()


def make_tokenizer() -> Any:
    text = "Explain Summary of a text in concept explanation summary tags heat and light"
    raw: tokenizers.Tokenizer = train_tokenizer([text] * 5, 320, _SPECIAL)
    raw.add_tokens([AddedToken(MARKER, normalized=False)])
    raw.post_processor = processors.TemplateProcessing(
        single="<bos> $A", special_tokens=[("<bos>", 2)]
    )
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=raw,
        bos_token="<bos>",
        eos_token="<end>",
        pad_token="<pad>",
        unk_token="<unk>",
        chat_template=CHAT,
    )


def make_sidecar(half: str, tokenizer: Any) -> dict[str, Any]:
    def encode(text: str) -> list[int]:
        return tokenizer.encode(text, add_special_tokens=False)

    (marker,) = encode(MARKER)
    before, after = ACTOR_TEMPLATE.split("{injection_char}")
    return {
        "kind": "nla_model",
        "schema_version": 2,
        "role": half,
        "stage": "sft",
        "base_checkpoint": BASE,
        "d_model": D_MODEL,
        "extraction_layer_index": K,
        "extraction": {
            "injection_scale": SCALE if half == "av" else None,
            "mse_scale": "sqrt_d_model",
        },
        "tokens": {
            "injection_char": MARKER,
            "injection_token_id": marker,
            "injection_left_neighbor_id": encode(before)[-1],
            "injection_right_neighbor_id": encode(after)[0],
            "critic_suffix_ids": encode("</text> <summary>"),
        },
        "prompt_templates": {"av": ACTOR_TEMPLATE, "ar": CRITIC_TEMPLATE},
        "created_at": "2026-01-02",
    }


def write_sidecar(folder: Path, content: object) -> None:
    text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
    (folder / "nla_meta.yaml").write_text(text, encoding="utf-8")


def _write_critic(folder: Path, subject: Any, head: torch.Tensor) -> None:
    config = type(subject.config)(**subject.config.to_dict())
    config.num_hidden_layers = K + 1
    if getattr(config, "layer_types", None):
        config.layer_types = config.layer_types[: K + 1]
    config.architectures = [type(subject).__name__]
    config.save_pretrained(folder)
    beyond = tuple(f"model.layers.{layer}." for layer in range(K + 1, N_LAYERS))
    kept = {
        name: value.clone()
        for name, value in subject.state_dict().items()
        if not name.startswith(("model.norm.", "lm_head.", *beyond))
    }
    save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})
    save_file({"weight": head}, folder / "value_head.safetensors")
