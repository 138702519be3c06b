"""Places in documents: the residual there, what is true there, and what is to be said of it."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from clerp_nla.training.explaining import explain
from clerp_nla.training.grammar import Document, Token
from clerp_nla.training.pairs import Lessons
from clerp_nla.training.subject import read_residuals

FIRST = 10
"""Tokens at the start of a document are passed over: residuals there are unlike all others."""


@dataclass(frozen=True, slots=True, eq=False)
class Places:
    """Some places, in the order of their documents."""

    vectors: Float32[np.ndarray, "place d_model"]
    truths: tuple[Token, ...]

    def explain(self, seed: int) -> Lessons:
        """Say of each what is true there, in one of several ways."""
        chance = random.Random(seed)
        return Lessons(self.vectors, tuple(explain(truth, chance) for truth in self.truths))


def visit(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    documents: Sequence[Document],
    layer: int,
    *,
    each: int,
    seed: int,
) -> Places:
    """Read what a block puts out at some places of each document.

    Args:
        model: The subject.
        tokenizer: Its own.
        documents: Of more than `FIRST + each` tokens.
        layer: K.
        each: Places of each document.
        seed: Decides which.
    """
    chance = random.Random(seed)
    vectors: list[Float32[np.ndarray, " d_model"]] = []
    truths: list[Token] = []
    texts = [document.text for document in documents]
    residuals = read_residuals(model, tokenizer, texts, layer)
    for document, found in zip(documents, residuals, strict=True):
        for place in sorted(chance.sample(range(FIRST, len(document.tokens)), each)):
            vectors.append(found[place])
            truths.append(document.tokens[place])
    return Places(np.stack(vectors), tuple(truths))
