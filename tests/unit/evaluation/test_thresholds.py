import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clerp.evaluation.thresholds import find_plateau

THRESHOLDS = (0.1, 0.2, 0.3, 0.4, 0.5)
N = 400


def draw(*levels: float, spread: float = 0.0, shared: float = 0.0) -> np.ndarray:
    """Draw figures of thresholds: a level each, noise of its own, and noise that all share."""
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(len(levels), N)) * spread + rng.normal(size=N) * shared
    noise[:, 0] = 0
    return np.array(levels)[:, np.newaxis] + noise


def test_the_plateau_holds_what_noise_could_turn_round():
    found = find_plateau(THRESHOLDS, draw(0.2, 0.58, 0.6, 0.59, 0.2, spread=0.05))
    assert (found.threshold, found.lowest, found.highest) == (0.3, 0.2, 0.4)


def test_noise_that_all_thresholds_share_turns_nothing_round():
    found = find_plateau(THRESHOLDS, draw(0.2, 0.58, 0.6, 0.59, 0.2, shared=0.5))
    assert (found.threshold, found.lowest, found.highest) == (0.3, 0.3, 0.3)


def test_a_plateau_ends_where_the_first_is_clearly_worse():
    found = find_plateau(THRESHOLDS, draw(0.6, 0.2, 0.61, 0.2, 0.6, spread=0.05))
    assert (found.threshold, found.lowest, found.highest) == (0.3, 0.3, 0.3)


def test_equals_are_one_plateau_from_its_lowest():
    found = find_plateau(THRESHOLDS, draw(0.5, 0.5, 0.5, 0.5, 0.5))
    assert (found.threshold, found.lowest, found.highest) == (0.1, 0.1, 0.5)


@pytest.mark.parametrize("best", range(5))
def test_the_best_may_lie_at_an_end(best: int):
    levels = [0.1] * 5
    levels[best] = 0.9
    found = find_plateau(THRESHOLDS, draw(*levels))
    assert (found.threshold, found.lowest, found.highest) == (THRESHOLDS[best],) * 3


@given(st.lists(st.integers(-4, 4), min_size=5, max_size=5), st.integers(0, 3))
def test_the_best_lies_in_its_plateau(levels: list[int], spread: int):
    found = find_plateau(THRESHOLDS, draw(*(n / 4 for n in levels), spread=spread / 4))
    assert found.lowest <= found.threshold <= found.highest
    assert levels[THRESHOLDS.index(found.threshold)] == max(levels)
