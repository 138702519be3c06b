"""Activations as features have them: heights that fall from example to example, mostly zeros."""

from collections.abc import Collection

import numpy as np

from clerp.evidence import ActivationExample
from clerp.testing.planting.draws import Draws
from clerp.testing.planting.passages import Passage

LOWER_QUANTILES = ((0.70, 0.45), (0.42, 0.26), (0.24, 0.17), (0.16, 0.11), (0.10, 0.05))
"""Peaks of the lower examples as shares of the maximum, by quantile, as real features have them."""
_LAST_OF_TOP = (0.75, 0.97)
_DIGITS = 4


def draw_heights(draws: Draws, maximum: float, n: int) -> list[float]:
    """Draw the peaks of n top examples, strongest first; the first is the maximum."""
    last = draws.between(*_LAST_OF_TOP)
    shares = sorted((draws.between(last, 1.0) for _ in range(n - 1)), reverse=True)
    return [maximum, *(maximum * share for share in shares)]


def draw_lower_heights(draws: Draws, maximum: float, n: int) -> list[list[float]]:
    """Draw the peaks of n examples of each lower quantile, strongest first."""
    return [
        sorted((maximum * draws.between(low, high) for _ in range(n)), reverse=True)
        for high, low in LOWER_QUANTILES
    ]


def draw_active(draws: Draws, n: int, peak: int, share: float) -> list[int]:
    """Draw the tokens that are active besides the peak: none, a few, or a share of n tokens."""
    others = [at for at in range(n) if at != peak]
    few = int(7 * draws.between(0.0, 1.0) ** 2)
    return draws.sample(others, max(few, round(share * n)))


def make_example(
    draws: Draws,
    passage: Passage,
    height: float,
    *,
    id: str,  # noqa: A002 - the field's name
    dense: float = 0.0,
    alike: Collection[str] = (),
) -> ActivationExample:
    """Make an example of a passage.

    Args:
        draws: Where other activations come from.
        passage: Its tokens and peak.
        height: Activation at the peak, the highest of the example.
        id: Place in the record.
        dense: Share of the tokens that are active, if it is more than a few.
        alike: Tokens on which the feature fires wherever they stand.
    """
    spelled = passage.spell()
    active = draw_active(draws, len(spelled.tokens), spelled.peak, dense)
    shares = {at: draws.between(0.05, 0.9) for at in active}
    shares |= {
        at: draws.between(0.5, 0.95) for at, token in enumerate(spelled.tokens) if token in alike
    }
    activations = np.zeros(len(spelled.tokens), dtype=np.float32)
    for at, share in shares.items():
        activations[at] = round(height * share, _DIGITS)
    activations[spelled.peak] = round(height, _DIGITS)
    return ActivationExample(id, spelled.tokens, activations, spelled.peak)
