"""Contexts less what their words stand in anyway."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float64

from clerp.ordinary import OrdinaryContexts, join_sides
from clerp.router.surroundings import Surroundings
from clerp.word_counts import normalise


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
    before = contexts.context_vectors([_normalise(place.before) for place in places])
    after = contexts.context_vectors([_normalise(place.after) for place in places])
    vectors = join_sides(before, after)
    means = np.stack([contexts.mean_context(place.key, "both") for place in places])
    present = vectors.any(axis=1, keepdims=True)
    return np.where(present, vectors - means, 0.0).astype(np.float64)


def _normalise(words: Sequence[str]) -> list[str]:
    return [normalise(word) for word in words]
