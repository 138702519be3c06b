"""Quantiles of a stream within a relative error, in fixed memory.

DDSketch (Masson, Rim and Lee 2019): bucket i counts the values from base**(i - 1) to base**i, and
its middle is within the error of all of them.
"""

import math

import numpy as np
from jaxtyping import Float64, Integer, Num

_LEAST, _GREATEST = 1e-8, 1e8
"""Activations beyond are counted in the first or last bucket, without a bound of the error."""


class Buckets:
    """The borders of the buckets.

    Attributes:
        n: Number of buckets.
        middles: What a bucket's values are taken for.
    """

    def __init__(self, error: float) -> None:
        """Place the buckets.

        Args:
            error: Largest relative difference between a value and the middle of its bucket.
        """
        base = (1 + error) / (1 - error)
        self._log_base = math.log(base)
        self._first = math.ceil(math.log(_LEAST) / self._log_base)
        self.n = math.ceil(math.log(_GREATEST) / self._log_base) - self._first + 1
        exponents = np.arange(self._first, self._first + self.n)
        self.middles = 2 * base**exponents / (base + 1)

    def find(self, values: Num[np.ndarray, " value"]) -> Integer[np.ndarray, " value"]:
        """Return the bucket of each positive value."""
        exponents = np.ceil(np.log(values.astype(np.float64)) / self._log_base)
        return (exponents.astype(np.int64) - self._first).clip(0, self.n - 1)

    def find_quantiles(
        self, counts: Integer[np.ndarray, " bucket"], shares: Float64[np.ndarray, " share"]
    ) -> Float64[np.ndarray, " share"]:
        """Return the value at each share of the sorted values, rounded down to a value."""
        totals = counts.cumsum()
        ranks = shares * (totals[-1] - 1)
        return self.middles[np.searchsorted(totals, ranks, side="right")]

    def spread(
        self, counts: Integer[np.ndarray, " bucket"], n_bins: int, lowest: float, highest: float
    ) -> Integer[np.ndarray, " bin"]:
        """Count the values in equal bins between the ends of them."""
        width = (highest - lowest) / n_bins or 1.0
        bins = ((self.middles - lowest) / width).clip(0, n_bins - 1).astype(np.int64)
        spread = np.zeros(n_bins, np.int64)
        np.add.at(spread, bins, counts)
        return spread
