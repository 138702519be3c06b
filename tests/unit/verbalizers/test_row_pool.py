"""Rows of all features in one pool, against the same sums written out."""

from collections.abc import Sequence
from itertools import combinations, permutations, product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clerp.verbalizers.resampling import RESAMPLES, draw_weights, find_interval
from clerp.verbalizers.row_pool import FEWEST, Excess, RowPool

Rows = np.ndarray[Any, Any]
Feature = list[Rows]
DIMENSION = 3


def draw(*sizes: int, seed: int = 0) -> Feature:
    """Draw groups of so many rows."""
    generator = np.random.default_rng([seed, *sizes])
    return [generator.normal(size=(size, DIMENSION)) for size in sizes]


def compare(features: Sequence[Feature], place: int = 0) -> Excess:
    found = RowPool(features).compare(place)
    assert found is not None
    return found


def average_within(groups: Feature) -> float:
    means = [np.mean([one @ other for one, other in combinations(group, 2)]) for group in groups]
    return float(np.mean(means))


def average_between(features: Sequence[Feature], place: int) -> float:
    own = np.concatenate(features[place])
    others = [row for i, groups in enumerate(features) if i != place for g in groups for row in g]
    return float(np.mean([one @ other for one, other in product(own, others)]))


sizes = st.lists(st.integers(2, 4), min_size=1, max_size=3)
pools = st.lists(sizes, min_size=2, max_size=4)


@settings(max_examples=20)
@given(pools, st.data())
def test_every_pair_counts_once_and_no_row_with_itself(pool: list[list[int]], data: Any):
    features = [draw(*own, seed=seed) for seed, own in enumerate(pool)]
    place = data.draw(st.integers(0, len(features) - 1))
    found = RowPool(features).compare(place)
    if pool[place] == [2]:
        assert found is None
        return
    assert found is not None
    assert found.within == pytest.approx(average_within(features[place]), abs=1e-9)
    assert found.between == pytest.approx(average_between(features, place), abs=1e-9)
    assert found.n_items == (pool[place][0] if len(pool[place]) == 1 else len(pool[place]))
    assert found.n_others == sum(map(sum, pool)) - sum(pool[place])
    assert 0 < found.p <= 1
    assert found.interval.low <= found.interval.high


@settings(max_examples=10)
@given(pools, st.randoms(use_true_random=False))
def test_the_order_of_groups_changes_neither_mean(pool: list[list[int]], random: Any):
    features = [draw(*own, seed=seed) for seed, own in enumerate(pool)]
    shuffled = [random.sample(groups, len(groups)) for groups in features]
    for place in range(len(features)):
        there, back = RowPool(features).compare(place), RowPool(shuffled).compare(place)
        assert (there is None) == (back is None)
        if there is not None and back is not None:
            assert back.within == pytest.approx(there.within, abs=1e-9)
            assert back.between == pytest.approx(there.between, abs=1e-9)
            assert (back.n_items, back.n_others) == (there.n_items, there.n_others)


def test_what_is_given_is_not_changed():
    features = [draw(2, 4, 3), draw(3, seed=1)]
    kept = [[group.copy() for group in groups] for groups in features]
    compare(features)
    for groups, before in zip(features, kept, strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(groups, before, strict=True))


@pytest.mark.parametrize(
    "own",
    [[], draw(1), draw(1, 1, 1), draw(3, 1), draw(FEWEST - 1)],
    ids=["no group", "one row", "rows alone", "a row alone", "too few rows"],
)
def test_what_has_too_few_rows_is_not_compared(own: Feature):
    assert RowPool([own, draw(4, seed=1)]).compare(0) is None


@pytest.mark.parametrize("own", [draw(FEWEST), draw(2, 2)], ids=["one group", "two pairs"])
def test_the_fewest_rows_that_are_compared(own: Feature):
    assert RowPool([own, draw(1, seed=1)]).compare(0) is not None


def test_without_another_row_nothing_is_compared():
    assert RowPool([draw(4)]).compare(0) is None
    assert RowPool([draw(4), [], []]).compare(0) is None
    assert RowPool([[], []]).compare(0) is None


def test_a_feature_without_rows_changes_no_mean_and_no_chance():
    one, other = draw(4), draw(3, seed=1)
    alone, beside = compare([one, other]), compare([one, [], other])
    assert beside.within == alone.within
    assert beside.between == alone.between
    assert beside.p == alone.p
    assert beside.n_others == alone.n_others == 3


def test_chance_is_exact_where_all_sets_can_be_drawn():
    features = [draw(3), draw(4, seed=1)]
    rows = np.concatenate([group for groups in features for group in groups])

    def excess(own: Sequence[int]) -> float:
        rest = [i for i in range(len(rows)) if i not in own]
        return average_within([rows[list(own)]]) - float((rows[list(own)] @ rows[rest].T).mean())

    every = [excess(own) for own in combinations(range(len(rows)), 3)]
    expected = np.mean([value >= excess((0, 1, 2)) - 1e-9 for value in every])
    assert compare(features).p == pytest.approx(expected, abs=1e-5)


def test_rows_that_are_all_alike_are_all_ties():
    features = [[np.ones((3, DIMENSION))], [np.ones((4, DIMENSION))], [np.ones((2, DIMENSION))] * 2]
    for place in (0, 2):
        found = compare(features, place)
        assert (found.within, found.between) == (DIMENSION, DIMENSION)
        assert found.p == 1
        assert (found.interval.low, found.interval.high) == (0, 0)


def test_of_groups_it_matters_which_rows_are_together():
    # Both have the same rows: at one they are in pairs of two equal ones, at the other mixed.
    north, east = np.eye(DIMENSION)[:1], np.eye(DIMENSION)[1:2]
    paired = [np.vstack([north, north]), np.vstack([east, east])]
    mixed = [np.vstack([north, east]), np.vstack([north, east])]
    others = draw(4, 4, seed=2)
    found = compare([paired, others]), compare([mixed, others])
    assert [one.within for one in found] == [1, 0]
    assert found[0].between == pytest.approx(found[1].between)
    assert found[0].p < found[1].p


def test_chance_of_groups_is_that_of_all_ways_to_make_them():
    rows = np.vstack([np.eye(DIMENSION)[[0, 0, 1, 1]], draw(4, seed=3)[0] / 4])
    own, others = [rows[:2], rows[2:4]], [rows[4:]]

    def excess(order: Sequence[int]) -> float:
        rest = [i for i in range(len(rows)) if i not in order]
        groups = [rows[list(order[:2])], rows[list(order[2:])]]
        return average_within(groups) - float((rows[list(order)] @ rows[rest].T).mean())

    every = [excess(order) for order in permutations(range(len(rows)), 4)]
    expected = np.mean([value >= excess((0, 1, 2, 3)) - 1e-9 for value in every])
    # In a third of the ways to pair them the same four rows are as alike.
    assert expected == pytest.approx(1 / 3 / 70)
    assert compare([own, others]).p == pytest.approx(expected, abs=0.003)


def resample(features: Sequence[Feature], place: int) -> np.ndarray[Any, Any]:
    """Write the bootstrap out: items of the feature, and the other features, drawn anew."""
    own = features[place]
    items = [row[np.newaxis] for row in own[0]] if len(own) == 1 else own
    drawn_items, drawn_features = draw_weights(len(items), 1), draw_weights(len(features), 0)
    excesses = np.full(RESAMPLES, np.nan)
    for number in range(RESAMPLES):
        chosen = np.repeat(np.arange(len(items)), drawn_items[number].astype(int)).tolist()
        others = [
            row
            for i, n in enumerate(drawn_features[number].astype(int).tolist())
            if i != place
            for groups in [features[i]] * n
            for group in groups
            for row in group
        ]
        if len(own) == 1:
            pairs = [own[0][a] @ own[0][b] for a, b in product(chosen, chosen) if a != b]
            within = np.mean(pairs) if pairs else np.nan
        else:
            within = np.mean([average_within([own[i]]) for i in chosen])
        rows = np.concatenate([items[i] for i in chosen])
        if others and np.isfinite(within):
            excesses[number] = within - float((rows @ np.array(others).T).mean())
    return excesses


@pytest.mark.parametrize(
    "features",
    [
        [draw(4), draw(3, seed=1), draw(2, 2, seed=2)],
        [draw(3, 2, 2), draw(3, seed=1), [], draw(1, seed=2)],
    ],
    ids=["rows", "groups"],
)
def test_the_interval_is_of_items_and_other_features_drawn_anew(features: list[Feature]):
    excesses = resample(features, 0)
    assert np.isnan(excesses).any()
    expected = find_interval(excesses)
    found = compare(features).interval
    assert found.low == pytest.approx(expected.low, abs=2e-4)
    assert found.high == pytest.approx(expected.high, abs=2e-4)


def test_no_figure_hangs_on_what_was_compared_before():
    features = [draw(2, 2, seed=seed) for seed in range(10)]
    pool, again = RowPool(features), RowPool(features)
    forward = [pool.compare(place) for place in range(10)]
    backward = [again.compare(place) for place in reversed(range(10))]
    assert forward == backward[::-1]
