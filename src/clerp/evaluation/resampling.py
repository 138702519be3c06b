"""Percentile bootstrap over features (Efron, 1979): how far a figure depends on who was asked."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from clerp.evaluation.measures import Figures

RESAMPLES = 2000
LEVEL = 0.9
SEED = 0


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure, and between which values `LEVEL` of the resamples lie."""

    value: float
    low: float
    high: float


def draw_features(n: int, *stream: int) -> Float[np.ndarray, "draw feature"]:
    """Draw n features with replacement, `RESAMPLES` times; the first row has each feature once.

    Rows depend on the arguments alone, so that two rules on the same features are resampled in
    pairs.

    Args:
        n: How many there are, and are drawn.
        stream: Numbers that set one series of draws apart from others.
    """
    series = np.random.SeedSequence(SEED, spawn_key=stream)
    drawn = np.random.default_rng(series).multinomial(n, np.full(n, 1 / n), RESAMPLES)
    return np.vstack([np.ones((1, n)), drawn])


def estimate(figures: Figures) -> Estimate:
    """Summarise figures of what `draw_features` drew."""
    tail = 50 * (1 - LEVEL)
    low, high = np.percentile(figures[1:], [tail, 100 - tail])
    return Estimate(float(figures[0]), float(low), float(high))


def centre(figures: Figures) -> Figures:
    """Move resamples so that their median is the figure, which comes first.

    For measures that rise when features are drawn twice. By how much, is the bootstrap's own
    estimate of their median bias (Efron and Tibshirani, An introduction to the bootstrap, 1993,
    14.3).
    """
    moved = figures - (np.median(figures[1:]) - figures[0])
    moved[0] = figures[0]
    return moved
