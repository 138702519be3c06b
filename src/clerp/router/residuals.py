"""Contexts less what their words stand in anyway."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float64

from clerp.ordinary import OrdinaryContexts, join_sides
from clerp.router.surroundings import Surroundings


def measure_residuals(
    places: Sequence[Surroundings], contexts: OrdinaryContexts
) -> Float64[np.ndarray, "place dimension"]:
    """Return each place's context, both sides, less the mean one of its word in ordinary text.

    Args:
        places: One at least.
        contexts: Of ordinary text.

    Returns:
        A row for each place; zeros for one whose context has no content.
    """
    before = contexts.context_vectors([place.before for place in places])
    after = contexts.context_vectors([place.after for place in places])
    vectors = join_sides(before, after)
    means = contexts.mean_contexts([place.key for place in places], "both")
    present = vectors.any(axis=1, keepdims=True)
    return np.where(present, vectors - means, 0.0).astype(np.float64)
