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


def draw_features(n: int) -> Float[np.ndarray, "draw feature"]:
    """Draw n features with replacement, `RESAMPLES` times; the first row has each feature once.

    Rows depend on n alone, so that two rules on the same features are resampled in pairs.
    """
    drawn = np.random.default_rng(SEED).multinomial(n, np.full(n, 1 / n), RESAMPLES)
    return np.vstack([np.ones((1, n)), drawn])


def estimate(figures: Figures) -> Estimate:
    """Summarise figures of what `draw_features` drew."""
    tail = 50 * (1 - LEVEL)
    low, high = np.percentile(figures[1:], [tail, 100 - tail])
    return Estimate(float(figures[0]), float(low), float(high))
