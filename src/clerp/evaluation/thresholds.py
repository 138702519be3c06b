"""Which threshold agrees best, and how far around it no other agrees clearly less."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from clerp.evaluation.resampling import Estimate, estimate


@dataclass(frozen=True, slots=True)
class Plateau:
    """The best of several thresholds, and those beside it that a sample cannot tell from it."""

    threshold: float
    """The lowest of equals."""
    figure: Estimate
    """What it reaches."""
    lowest: float
    highest: float
    """From the one to the other every threshold is as good as the best one in some of the
    resamples: the interval of how far the best one is ahead reaches 0."""


def find_plateau(
    thresholds: Sequence[float], figures: Float[np.ndarray, "threshold draw"]
) -> Plateau:
    """Find the best threshold and the stretch around it.

    Args:
        thresholds: In ascending order.
        figures: What each reaches on the features themselves, first, and on each resample.
    """
    best = int(figures[:, 0].argmax())
    is_near = [estimate(figures[best] - others).low <= 0 for others in figures]
    below = next((i for i in range(best, -1, -1) if not is_near[i]), -1)
    above = next((i for i in range(best, len(is_near)) if not is_near[i]), len(is_near))
    return Plateau(
        thresholds[best], estimate(figures[best]), thresholds[below + 1], thresholds[above - 1]
    )
