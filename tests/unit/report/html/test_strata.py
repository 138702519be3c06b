import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clerp.report.html.strata import (
    DEALS,
    Stratum,
    adjust,
    deal,
    make_stratum,
    measure_difference,
    resample,
)

LAYERS = st.lists(st.integers(0, 30), min_size=2, max_size=12)


def make(cluster: int, of_kind: list[int], others: list[int]) -> Stratum:
    values = np.array([*of_kind, *others], dtype=np.float64)
    is_of_kind = np.array([True] * len(of_kind) + [False] * len(others))
    return make_stratum(cluster, values, is_of_kind)


def test_the_difference_of_one_stratum_is_that_of_the_means():
    assert measure_difference([make(0, [5, 7], [1, 2, 3])]) == pytest.approx(4.0)


@given(st.lists(st.tuples(LAYERS, LAYERS), min_size=1, max_size=4))
def test_the_difference_is_the_slope_of_a_regression_with_an_intercept_for_each_stratum(
    strata: list[tuple[list[int], list[int]]],
):
    rows, values = [], []
    for place, (of_kind, others) in enumerate(strata):
        for layer, is_of_kind in [(v, 1.0) for v in of_kind] + [(v, 0.0) for v in others]:
            rows.append([is_of_kind, *(float(place == other) for other in range(len(strata)))])
            values.append(float(layer))
    slope = np.linalg.lstsq(np.array(rows), np.array(values), rcond=None)[0][0]
    made = [make(place, *lists) for place, lists in enumerate(strata)]
    assert measure_difference(made) == pytest.approx(slope, abs=1e-8)


def test_equal_clusters_leave_no_interval():
    interval = resample([make(cluster, [5, 7], [1, 2, 3]) for cluster in range(4)])
    assert (interval.low, interval.high) == pytest.approx((4.0, 4.0))


def test_strata_of_one_cluster_are_drawn_together():
    """Two halves that cancel out always do when they are one cluster's."""
    halves = [([5], [1]), ([1], [5])]
    together = resample([make(c, *half) for c in range(6) for half in halves])
    apart = resample([make(2 * c + i, *half) for c in range(6) for i, half in enumerate(halves)])
    assert (together.low, together.high) == (0.0, 0.0)
    assert apart.low < 0 < apart.high


def test_the_least_chance_is_that_of_one_in_all_deals():
    assert deal([make(0, list(range(20, 40)), list(range(20)))]) == 1 / (1 + DEALS)
    assert deal([make(0, list(range(20)), list(range(20, 40)))]) == 1.0


def test_values_that_do_not_differ_have_a_chance_of_one():
    assert deal([make(0, [3, 3], [3, 3, 3])]) == 1.0


def test_holms_method_gives_the_values_of_its_definition():
    assert adjust([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert adjust([0.5, 0.9]) == [1.0, 1.0]
    assert adjust([]) == []


@given(st.lists(st.floats(0, 1), max_size=6))
def test_adjusted_chances_are_no_smaller_and_in_the_same_order(chances: list[float]):
    adjusted = adjust(chances)
    assert all(a >= p for a, p in zip(adjusted, chances, strict=True))
    assert all(a <= 1 for a in adjusted)
    ordered = [a for _, a in sorted(zip(chances, adjusted, strict=True))]
    assert ordered == sorted(ordered)
