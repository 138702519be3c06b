"""Differences between two kinds of features within strata, their intervals and chances.

- Difference: of the means within strata, each stratum weighted by n1 n2 / (n1 + n2) (Cochran,
  1954), as a regression on the kind with an intercept for each stratum weights them.
- Interval: clusters of strata are drawn anew (percentile bootstrap by cluster; Davison and Hinkley,
  1997, 3.8), where what is in a cluster does not vary by itself.
- Chance: kinds are dealt anew within each stratum (a stratified permutation test), which holds
  whatever the values and however many there are of each kind.
- Multiplicity: Holm's method (1979).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

LEVEL = 0.9
"""Of intervals."""
RESAMPLES = 2000
DEALS = 9999
"""How often kinds are dealt anew."""

_SEED = 0
# Sums of the same values in another order differ by less.
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Interval:
    """Between which values `LEVEL` of the resamples lie."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Stratum:
    """Values of two kinds that are alike but for the kind."""

    cluster: int
    values: Float[np.ndarray, " value"]
    """The distinct ones, less the mean of all."""
    counts: Int[np.ndarray, " value"]
    of_kind: Int[np.ndarray, " value"]
    """How many of them are of the kind that is asked about."""

    @property
    def n_of_kind(self) -> int:
        """How many are of the kind that is asked about."""
        return int(self.of_kind.sum())

    @property
    def weight(self) -> float:
        """What the stratum counts for; 0 where it has one kind alone."""
        n = int(self.counts.sum())
        return self.n_of_kind * (n - self.n_of_kind) / n

    @property
    def excess(self) -> float:
        """Difference of the kinds' means times the weight."""
        return float(self.of_kind @ self.values)


def make_stratum(
    cluster: int, values: Float[np.ndarray, " item"], is_of_kind: Bool[np.ndarray, " item"]
) -> Stratum:
    """Make a stratum.

    Args:
        cluster: To which it belongs.
        values: Of all items of both kinds; one at least.
        is_of_kind: Whether they are of the kind that is asked about.
    """
    distinct, places = np.unique(values, return_inverse=True)
    return Stratum(
        cluster=cluster,
        values=distinct - values.mean(),
        counts=np.bincount(places, minlength=len(distinct)),
        of_kind=np.bincount(places[is_of_kind], minlength=len(distinct)),
    )


def measure_difference(strata: Sequence[Stratum]) -> float:
    """Return by how much the kind's mean is greater, over strata that each have both kinds."""
    return sum(stratum.excess for stratum in strata) / sum(stratum.weight for stratum in strata)


def resample(strata: Sequence[Stratum]) -> Interval:
    """Return the interval of the difference over clusters drawn with replacement."""
    clusters = sorted({stratum.cluster for stratum in strata})
    excess, weight = np.zeros(len(clusters)), np.zeros(len(clusters))
    for stratum in strata:
        place = clusters.index(stratum.cluster)
        excess[place] += stratum.excess
        weight[place] += stratum.weight
    n = len(clusters)
    drawn = np.random.default_rng(_SEED).multinomial(n, np.full(n, 1 / n), RESAMPLES)
    tail = 50 * (1 - LEVEL)
    low, high = np.percentile((drawn @ excess) / (drawn @ weight), [tail, 100 - tail])
    return Interval(float(low), float(high))


def deal(strata: Sequence[Stratum]) -> float:
    """Return how often kinds dealt at random differ as far in the direction that is asked about."""
    generator = np.random.default_rng(_SEED)
    dealt = np.zeros(DEALS)
    for stratum in strata:
        # How many of each value a random deal gives the kind, without dealing one by one.
        hands = generator.multivariate_hypergeometric(
            stratum.counts, stratum.n_of_kind, size=DEALS, method="marginals"
        )
        dealt += hands @ stratum.values
    observed = sum(stratum.excess for stratum in strata)
    return (1 + int((dealt >= observed - _ROUNDING).sum())) / (1 + DEALS)


def adjust(chances: Sequence[float]) -> list[float]:
    """Adjust p values for their number by Holm's step-down method (1979)."""
    adjusted = [0.0] * len(chances)
    reached = 0.0
    for rank, place in enumerate(sorted(range(len(chances)), key=lambda i: chances[i])):
        reached = max(reached, min(1.0, (len(chances) - rank) * chances[place]))
        adjusted[place] = reached
    return adjusted
