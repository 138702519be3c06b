import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clerp_nla.evaluation.ranking import rank, share

SIGNALS = st.lists(st.tuples(st.sampled_from([0.0, 0.5, 1.0, 2.0]), st.booleans()), min_size=1)


@given(SIGNALS)
def test_the_area_is_the_share_of_pairs_in_order(drawn: list[tuple[float, bool]]) -> None:
    signal, truth = np.array([s for s, _ in drawn]), np.array([t for _, t in drawn])
    pairs = list(itertools.product(signal[truth], signal[~truth]))
    found = rank(signal, truth)
    if not pairs:
        assert found is None
        return
    assert found is not None
    expected = np.mean([(a > b) + 0.5 * (a == b) for a, b in pairs])
    assert found.area == pytest.approx(expected)
    assert 0 <= found.low <= found.high <= 1
    assert (found.n_true, found.n_false) == (int(truth.sum()), int((~truth).sum()))


def test_what_is_not_defined_is_left_out() -> None:
    found = rank(np.array([np.nan, 1.0, 2.0, np.nan]), np.array([False, False, True, True]))
    assert found is not None
    assert (found.area, found.n_true, found.n_false) == (1.0, 1, 1)


def test_a_signal_without_information_is_near_chance_and_its_interval_says_so() -> None:
    chance = np.random.default_rng(0)
    found = rank(chance.normal(size=400), chance.random(400) < 0.5)
    assert found is not None
    assert found.low < 0.5 < found.high
    assert found.high - found.low < 0.15


def test_shares_have_intervals() -> None:
    found = share(np.arange(100) < 30)
    assert found is not None
    assert (found.value, found.n) == (0.3, 100)
    assert 0.15 < found.low < 0.3 < found.high < 0.45
    assert share(np.zeros(0, dtype=np.bool_)) is None


def test_none_of_few_is_less_sure_than_none_of_many() -> None:
    few, many = share(np.zeros(5, dtype=np.bool_)), share(np.zeros(500, dtype=np.bool_))
    assert few is not None
    assert many is not None
    assert (few.value, few.low) == (0.0, 0.0)
    assert few.high > 0.3 > 0.01 > many.high > 0
    every = share(np.ones(5, dtype=np.bool_))
    assert every is not None
    assert every.low == pytest.approx(1 - few.high)
    three = share(np.arange(10) < 3)
    assert three is not None
    assert (three.low, three.high) == (
        pytest.approx(0.1269, abs=1e-3),
        pytest.approx(0.5583, abs=1e-3),
    )
