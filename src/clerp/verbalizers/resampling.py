"""Chance and spread of a figure that is computed of sets of texts.

Draws depend on the numbers of texts alone, so that the same texts give the same figures.
"""

import math
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations

import numpy as np
from jaxtyping import Float, Float64, Int64

DRAWS = 4999
"""Sets that are drawn where there are more; the least chance is 1 in 5,000."""
RESAMPLES = 1000
LEVEL = 0.9
DECIMALS = 4
SEED = 8
_TIE = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class Sets:
    """Sets of places, each as likely as the others."""

    places: Int64[np.ndarray, "set place"]
    is_all: bool
    """Every set there is, the one that was seen among them, and not a sample."""


@dataclass(frozen=True, slots=True)
class Interval:
    """Between which values `LEVEL` of the resamples lie."""

    low: float
    high: float


@lru_cache(maxsize=64)
def draw_sets(n: int, size: int) -> Sets:
    """Return the sets of `size` of n places: all, if these are few, or `DRAWS` random ones."""
    if math.comb(n, size) <= DRAWS:
        every = np.array(list(combinations(range(n), size)), dtype=np.int64)
        return Sets(every, is_all=True)
    return draw_orders(n, size)


@lru_cache(maxsize=64)
def draw_orders(n: int, size: int) -> Sets:
    """Return `DRAWS` random sets of `size` of n places, each in random order."""
    generator = np.random.default_rng([SEED, n, size])
    drawn = [generator.choice(n, size, replace=False) for _ in range(DRAWS)]
    return Sets(np.array(drawn, dtype=np.int64), is_all=False)


def find_chance(seen: float, drawn: Float[np.ndarray, " set"], *, is_all: bool) -> float:
    """Return how likely a set reaches the value that was seen.

    What is drawn at random counts as one set more, which is the seen one (Phipson and Smyth 2010,
    Permutation p-values should never be zero).
    """
    more = 0 if is_all else 1
    reached = int((drawn >= seen - _TIE).sum()) + more
    return round(reached / (len(drawn) + more), DECIMALS + 1)


@lru_cache(maxsize=64)
def draw_weights(n: int, *stream: int) -> Float64[np.ndarray, "resample item"]:
    """Draw n items with replacement, `RESAMPLES` times: how often each of them came.

    Args:
        n: How many there are, and are drawn.
        stream: Numbers that set one series of draws apart from others.
    """
    generator = np.random.default_rng([SEED, n, *stream])
    return generator.multinomial(n, np.full(n, 1 / n), RESAMPLES).astype(np.float64)


def find_interval(resampled: Float[np.ndarray, " resample"]) -> Interval:
    """Return the percentile interval (Efron 1979) of the resamples that are defined."""
    tail = 50 * (1 - LEVEL)
    low, high = np.percentile(resampled[np.isfinite(resampled)], [tail, 100 - tail])
    return Interval(round(float(low), DECIMALS), round(float(high), DECIMALS))
