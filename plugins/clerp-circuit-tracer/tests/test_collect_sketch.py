import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clerp_circuit_tracer.collect.drive import Places
from clerp_circuit_tracer.collect.settings import CollectSettings
from clerp_circuit_tracer.collect.sketch import Buckets
from clerp_circuit_tracer.collect.tallies import Tallies

ERROR = 0.005
activations = st.lists(st.floats(2.0**-20, 2.0**20, width=32), min_size=1, max_size=200)


def tally(*parts: np.ndarray) -> Tallies:
    tallies = Tallies(2, CollectSettings(quantile_error=ERROR))
    for values in parts:
        places = np.ones(len(values), np.int64)
        tallies.add(Places(places, places, places, values))
    return tallies


@settings(deadline=None)
@given(activations)
def test_quantiles_are_within_the_stated_error(values: list[float]) -> None:
    found = tally(np.array(values, np.float32)).describe(1)
    exact = np.quantile(np.array(values, np.float32), np.linspace(0, 1, 101)[1:], method="lower")
    np.testing.assert_allclose(found.quantiles, exact, rtol=1.001 * ERROR)
    assert list(found.quantiles) == sorted(found.quantiles)


@settings(deadline=None)
@given(st.integers(0, 1000))
def test_quantiles_of_many_values_are_within_the_stated_error(seed: int) -> None:
    values = np.random.default_rng(seed).lognormal(1, 2, 5000).astype(np.float32)
    found = tally(values[:1000], values[1000:]).describe(1)
    exact = np.quantile(values, np.linspace(0, 1, 101)[1:], method="lower")
    np.testing.assert_allclose(found.quantiles, exact, rtol=1.001 * ERROR)
    edges = np.quantile(values, np.linspace(1, 0, 6), method="lower")
    np.testing.assert_allclose(found.edges, edges, rtol=1.001 * ERROR)


def test_the_histogram_counts_every_value_near_its_bin() -> None:
    values = np.random.default_rng(0).gamma(3, 2, 20_000).astype(np.float32)
    found = tally(values).describe(1)
    exact, _ = np.histogram(values, 40)
    assert sum(found.histogram) == len(values)
    # Only values within the error of a border can be counted on its other side.
    borders = np.linspace(values.min(), values.max(), 41)
    near = [np.count_nonzero(np.abs(values - b) <= ERROR * b) for b in borders]
    for number, count in enumerate(found.histogram):
        assert abs(count - exact[number]) <= near[number] + near[number + 1]


def test_a_feature_that_never_fired_has_zeros_and_no_quantiles() -> None:
    found = tally(np.array([1.0], np.float32)).describe(0)
    assert (found.n_positive, found.act_min, found.act_max) == (0, 0.0, 0.0)
    assert found.quantiles == ()
    assert found.histogram == (0,) * 40


@pytest.mark.parametrize("value", [1e-30, 1e30])
def test_values_beyond_the_buckets_are_counted_and_ends_stay_exact(value: float) -> None:
    found = tally(np.array([value, value, value], np.float32)).describe(1)
    assert found.n_positive == 3
    assert set(found.quantiles) == {float(np.float32(value))}


def test_each_value_is_within_the_error_of_its_buckets_middle() -> None:
    buckets = Buckets(ERROR)
    values = np.geomspace(2e-8, 9e7, 10_000)
    middles = buckets.middles[buckets.find(values)]
    assert np.abs(middles / values - 1).max() <= ERROR * (1 + 1e-9)
