"""What signals are held against: ordinary text, its contexts and its words."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from jaxtyping import Float, Float64

from clerp.ordinary import OrdinaryContexts, OrdinaryText, load_contexts, load_ordinary
from clerp.ordinary.loading import SHIPPED
from clerp.plugins import Embedder

_N_WORDS = 2000


@dataclass(frozen=True, slots=True, eq=False)
class Yardstick:
    """Ordinary text as one embedder has it."""

    text: OrdinaryText
    contexts: OrdinaryContexts
    word_mean: Float64[np.ndarray, " dimension"]
    """Mean direction of different words, rare ones among them."""
    word_spread: float
    """Standard deviation of the dot product of two different words' directions, less the mean."""

    def compare_words(self, words: list[str]) -> float:
        """Return the mean similarity of all pairs of different words, in spreads.

        Words without content are in no pair; 0 where less than two are left.
        """
        directions = to_unit(self.contexts.word_vectors(words))
        present = directions[directions.any(axis=1)] - self.word_mean
        return average_pairs(present) / self.word_spread if len(present) > 1 else 0.0


def load_yardstick(embedder: Embedder, null: str = SHIPPED) -> Yardstick:
    """Load ordinary text as an embedder has it.

    Raises:
        MissingEvidenceError: It has no contexts for this embedder.
    """
    text, contexts = load_ordinary(null), load_contexts(embedder, null)
    directions = to_unit(contexts.word_vectors(_draw_words(text)))
    directions = directions[directions.any(axis=1)]
    mean = directions.mean(axis=0)
    residual = directions - mean
    moment = residual.T @ residual / len(residual)
    return Yardstick(text, contexts, mean, float(np.sqrt(np.sum(moment**2))))


def name_text(null: str) -> str:
    """Return what an output calls the ordinary text."""
    text = load_ordinary(null)
    return f"{text.name}@{text.digest[:12]}"


def average_pairs(vectors: Float[np.ndarray, "row dimension"]) -> float:
    """Return the mean dot product over all pairs of rows, rounded so that float noise is gone."""
    exact = vectors.astype(np.float64)
    n = len(exact)
    total = exact.sum(axis=0)
    return round((float(total @ total) - float(np.sum(exact**2))) / (n * (n - 1)), 5)


def to_unit(vectors: Float[np.ndarray, "row dimension"]) -> Float64[np.ndarray, "row dimension"]:
    """Scale rows to length 1; rows of zeros stay."""
    exact = vectors.astype(np.float64)
    lengths = np.sqrt(np.sum(exact**2, axis=1, keepdims=True))
    return np.divide(exact, lengths, out=np.zeros_like(exact), where=lengths > 0)


@cache
def _draw_words(text: OrdinaryText) -> Sequence[str]:
    """Draw different words, common ones more often than rare ones, the same for every embedder."""
    words = sorted(word for word in text.indices if not word.isspace())
    weights = np.sqrt([text.rate(word) for word in words])
    rng = np.random.default_rng(0)
    n = min(_N_WORDS, len(words))
    drawn = rng.choice(len(words), n, replace=False, p=weights / weights.sum())
    order: list[int] = sorted(drawn.tolist())
    return tuple(words[i] for i in order)
