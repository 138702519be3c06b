"""Confusion matrices to measures of agreement.

All take a stack of matrices, one for each draw of features, so that the figure and its resamples
come from the same lines. Rows are the true roles, columns the roles that were found.
"""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Literal, get_args

import numpy as np
from jaxtyping import Float, Int

from clerp.kappa import Confusions, measure_kappa
from clerp.router import Role

ROLES: tuple[Role, ...] = get_args(Role)
Metric = Literal["accuracy", "macro_f1", "kappa"]
Figures = Float[np.ndarray, " draw"]


def encode(roles: Sequence[Role]) -> Int[np.ndarray, " feature"]:
    """Number roles by their place in `ROLES`."""
    places = {role: place for place, role in enumerate(ROLES)}
    return np.array([places[role] for role in roles], dtype=np.int64)


def tally(
    truth: Int[np.ndarray, " feature"],
    found: Int[np.ndarray, " feature"],
    weights: Float[np.ndarray, "draw feature"],
) -> Confusions:
    """Count every pair of a true and a found role.

    Args:
        truth: Roles as `encode` numbers them.
        found: What was found for the same features.
        weights: How often each feature is in each draw.
    """
    size = len(ROLES)
    cells = np.eye(size * size)[truth * size + found]
    return (weights @ cells).reshape(-1, size, size)


def measure_accuracy(confusions: Confusions) -> Figures:
    """Return the share of features with the true role."""
    return _hits(confusions).sum(axis=1) / confusions.sum(axis=(1, 2))


def measure_macro_f1(confusions: Confusions) -> Figures:
    """Average F1 over the roles that occur in the truth; one that is never found has 0."""
    true, found = confusions.sum(axis=2), confusions.sum(axis=1)
    occurs = true > 0
    f1 = np.divide(2 * _hits(confusions), true + found, out=np.zeros_like(true), where=occurs)
    return f1.sum(axis=1) / occurs.sum(axis=1)


MEASURES: Mapping[Metric, Callable[[Confusions], Figures]] = MappingProxyType(
    {"accuracy": measure_accuracy, "macro_f1": measure_macro_f1, "kappa": measure_kappa}
)


def _hits(confusions: Confusions) -> Float[np.ndarray, "draw role"]:
    return np.diagonal(confusions, axis1=1, axis2=2)
