"""Random models of several architectures with a tokenizer whose tokens keep their spaces."""

from typing import Any

import torch
import transformers
from tests.tiny_llama import BOS, make_llama, train_tokenizer

from clerp_nla.subject.anatomy import read_anatomy
from clerp_nla.subject.extraction import Subject

N_LAYERS, D_MODEL, N_VOCABULARY = 4, 32, 300
TEXTS = [
    "the ship left the harbor at night and the captain slept while it rained",
    "two judges heard the case in a cold room, and then a third one came in",
    "Zoë said that naïve people in Köln drink 42 cups of coffee — every day!",
    "a b c d e f g h i j k l m n o p q r s t u v w x y z",
]
_SIZES: dict[str, Any] = {
    "vocab_size": N_VOCABULARY,
    "hidden_size": D_MODEL,
    "intermediate_size": 48,
    "num_hidden_layers": N_LAYERS,
    "num_attention_heads": 2,
    "max_position_embeddings": 128,
    "initializer_range": 0.3,
    "bos_token_id": BOS,
}


def make_model(architecture: str) -> Any:
    torch.manual_seed(0)
    if architecture == "llama":
        return make_llama(N_VOCABULARY, num_hidden_layers=N_LAYERS, max_position_embeddings=128)
    gemma: Any = _SIZES | {"num_key_value_heads": 1, "head_dim": 16, "sliding_window": 8}
    if architecture == "gemma2":
        return transformers.Gemma2ForCausalLM(transformers.Gemma2Config(**gemma))
    if architecture == "gemma3":
        return transformers.Gemma3ForCausalLM(transformers.Gemma3TextConfig(**gemma))
    if architecture == "gpt_neox":
        return transformers.GPTNeoXForCausalLM(transformers.GPTNeoXConfig(**_SIZES))
    assert architecture == "gpt2"
    names: dict[str, Any] = {
        "n_embd": D_MODEL,
        "n_layer": N_LAYERS,
        "n_head": 2,
        "n_positions": 128,
    }
    config = transformers.GPT2Config(
        vocab_size=N_VOCABULARY, bos_token_id=BOS, initializer_range=0.3, **names
    )
    return transformers.GPT2LMHeadModel(config)


ARCHITECTURES = ("llama", "gemma2", "gemma3", "gpt_neox", "gpt2")


def make_tokenizer(bos: str | None = "<bos>") -> Any:
    raw = train_tokenizer(TEXTS, N_VOCABULARY)
    return transformers.PreTrainedTokenizerFast(tokenizer_object=raw, bos_token=bos)


def make_subject(architecture: str = "llama", layer: int = 1) -> Subject:
    model = make_model(architecture)
    return Subject(model, make_tokenizer(), read_anatomy(model.config, architecture), layer)
