"""A random two-layer Llama, and a byte-level tokenizer, small enough to be made in no time."""

from collections.abc import Iterable, Sequence
from typing import Any

import tokenizers
import torch
import transformers

N_LAYERS, D_MODEL = 2, 32
BOS = 1
# Id 0 must not be BOS: circuit-tracer's search for it drops zeros.
SPECIAL = ("<unk>", "<bos>")


def make_llama(vocab_size: int, **config: Any) -> transformers.LlamaForCausalLM:
    """Make a model; `config` replaces fields of its configuration."""
    torch.manual_seed(0)
    sizes = {
        "vocab_size": vocab_size,
        "hidden_size": D_MODEL,
        "intermediate_size": 48,
        "num_hidden_layers": N_LAYERS,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "max_position_embeddings": 512,
        "initializer_range": 0.3,
        "bos_token_id": BOS,
    }
    return transformers.LlamaForCausalLM(transformers.LlamaConfig(**(sizes | config)))


def train_tokenizer(
    texts: Iterable[str], vocab_size: int, special: Sequence[str] = SPECIAL
) -> tokenizers.Tokenizer:
    """Train a byte-level BPE without a rule for what stands in front of a text."""
    raw = tokenizers.Tokenizer(tokenizers.models.BPE())
    raw.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = tokenizers.decoders.ByteLevel()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=list(special),
        initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    raw.train_from_iterator(texts, trainer)
    return raw
