from collections.abc import Sequence
from itertools import combinations
from math import comb, log
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clerp.evaluation.partitions import (
    measure_adjusted_rand,
    measure_pair_f1,
    measure_v,
    overlay,
)
from clerp.evaluation.resampling import draw_features

Groups = Sequence[int]
MEASURES = (measure_adjusted_rand, measure_v, measure_pair_f1)
PAIRED = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=2, max_size=25)


def measure(truth: Groups, found: Groups) -> list[float]:
    ones = np.ones((1, len(truth)))
    overlap = overlay(np.array(truth), np.array(found), ones)
    return [float(how(overlap)[0]) for how in MEASURES]


def part(pairs: Sequence[tuple[int, int]]) -> tuple[list[int], list[int]]:
    return [true for true, _ in pairs], [found for _, found in pairs]


def test_the_example_of_hubert_and_arabie_by_hand() -> None:
    # Cells 2 1 0 / 0 1 2: 2 pairs in cells, 6 in true groups, 1 + 1 + 1 in found ones, of 15.
    truth, found = [0, 0, 0, 1, 1, 1], [0, 0, 1, 1, 2, 2]
    by_chance = 6 * 3 / 15
    rand = (2 - by_chance) / ((6 + 3) / 2 - by_chance)
    entropies = (log(2), log(3), -(4 / 6 * log(2 / 6) + 2 / 6 * log(1 / 6)))
    v = 2 * (entropies[0] + entropies[1] - entropies[2]) / (entropies[0] + entropies[1])
    assert measure(truth, found) == pytest.approx([rand, v, 2 * 2 / (6 + 3)])


def test_v_is_the_harmonic_mean_of_homogeneity_and_completeness() -> None:
    # Every found group is pure, and one true group is torn in halves.
    truth, found = [0, 0, 0, 0, 1, 1, 1, 1], [0, 0, 1, 1, 2, 2, 2, 2]
    completeness = log(2) / (1.5 * log(2))
    assert measure(truth, found)[1] == pytest.approx(2 * completeness / (1 + completeness))


@given(PAIRED)
def test_pairs_are_counted_as_one_would_by_hand(pairs: list[tuple[int, int]]) -> None:
    truth, found = part(pairs)
    together = [
        (truth[i] == truth[j], found[i] == found[j]) for i, j in combinations(range(len(truth)), 2)
    ]
    true, said = sum(a for a, _ in together), sum(b for _, b in together)
    hits = sum(a and b for a, b in together)
    rand, _, f1 = measure(truth, found)
    assert f1 == pytest.approx(2 * hits / (true + said) if true + said else 1)
    by_chance = true * said / comb(len(truth), 2)
    highest = (true + said) / 2
    expected = (
        1 if highest == pytest.approx(by_chance) else (hits - by_chance) / (highest - by_chance)
    )
    assert rand == pytest.approx(expected)


@given(PAIRED)
def test_equal_partitions_agree_fully_whatever_groups_are_called(
    pairs: list[tuple[int, int]],
) -> None:
    truth, _ = part(pairs)
    assert measure(truth, [7 - group for group in truth]) == pytest.approx([1, 1, 1])


@given(PAIRED, st.randoms(use_true_random=False))
def test_neither_the_order_of_nodes_nor_the_side_matters(
    pairs: list[tuple[int, int]], random: Random
) -> None:
    truth, found = part(pairs)
    shuffled = measure(*part(random.sample(pairs, len(pairs))))
    assert shuffled == pytest.approx(measure(truth, found))
    assert measure(found, truth) == pytest.approx(measure(truth, found))


@given(PAIRED)
def test_figures_stay_in_their_range(pairs: list[tuple[int, int]]) -> None:
    rand, v, f1 = measure(*part(pairs))
    assert -0.5 - 1e-9 <= rand <= 1 + 1e-9
    assert 0 <= v <= 1 + 1e-9
    assert 0 <= f1 <= 1


def test_one_group_and_singletons_are_at_chance() -> None:
    truth = [0, 0, 0, 1, 1, 2]
    assert measure(truth, [0] * 6)[0] == pytest.approx(0)
    assert measure(truth, range(6))[0] == pytest.approx(0)
    assert measure(truth, range(6))[2] == 0


def test_random_partitions_agree_by_chance_alone() -> None:
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 4, 60)
    found = [measure(list(truth), list(rng.integers(0, 4, 60)))[0] for _ in range(200)]
    assert np.mean(found) == pytest.approx(0, abs=0.01)


def test_a_node_that_was_drawn_twice_is_no_pair_with_itself() -> None:
    truth = np.array([0, 0, 1, 1, 2])
    overlap = overlay(truth, np.arange(5), draw_features(5))
    assert (measure_pair_f1(overlap)[overlap_has_pairs(truth)] == 0).all()
    # Singletons never have more than no agreement above chance.
    assert np.median(measure_adjusted_rand(overlap)) == pytest.approx(0)


def overlap_has_pairs(truth: np.ndarray) -> np.ndarray:
    drawn = draw_features(len(truth)) > 0
    return np.array(
        [any(row[truth == group].sum() > 1 for group in np.unique(truth)) for row in drawn]
    )


def test_weights_count_pairs_of_different_nodes_as_often_as_both_were_drawn() -> None:
    truth, found = np.array([0, 0, 1]), np.array([0, 0, 0])
    overlap = overlay(truth, found, np.array([[2.0, 3.0, 1.0]]))
    # Together on both sides: 2 * 3; in the one found group also 2 * 1 and 3 * 1.
    assert measure_pair_f1(overlap)[0] == pytest.approx(2 * 6 / (6 + 11))


def test_drawing_one_node_alone_leaves_nothing_to_disagree_on() -> None:
    overlap = overlay(np.array([0, 1]), np.array([0, 1]), np.array([[2.0, 0.0]]))
    assert [float(how(overlap)[0]) for how in MEASURES] == [1, 1, 1]
