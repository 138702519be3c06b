"""Vectors to correlation scores, and scores to what chance would give.

The correlation score of a channel is the mean cosine similarity over all pairs of a feature's
windows, C(P) = 2 / (n (n - 1)) * sum over i < j of cos(E(w_i), E(w_j)) (the score-then-label
protocol). With unit vectors u the sum over pairs is (|sum u|^2 - n) / 2, so no pair is ever formed.

Calibration compares C with the C of n windows cut from ordinary text: raw scores of one-token and
of seventeen-token windows live on different scales.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32

from clerp.embedding import embed_unit
from clerp.errors import PluginError, UsageError
from clerp.evidence import FeatureEvidence
from clerp.ordinary.passages import WIDTH, load_passages
from clerp.plugins import Embedder
from clerp.windows import Window, cut, cut_tokens

MIN_WINDOWS = 5
"""With fewer windows a channel is not scored."""
DRAWS = 20_000
# Ties must not flip with the batch an embedder ran in, which moves floats by about 1e-7.
_DECIMALS = 4


@dataclass(frozen=True, slots=True)
class Score:
    """How alike the windows of one channel are over a feature's examples."""

    raw: float
    """Mean cosine similarity over all pairs of windows, -1 to 1."""
    weighted: float
    """The same, each pair weighted by the product of its peak activations."""
    n: int
    """Windows that have content."""
    expected: float | None = None
    """Raw score of n windows drawn at random; None without calibration, like z and p."""
    z: float | None = None
    """Standard deviations above windows drawn at random."""
    p: float | None = None
    """Share of random draws that score at least as high."""


@dataclass(frozen=True, slots=True, eq=False)
class Null:
    """Raw scores of windows drawn at random, for one window and every number of windows."""

    scores: Float[np.ndarray, "draw n"]
    """Column n - 1 holds the sorted scores of n windows; column 0 is unused."""

    def calibrate(self, score: Score) -> Score:
        """Add expectation, z and p to a raw score."""
        draws = self.scores[:, min(score.n, self.scores.shape[1]) - 1]
        expected, spread = float(draws.mean()), float(draws.std())
        exceeded = len(draws) - int(np.searchsorted(draws, score.raw))
        return Score(
            raw=score.raw,
            weighted=score.weighted,
            n=score.n,
            expected=round(expected, _DECIMALS),
            z=round((score.raw - expected) / spread, 2) if draws[0] < draws[-1] else 0.0,
            p=round((1 + exceeded) / (1 + len(draws)), 5),
        )


def correlate(
    unit: Float32[np.ndarray, "window dimension"], weights: Float[np.ndarray, " window"]
) -> Score | None:
    """Score one channel of one feature; rows of zeros (windows without content) do not count.

    Args:
        unit: Unit vectors of the windows.
        weights: Peak activation of each window's example.

    Returns:
        The score, or None when fewer than `MIN_WINDOWS` windows have content.
    """
    present = unit.any(axis=1)
    n = int(present.sum())
    if n < MIN_WINDOWS:
        return None
    vectors = unit[present].astype(np.float64)
    relative = weights[present].astype(np.float64) / weights[present].max()
    return Score(
        raw=mean_over_pairs(vectors, np.ones(n)),
        weighted=mean_over_pairs(vectors, relative),
        n=n,
    )


def score_channel(
    evidence: Sequence[FeatureEvidence],
    window: Window,
    embedder: Embedder,
    null: Null | None,
) -> list[Score | None]:
    """Score one window of many features, embedding each distinct text once."""
    texts = [cut(e, window) for known in evidence for e in known.top]
    vectors = embed_unit(texts, embedder)
    scores: list[Score | None] = []
    start = 0
    for known in evidence:
        stop = start + len(known.top)
        weights = np.array([e.peak_activation for e in known.top])
        score = correlate(vectors[start:stop], weights) if known.top else None
        scores.append(null.calibrate(score) if null and score else score)
        start = stop
    return scores


def build_null(window: Window, embedder: Embedder, largest: int) -> Null:
    """Score windows of ordinary text, cut around its passages' middles.

    The passages come with clerp, so that a score depends on nothing but the feature's own evidence.

    Args:
        window: The channel's.
        embedder: Of the windows.
        largest: The greatest number of windows that a feature has.

    Raises:
        UsageError: The window reaches further than the passages.
        PluginError: The embedder has no vector for any of them.
    """
    middle = WIDTH // 2
    if max(abs(window.start), abs(window.stop)) > middle:
        raise UsageError(
            f"the {window.name} window reaches further than {middle} tokens, "
            "as far as passages of ordinary text do",
            remedy="Give --windows a smaller one, or use --rule protocol",
        )
    texts = [cut_tokens(tokens, window, middle) for tokens in load_passages().tokens]
    vectors = embed_unit(texts, embedder)
    present = vectors[vectors.any(axis=1)]
    if not len(present):
        raise PluginError(
            f"the embedder {embedder.name!r} has no vector for any window of ordinary text",
            remedy="Its author can check it with clerp.testing.check_embedder",
        )
    return Null(_draw_scores(present, largest))


def mean_over_pairs(
    vectors: Float[np.ndarray, "window dimension"], weights: Float[np.ndarray, " window"]
) -> float:
    """Average the cosine over all pairs of unit vectors, each pair weighted by its two weights."""
    weighted = weights[:, np.newaxis] * vectors
    total = weighted.sum(axis=0)
    # What the vectors themselves take away: in single precision their squares are not quite 1.
    similar = float(total @ total) - float((weighted**2).sum())
    pairs = float(weights.sum()) ** 2 - float((weights**2).sum())
    return round(similar / pairs, _DECIMALS) if pairs > 0 else 0.0


def _draw_scores(
    vectors: Float32[np.ndarray, "window dimension"], largest: int
) -> Float[np.ndarray, "draw n"]:
    """Score `DRAWS` random sets; a set of n extends the set of n - 1, so all n cost one pass."""
    rng = np.random.default_rng(0)
    scores = np.zeros((DRAWS, largest))
    sums = np.zeros((DRAWS, vectors.shape[1]), dtype=np.float32)
    for column in range(largest):
        sums += vectors[rng.integers(0, len(vectors), DRAWS)]
        n = column + 1
        if n > 1:
            scores[:, column] = (np.einsum("ij,ij->i", sums, sums) - n) / (n * (n - 1))
    return np.sort(scores.round(_DECIMALS), axis=0)
