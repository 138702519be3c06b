"""Vectors of the texts of all features in one pool, and how much more alike a feature's own are."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float64, Int64

from clerp.verbalizers.resampling import (
    RESAMPLES,
    Interval,
    draw_orders,
    draw_sets,
    draw_weights,
    find_chance,
    find_interval,
)

FEWEST = 3
"""Rows of a single group with fewer of which nothing is said."""
_NUMBERS_AT_ONCE = 2_000_000
_FEATURES, _OWN = 0, 1

Rows = Float64[np.ndarray, "_ dimension"]
"""Of one group: groups differ in their number of rows."""


@dataclass(frozen=True, slots=True)
class Excess:
    """How much more alike the rows of a feature's groups are than rows of different features."""

    within: float
    """Mean product of two rows of a group, mean over groups."""
    between: float
    """Mean product of a row of the feature and one of another."""
    interval: Interval
    """Of the difference."""
    p: float
    """Share of sets of rows of the pool, grouped likewise, whose difference is as large."""
    n_items: int
    """Groups; rows where there is one group."""
    n_others: int
    """Rows of other features."""


class RowPool:
    """Rows by feature and group.

    Args:
        features: The groups of each feature, none of them empty.
    """

    def __init__(self, features: Sequence[Sequence[Rows]]) -> None:
        # In one order of sizes, so that features share draws; `sorted` keeps equal ones in place.
        self._groups = [sorted(groups, key=len, reverse=True) for groups in features]
        self._sizes = [tuple(map(len, groups)) for groups in self._groups]
        self._counts = np.array([sum(sizes) for sizes in self._sizes], dtype=np.int64)
        self._stops = np.cumsum(self._counts)
        self._drawn: dict[tuple[int, ...], _Draws] = {}

    def compare(self, feature: int) -> Excess | None:
        """Hold one feature against the others.

        Returns:
            None where it has no group, a group of one row, or a single group of fewer than
            `FEWEST`, or where no other feature has a row.
        """
        sizes = self._sizes[feature]
        n_others = len(self._rows) - sum(sizes)
        if not sizes or min(sizes) < 2 or sum(sizes) < FEWEST or not n_others:
            return None
        stop = int(self._stops[feature])
        own = np.arange(stop - sum(sizes), stop)[np.newaxis]
        seen = self._score(own, sizes)
        if sizes not in self._drawn:
            self._drawn[sizes] = self._draw(sizes)
        null = self._drawn[sizes]
        within, between = float(seen.within[0]), float(seen.between[0])
        return Excess(
            within=within,
            between=between,
            interval=find_interval(self._resample(feature)),
            p=find_chance(within - between, null.excess, is_all=null.is_all),
            n_items=sum(sizes) if len(sizes) == 1 else len(sizes),
            n_others=n_others,
        )

    @cached_property
    def _rows(self) -> Rows:
        groups = [group for groups in self._groups for group in groups]
        return np.concatenate(groups) if groups else np.zeros((0, 1))

    @cached_property
    def _squares(self) -> Float64[np.ndarray, " row"]:
        return np.einsum("ij,ij->i", self._rows, self._rows)

    @cached_property
    def _total(self) -> Float64[np.ndarray, " dimension"]:
        return self._rows.sum(axis=0)

    @cached_property
    def _others(self) -> "_Resampled":
        """Sums over resampled features, the same for whatever feature is then taken out."""
        weights = draw_weights(len(self._groups), _FEATURES)
        sums = np.stack(
            [
                self._rows[stop - n : stop].sum(axis=0)
                for stop, n in zip(self._stops, self._counts, strict=True)
            ]
        )
        return _Resampled(weights, sums, weights @ sums, weights @ self._counts)

    def _draw(self, sizes: tuple[int, ...]) -> "_Draws":
        n, size = len(self._rows), sum(sizes)
        # Which of a set are in one group depends on their order.
        sets = draw_sets(n, size) if len(sizes) == 1 else draw_orders(n, size)
        at_once = max(1, _NUMBERS_AT_ONCE // (size * self._rows.shape[1]))
        parts = [sets.places[i : i + at_once] for i in range(0, len(sets.places), at_once)]
        scored = [self._score(part, sizes) for part in parts]
        return _Draws(np.concatenate([s.within - s.between for s in scored]), sets.is_all)

    def _score(self, places: Int64[np.ndarray, "set place"], sizes: tuple[int, ...]) -> "_Scores":
        """Score sets of rows, each in groups of these sizes."""
        groups = np.array(sizes)
        starts = np.cumsum(groups) - groups
        sums = np.add.reduceat(self._rows[places], starts, axis=1)
        own = np.add.reduceat(self._squares[places], starts, axis=1)
        # Pairs of a row with itself are in the square of the sum.
        pairs = np.einsum("sgd,sgd->sg", sums, sums) - own
        whole = sums.sum(axis=1)
        n, n_rows = places.shape[1], len(self._rows)
        across = whole @ self._total - np.einsum("sd,sd->s", whole, whole)
        return _Scores((pairs / (groups * (groups - 1))).mean(axis=1), across / (n * (n_rows - n)))

    def _resample(self, feature: int) -> Float64[np.ndarray, " resample"]:
        """Resample a feature's groups, or the rows of its only group, and the other features."""
        groups = self._groups[feature]
        if len(groups) == 1:
            sums, counts = groups[0], np.ones(len(groups[0]))
            weights = draw_weights(len(sums), _OWN)
            products = sums @ sums.T
            np.fill_diagonal(products, 0)
            totals = np.einsum("bi,ij,bj->b", weights, products, weights, optimize=True)
            within = _divide(totals, len(sums) ** 2 - np.square(weights).sum(axis=1))
        else:
            sums = np.stack([group.sum(axis=0) for group in groups])
            counts = np.array([len(group) for group in groups], dtype=np.float64)
            weights = draw_weights(len(groups), _OWN)
            own = np.array([np.square(group).sum() for group in groups])
            means = (np.square(sums).sum(axis=1) - own) / (counts * (counts - 1))
            within = weights @ means / len(groups)
        others = self._others
        drawn = others.weights[:, feature]
        # Sums over all features, less what the feature itself has in them.
        own_sums = weights @ sums
        products = np.einsum("bd,bd->b", own_sums, others.totals)
        products -= drawn * (own_sums @ others.sums[feature])
        other_counts = others.counts - drawn * self._counts[feature]
        return within - _divide(products, (weights @ counts) * other_counts)


@dataclass(frozen=True, slots=True, eq=False)
class _Scores:
    within: Float64[np.ndarray, " set"]
    between: Float64[np.ndarray, " set"]


@dataclass(frozen=True, slots=True, eq=False)
class _Draws:
    excess: Float64[np.ndarray, " set"]
    is_all: bool


@dataclass(frozen=True, slots=True, eq=False)
class _Resampled:
    weights: Float64[np.ndarray, "resample feature"]
    sums: Float64[np.ndarray, "feature dimension"]
    totals: Float64[np.ndarray, "resample dimension"]
    counts: Float64[np.ndarray, " resample"]


def _divide(
    totals: Float64[np.ndarray, " resample"], counts: Float64[np.ndarray, " resample"]
) -> Float64[np.ndarray, " resample"]:
    """Divide; a resample of one row alone, or of no other feature, has no mean and is no number."""
    return np.divide(totals, counts, out=np.full(RESAMPLES, np.nan), where=counts > 0.5)
