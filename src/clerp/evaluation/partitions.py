"""How far two partitions of the same nodes agree.

All measures take draws of nodes (see `resampling`), so that a figure and its resamples come from
the same lines. A node that was drawn twice is no pair with itself: copies would always be together
on both sides and lift every figure. Pairs are of different nodes, weighted by how often both were
drawn; where each was drawn once, that is the count of pairs.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import numpy as np
from jaxtyping import Float, Int

from clerp.evaluation.measures import Figures

Agreement = Literal["adjusted_rand", "v_measure", "pair_f1"]


@dataclass(frozen=True, slots=True)
class Overlap:
    """Two partitions laid over each other: nodes drawn in every group, by draw."""

    true: Float[np.ndarray, "draw true"]
    found: Float[np.ndarray, "draw found"]
    cells: Float[np.ndarray, "draw cell"]
    """Nodes that share both groups."""
    own_squares: Figures
    """Sum over nodes of the square of how often each was drawn."""


def overlay(
    truth: Int[np.ndarray, " node"],
    found: Int[np.ndarray, " node"],
    weights: Float[np.ndarray, "draw node"],
) -> Overlap:
    """Lay two partitions over each other.

    Args:
        truth: The group of every node, as a number.
        found: Groups of the same nodes in the other partition.
        weights: How often each node is in each draw.
    """
    cells = truth.astype(np.int64) * (int(found.max()) + 1) + found
    sums = (_add_up(groups, weights) for groups in (truth, found, cells))
    return Overlap(*sums, own_squares=np.square(weights).sum(axis=1))


def measure_adjusted_rand(overlap: Overlap) -> Figures:
    """Return the Rand index above chance: 1 for equal partitions, 0 on average by chance.

    Source: Hubert and Arabie, Comparing partitions, Journal of Classification 2 (1985), eq. 5.
    """
    together, true, found = _pairs_together(overlap)
    n_drawn = overlap.true.sum(axis=1)
    everything = (np.square(n_drawn) - overlap.own_squares) / 2
    by_chance = true * found / np.maximum(everything, 1)
    return _divide(together - by_chance, (true + found) / 2 - by_chance)


def measure_v(overlap: Overlap) -> Figures:
    """Return the harmonic mean of homogeneity and completeness, 0 to 1.

    Both have the mutual information I of the partitions as numerator, so that the mean is
    2 I / (H(truth) + H(found)). It grows with the number of groups, without any chance level.

    Source: Rosenberg and Hirschberg, V-Measure, EMNLP-CoNLL 2007, with beta = 1.
    """
    true, found, both = map(_entropy, (overlap.true, overlap.found, overlap.cells))
    return _divide(2 * np.maximum(true + found - both, 0), true + found)


def measure_pair_f1(overlap: Overlap) -> Figures:
    """Return F1 over pairs of nodes, where a pair is found if one group has both.

    Source: Manning, Raghavan and Schuetze, Introduction to Information Retrieval (2008), 16.3.
    """
    together, true, found = _pairs_together(overlap)
    return _divide(2 * together, true + found)


AGREEMENTS: Mapping[Agreement, Callable[[Overlap], Figures]] = MappingProxyType(
    {
        "adjusted_rand": measure_adjusted_rand,
        "v_measure": measure_v,
        "pair_f1": measure_pair_f1,
    }
)


def _add_up(
    groups: Int[np.ndarray, " node"], weights: Float[np.ndarray, "draw node"]
) -> Float[np.ndarray, "draw group"]:
    order = np.argsort(groups, kind="stable")
    starts = np.flatnonzero(np.diff(groups[order], prepend=-1))
    return np.add.reduceat(weights[:, order], starts, axis=1)


def _pairs_together(overlap: Overlap) -> tuple[Figures, Figures, Figures]:
    """Count pairs in one cell, in one true group, in one found group."""
    cells, true, found = (
        (np.square(sums).sum(axis=1) - overlap.own_squares) / 2
        for sums in (overlap.cells, overlap.true, overlap.found)
    )
    return cells, true, found


def _entropy(sums: Float[np.ndarray, "draw group"]) -> Figures:
    shares = sums / sums.sum(axis=1, keepdims=True)
    return -(shares * np.log(np.where(shares > 0, shares, 1))).sum(axis=1)


def _divide(part: Figures, whole: Figures) -> Figures:
    # Nothing to agree on, as where no group of either side has a pair: they agree.
    has_some = ~np.isclose(whole, 0)
    return np.divide(part, whole, out=np.ones_like(part), where=has_some)
