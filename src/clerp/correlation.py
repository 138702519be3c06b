"""Vectors to correlation scores, and scores to what chance would give.

The correlation score of a channel is the mean cosine similarity over all pairs of a feature's
windows, C(P) = 2 / (n (n - 1)) * sum over i < j of cos(E(w_i), E(w_j)) (the score-then-label
protocol). With unit vectors u the sum over pairs is (|sum u|^2 - n) / 2, so no pair is ever formed.

Calibration compares C with the C of n windows cut from ordinary text: raw scores of one-token and
of seventeen-token windows live on different scales.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Float, Float32, Float64, Int16

from clerp.embedding import embed_unit
from clerp.errors import PluginError, UsageError
from clerp.evidence import FeatureEvidence
from clerp.ordinary.passages import WIDTH, Passages, load_passages
from clerp.ordinary.window_draws import DECIMALS, Span, load_draws
from clerp.plugins import Embedder
from clerp.windows import Window, cut, cut_tokens

MIN_WINDOWS = 5
"""With fewer windows a channel is not scored."""
DRAWS = 20_000
LARGEST = 40
"""Numbers of windows that are drawn at once: 1 to 40, then to 80, and so on."""


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

    scores: Float64[np.ndarray, "n draw"]
    """Row n - 1 holds the sorted scores of n windows; row 0 is of no use."""
    _mean: Float64[np.ndarray, " n"] = field(init=False)
    _spread: Float64[np.ndarray, " n"] = field(init=False)

    def __post_init__(self) -> None:
        # Every score is held against them, and there are many draws.
        object.__setattr__(self, "_mean", self.scores.mean(axis=1))
        object.__setattr__(self, "_spread", self.scores.std(axis=1))

    def of(self, n: int) -> Float64[np.ndarray, " draw"]:
        """Return the sorted scores of n windows, or of the greatest number that is known."""
        return self.scores[self._row(n)]

    def calibrate(self, score: Score) -> Score:
        """Add expectation, z and p to a raw score."""
        row = self._row(score.n)
        draws, expected = self.scores[row], float(self._mean[row])
        exceeded = len(draws) - int(np.searchsorted(draws, score.raw))
        differ = draws[0] < draws[-1]
        return replace(
            score,
            expected=round(expected, DECIMALS),
            z=round((score.raw - expected) / float(self._spread[row]), 2) if differ else 0.0,
            p=round((1 + exceeded) / (1 + len(draws)), 5),
        )

    def _row(self, n: int) -> int:
        return min(n, len(self.scores)) - 1


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
    present = np.flatnonzero(unit.any(axis=1))
    n = len(present)
    if n < MIN_WINDOWS:
        return None
    relative = scale_weights(weights[present])
    raw, weighted = _average_pairs(unit[present], np.stack([np.ones(n), relative]))
    return Score(raw=raw, weighted=weighted, n=n)


def score_channel(
    evidence: Sequence[FeatureEvidence],
    window: Window,
    embedder: Embedder,
    null: Null | None,
) -> list[Score | None]:
    """Score one window of many features, embedding each distinct text once."""
    texts = [cut(example, window) for known in evidence for example in known.top]
    vectors = embed_unit(texts, embedder)
    scores: list[Score | None] = []
    start = 0
    for known in evidence:
        stop = start + len(known.top)
        weights = np.array([example.peak_activation for example in known.top])
        score = correlate(vectors[start:stop], weights) if known.top else None
        scores.append(null.calibrate(score) if null and score else score)
        start = stop
    return scores


def build_null(window: Window, embedder: Embedder, largest: int) -> Null:
    """Score windows of ordinary text, cut around its passages' middles.

    The passages come with clerp, so that a score depends on nothing but the feature's own evidence.
    What the default embedder's default windows score comes with clerp, too; other windows and
    embedders are drawn once in the life of the process.

    Args:
        window: The channel's.
        embedder: Of the windows; its name stands for its vectors.
        largest: The greatest number of windows that a feature has.

    Raises:
        UsageError: The window reaches further than the passages.
        PluginError: The embedder has no vector for any of them.
        EvidenceError: What comes with clerp is damaged.
    """
    span = window.start, window.stop
    room = LARGEST * max(1, -(-largest // LARGEST))
    passages = load_passages()
    key = _Key(span, embedder.name, passages.name, room, DRAWS)
    if key not in _NULLS:
        shipped = _find_shipped(key)
        steps = draw_scores(window, embedder, room, passages) if shipped is None else shipped
        _NULLS[key] = Null(steps / 10**DECIMALS)
    return _NULLS[key]


@dataclass(frozen=True, slots=True)
class _Key:
    """All that random draws depend on."""

    span: Span
    embedder: str
    passages: str
    largest: int
    draws: int


_NULLS: dict[_Key, Null] = {}


def _find_shipped(key: _Key) -> Int16[np.ndarray, "n draw"] | None:
    shipped = load_draws()
    if (shipped.embedder, shipped.passages) != (key.embedder, key.passages):
        return None
    scores = shipped.scores.get(key.span)
    return scores if scores is not None and scores.shape == (key.largest, key.draws) else None


def draw_scores(
    window: Window, embedder: Embedder, largest: int, passages: Passages
) -> Int16[np.ndarray, "largest draw"]:
    """Score `DRAWS` random sets of ordinary windows, of 1 to `largest` each.

    Args:
        window: The channel's.
        embedder: Of the windows.
        largest: The greatest number of windows.
        passages: Ordinary text.

    Returns:
        Scores in steps of 1e-4, those of each number sorted.

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
    texts = [cut_tokens(tokens, window, middle) for tokens in passages.tokens]
    vectors = embed_unit(texts, embedder)
    present = vectors[vectors.any(axis=1)]
    if not len(present):
        raise PluginError(
            f"the embedder {embedder.name!r} has no vector for any window of ordinary text",
            remedy="Its author can check it with clerp.testing.check_embedder",
        )
    return _draw_sets(present, largest)


def mean_over_pairs(
    vectors: Float[np.ndarray, "window dimension"], weights: Float[np.ndarray, " window"]
) -> float:
    """Average the cosine over all pairs of unit vectors, each pair weighted by its two weights."""
    return _average_pairs(vectors, weights[np.newaxis])[0]


def scale_weights(activations: Float[np.ndarray, " window"]) -> Float64[np.ndarray, " window"]:
    """Scale peak activations to a greatest weight of 1; one that is no positive number weighs 0."""
    usable = np.isfinite(activations) & (activations > 0)
    weights = np.where(usable, activations, 0.0).astype(np.float64)
    greatest = float(weights.max(initial=0.0))
    return weights / greatest if greatest > 0 else weights


def _average_pairs(
    vectors: Float[np.ndarray, "window dimension"], weights: Float[np.ndarray, "way window"]
) -> list[float]:
    """Average the cosine over all pairs, weighted in several ways."""
    exact, squares = vectors.astype(np.float64), weights**2
    totals = weights @ exact
    # What the vectors themselves take away: in single precision their squares are not quite 1.
    own = squares @ np.einsum("ij,ij->i", exact, exact)
    similar = np.einsum("ij,ij->i", totals, totals) - own
    pairs = weights.sum(axis=1) ** 2 - squares.sum(axis=1)
    means = np.divide(similar, pairs, out=np.zeros_like(similar), where=pairs > 0)
    return [round(mean, DECIMALS) for mean in means.tolist()]


def _draw_sets(
    vectors: Float32[np.ndarray, "window dimension"], largest: int
) -> Int16[np.ndarray, "largest draw"]:
    """Score random sets; a set of n extends the set of n - 1, so all n cost one pass."""
    rng = np.random.default_rng(0)
    scores = np.zeros((largest, DRAWS), dtype=np.int16)
    sums = np.zeros((DRAWS, vectors.shape[1]), dtype=np.float32)
    for row in range(largest):
        sums += vectors[rng.integers(0, len(vectors), DRAWS)]
        n = row + 1
        if n > 1:
            means = (np.einsum("ij,ij->i", sums, sums) - n) / (n * (n - 1))
            scores[row] = np.sort(np.rint(means * 10**DECIMALS))
    return scores
