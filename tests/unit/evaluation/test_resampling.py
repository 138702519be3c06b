import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clerp.evaluation.resampling import LEVEL, RESAMPLES, centre, draw_features, estimate


@given(st.integers(1, 60))
def test_every_draw_has_as_many_features_and_the_first_has_each_once(n: int) -> None:
    drawn = draw_features(n)
    assert drawn.shape == (1 + RESAMPLES, n)
    assert (drawn[0] == 1).all()
    assert (drawn.sum(axis=1) == n).all()


def test_draws_are_the_same_every_time() -> None:
    np.testing.assert_array_equal(draw_features(30), draw_features(30))


def test_an_interval_holds_the_stated_share_of_the_resamples() -> None:
    figures = np.concatenate([[7.0], np.arange(RESAMPLES, dtype=float)])
    found = estimate(figures)
    inside = (figures[1:] >= found.low) & (figures[1:] <= found.high)
    assert found.value == 7
    assert inside.mean() == pytest.approx(LEVEL, abs=2 / RESAMPLES)
    assert found.low == pytest.approx(RESAMPLES - 1 - found.high)


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
def test_the_interval_of_a_share_is_that_of_the_normal_approximation(share: float) -> None:
    n = 400
    hits = np.zeros(n)
    hits[: int(share * n)] = 1
    found = estimate(draw_features(n) @ hits / n)
    spread = 1.645 * np.sqrt(share * (1 - share) / n)
    assert found.value == pytest.approx(share)
    assert found.low < share < found.high
    assert found.high - found.low == pytest.approx(2 * spread, rel=0.15)


def test_streams_are_drawn_apart() -> None:
    np.testing.assert_array_equal(draw_features(30, 1), draw_features(30, 1))
    assert not np.array_equal(draw_features(30, 1), draw_features(30, 2))
    assert not np.array_equal(draw_features(30), draw_features(30, 0))


def test_centred_resamples_have_the_figure_as_their_median_and_spread_as_before() -> None:
    figures = np.array([5.0, 6.0, 8.0, 11.0])
    centred = centre(figures)
    assert centred.tolist() == [5, 3, 5, 8]
    assert figures.tolist() == [5, 6, 8, 11]
