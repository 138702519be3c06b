"""How well a signal puts true things above false ones."""

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from jaxtyping import Bool, Float, Float64

RESAMPLES = 1000
LEVEL = 0.9
SEED = 0
_DEVIATIONS = NormalDist().inv_cdf((1 + LEVEL) / 2)


@dataclass(frozen=True, slots=True)
class Ranked:
    """The area under the ROC curve, and between which values `LEVEL` of its resamples lie."""

    area: float
    """How often a true thing stands above a false one, ties counted half: .5 is chance."""
    low: float
    high: float
    n_true: int
    n_false: int


@dataclass(frozen=True, slots=True)
class Share:
    """A share, and its interval at `LEVEL`."""

    value: float
    low: float
    high: float
    n: int


def rank(signal: Float[np.ndarray, " item"], truth: Bool[np.ndarray, " item"]) -> Ranked | None:
    """Measure a signal by the Mann-Whitney statistic and a percentile bootstrap over items.

    Resamples without a true or without a false item are left out.

    Args:
        signal: Larger is said to be truer; not a number where it is not defined, which leaves the
            item out.
        truth: Whether each is true.

    Returns:
        None where nothing is true, or nothing false.
    """
    defined = ~np.isnan(signal)
    values, true = signal[defined].astype(np.float64), truth[defined]
    if true.all() or not true.any():
        return None
    chance = np.random.default_rng(SEED)
    drawn = chance.integers(len(true), size=(RESAMPLES, len(true)))
    areas = [_measure(values[row], true[row]) for row in drawn if 0 < true[row].sum() < len(row)]
    tail = 50 * (1 - LEVEL)
    low, high = np.percentile(areas, [tail, 100 - tail])
    area = _measure(values, true)
    return Ranked(area, float(low), float(high), int(true.sum()), int((~true).sum()))


def share(truth: Bool[np.ndarray, " item"]) -> Share | None:
    """Return the share of items that are true; None where there is no item.

    The interval is Wilson's (1927, Probable inference, the law of succession, and statistical
    inference): it says something of none and of all, too.
    """
    n = len(truth)
    if not n:
        return None
    value = float(truth.mean())
    centre = (value + _DEVIATIONS**2 / (2 * n)) / (1 + _DEVIATIONS**2 / n)
    spread = math.sqrt(value * (1 - value) / n + (_DEVIATIONS / (2 * n)) ** 2)
    half = _DEVIATIONS * spread / (1 + _DEVIATIONS**2 / n)
    return Share(value, max(centre - half, 0.0), min(centre + half, 1.0), n)


def _measure(values: Float64[np.ndarray, " item"], true: Bool[np.ndarray, " item"]) -> float:
    false = np.sort(values[~true])
    below = np.searchsorted(false, values[true], side="left")
    not_above = np.searchsorted(false, values[true], side="right")
    return float((below + not_above).mean() / (2 * len(false)))
