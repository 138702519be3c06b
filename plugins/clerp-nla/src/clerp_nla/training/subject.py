"""The model that is explained: a Llama of six small blocks, which has read documents."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float32
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedModel, PreTrainedTokenizerFast

from clerp_nla.training.learning import Course, learn, tokenize
from clerp_nla.training.tokenizer import BOS, END, MAX_TOKENS, PAD

LAYER = 3
"""K: the block whose output the pair is made for."""
D_MODEL, N_LAYERS = 96, 6


def make_subject(tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    """Make one that has learned nothing yet; the weights follow torch's seed."""
    vocabulary = tokenizer.get_vocab()
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=D_MODEL,
        intermediate_size=256,
        num_hidden_layers=N_LAYERS,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=MAX_TOKENS,
        rms_norm_eps=1e-5,
        tie_word_embeddings=False,
        bos_token_id=vocabulary[BOS],
        eos_token_id=vocabulary[END],
        pad_token_id=vocabulary[PAD],
    )
    return LlamaForCausalLM(config)


def train_subject(
    model: LlamaForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    texts: Sequence[str],
    course: Course,
) -> float:
    """Teach a model to predict texts, and return the loss of the last step, in nats a token."""
    loss = float("nan")
    for step in learn(model.parameters(), len(texts), course):
        batch = tokenize([texts[i] for i in step.chosen], tokenizer, model.device)
        output = model(input_ids=batch.ids, attention_mask=batch.mask, labels=batch.targets)
        loss = step.follow(output.loss)
    return loss


@dataclass(frozen=True, slots=True)
class Place:
    """A token of a text."""

    text: int
    """Number of the text."""
    token: int
    """Counted from 0 without the start token."""


@torch.no_grad()
def read_residuals(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    texts: Sequence[str],
    layer: int,
    batch_size: int = 64,
) -> Iterator[Float32[np.ndarray, "token d_model"]]:
    """Yield what a block puts out at each token of each text, the start token left out.

    Args:
        model: A Llama.
        tokenizer: Its own.
        texts: Not empty.
        layer: K, counted from 0.
        batch_size: Texts that are read at a time.
    """
    # `hidden_states[0]` is the embedding, so that K + 1 is what block K puts out.
    for start in range(0, len(texts), batch_size):
        batch = tokenize(texts[start : start + batch_size], tokenizer, model.device)
        output = model(input_ids=batch.ids, attention_mask=batch.mask, output_hidden_states=True)
        hidden = output.hidden_states[layer + 1].float().cpu().numpy()
        for row, length in zip(hidden, batch.mask.sum(1).tolist(), strict=True):
            yield row[1:length]
