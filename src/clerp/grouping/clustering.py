"""Average-linkage clustering of nodes that are alike."""

import numpy as np
from jaxtyping import Float64

NEVER = -np.inf
"""Similarity of two nodes that must not be in one cluster, nor may clusters that hold them."""

# Averages of numbers that add up to the threshold come out a little less.
_NOISE = 1e-9


def cluster(
    similarity: Float64[np.ndarray, "node node"], threshold: float
) -> tuple[tuple[int, ...], ...]:
    """Merge the two clusters that are most alike, until none are alike enough.

    Two clusters are as alike as their members are on average (UPGMA: Sokal and Michener, 1958), so
    a chain of nodes, each like the next, is no cluster. Of equal pairs the first goes first.

    Args:
        similarity: Symmetric; its diagonal is not read.
        threshold: Least average similarity of two clusters that are merged.

    Returns:
        Every node in one cluster, both in order.
    """
    alike = similarity.copy()
    np.fill_diagonal(alike, NEVER)
    members = [[node] for node in range(len(alike))]
    best = alike.max(axis=1, initial=NEVER)
    while best.max(initial=NEVER) >= threshold - _NOISE:
        one = int(best.argmax())
        other = int(alike[one].argmax())
        _merge(alike, best, one, other, (len(members[one]), len(members[other])))
        members[one] += members[other]
        members[other] = []
    return tuple(sorted(tuple(sorted(found)) for found in members if found))


def _merge(
    alike: Float64[np.ndarray, "node node"],
    best: Float64[np.ndarray, " node"],
    one: int,
    other: int,
    sizes: tuple[int, int],
) -> None:
    """Let the row of `one` stand for both, and correct the largest similarity of every row."""
    # An average is no larger than what it is of: other rows keep their largest elsewhere.
    stale = (alike[one] == best) | (alike[other] == best)
    row = (sizes[0] * alike[one] + sizes[1] * alike[other]) / sum(sizes)
    row[[one, other]] = NEVER
    alike[one] = alike[:, one] = row
    alike[other] = alike[:, other] = NEVER
    stale[[one, other]] = True
    best[stale] = alike[stale].max(axis=1, initial=NEVER)
