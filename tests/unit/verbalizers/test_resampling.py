import math

import numpy as np
import pytest

from clerp.verbalizers.resampling import (
    DRAWS,
    draw_orders,
    draw_sets,
    draw_weights,
    find_chance,
    find_interval,
)


def test_few_sets_are_all_drawn():
    sets = draw_sets(6, 3)

    assert sets.is_all
    assert len({tuple(row) for row in sets.places.tolist()}) == math.comb(6, 3) == len(sets.places)


def test_of_many_sets_random_ones_are_drawn():
    sets = draw_sets(40, 5)

    assert not sets.is_all
    assert sets.places.shape == (DRAWS, 5)
    assert all(len(set(row)) == 5 for row in sets.places.tolist())
    # Every place comes as often as the others: 625 times on average.
    assert np.bincount(sets.places.ravel(), minlength=40) == pytest.approx(625, rel=0.2)


def test_orders_are_random_too():
    first = draw_orders(12, 4).places[:, 0]

    assert np.bincount(first, minlength=12) == pytest.approx(DRAWS / 12, rel=0.25)


def test_draws_are_the_same_every_time():
    seen = draw_orders(30, 4).places.copy()
    draw_orders.cache_clear()

    np.testing.assert_array_equal(draw_orders(30, 4).places, seen)


def test_all_sets_have_the_seen_one_among_them():
    assert find_chance(3.0, np.array([1.0, 2.0, 3.0, 4.0]), is_all=True) == 0.5
    assert find_chance(4.0, np.array([1.0, 2.0, 3.0, 4.0]), is_all=True) == 0.25


def test_random_sets_are_one_more_with_the_seen_one():
    drawn = np.arange(99.0)

    assert find_chance(1000.0, drawn, is_all=False) == 0.01
    assert find_chance(97.0, drawn, is_all=False) == 0.03
    assert find_chance(-1.0, drawn, is_all=False) == 1


def test_equal_values_count_however_they_are_rounded():
    assert find_chance(0.1 + 0.2, np.array([0.3, 0.0]), is_all=True) == 0.5


def test_resamples_draw_as_many_as_there_are():
    weights = draw_weights(5, 1)

    assert set(weights.sum(axis=1).tolist()) == {5.0}
    np.testing.assert_allclose(weights.mean(axis=0), 1, atol=0.1)
    assert not np.array_equal(weights, draw_weights(5, 2))


def test_the_interval_leaves_a_twentieth_on_each_side_of_what_is_defined():
    interval = find_interval(np.array([np.nan, *range(101), np.nan], dtype=np.float64))

    assert (interval.low, interval.high) == (5, 95)
