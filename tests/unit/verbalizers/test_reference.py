import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clerp.errors import VerbalizerError
from clerp.verbalizers.reference import Reference, measure_norms, measure_reference, read_reference


def draw(n: int = 200, d: int = 8, shift: float = 2.0, seed: int = 0) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=(n, d))
    vectors[:, 0] += shift
    return vectors.astype(np.float32)


@given(st.floats(0, 30), st.integers(0, 5))
def test_the_variance_is_the_mean_squared_distance_from_the_mean(shift: float, seed: int):
    vectors = draw(shift=shift, seed=seed)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    reference = measure_reference(vectors)

    np.testing.assert_allclose(reference.mean, unit.mean(axis=0), atol=1e-6)
    distances = np.square(unit - unit.mean(axis=0)).sum(axis=1)
    assert reference.variance == pytest.approx(distances.mean(), abs=1e-6)


def test_lengths_change_nothing_but_the_percentiles():
    vectors = draw()
    one, other = measure_reference(vectors), measure_reference(7 * vectors)

    np.testing.assert_allclose(one.mean, other.mean, atol=1e-6)
    assert one.variance == pytest.approx(other.variance, abs=1e-6)
    assert other.low_norm == pytest.approx(7 * one.low_norm, rel=1e-4)
    assert other.high_norm == pytest.approx(7 * one.high_norm, rel=1e-4)


def test_percentiles_leave_one_in_a_hundred_out_on_each_side():
    vectors = draw(n=1000)
    reference = measure_reference(vectors)
    norms = np.linalg.norm(vectors, axis=1)

    assert (norms < reference.low_norm).sum() == 10
    assert (norms > reference.high_norm).sum() == 10
    assert reference.n == 1000


def test_too_few_vectors_are_refused():
    assert measure_reference(draw(n=64)).n == 64
    with pytest.raises(VerbalizerError, match="63 reference vectors are too few") as raised:
        measure_reference(draw(n=63))
    assert "64" in raised.value.remedy


def test_vectors_that_are_all_alike_are_refused():
    with pytest.raises(VerbalizerError, match="all point the same way"):
        measure_reference(np.tile(draw(n=1), (64, 1)))


@pytest.mark.parametrize("fault", [np.nan, np.inf, 0.0])
def test_a_vector_without_direction_is_named(fault: float):
    vectors = draw(n=64)
    vectors[17] = fault

    with pytest.raises(VerbalizerError, match="vector 17 of 64 is zero or not finite"):
        measure_reference(vectors)


def test_lengths_of_large_vectors_do_not_overflow():
    vectors = np.full((1, 4), 1e30, dtype=np.float32)

    np.testing.assert_allclose(measure_norms(vectors), [2e30], rtol=1e-5)


def test_a_reference_comes_back_from_json_as_it_was():
    reference = measure_reference(draw())

    again = read_reference(json.loads(json.dumps(reference.to_record())))

    np.testing.assert_array_equal(again.mean, reference.mean)
    assert again.to_record() == reference.to_record()
    assert isinstance(again, Reference)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("mean", "no base64!"),
        ("mean", "AAA="),
        ("mean", ""),
        ("variance", "wide"),
        ("variance", 0.0),
        ("variance", 1.5),
        ("variance", float("nan")),
        ("n", 3),
        ("n", None),
        ("low_norm", float("inf")),
        ("high_norm", None),
    ],
)
def test_a_damaged_record_is_refused(key: str, value: object):
    record = {**measure_reference(draw()).to_record(), key: value}

    with pytest.raises(VerbalizerError, match="a reference"):
        read_reference(record)


def test_a_record_that_lacks_something_is_refused():
    record = measure_reference(draw()).to_record()
    del record["n"]

    with pytest.raises(VerbalizerError, match="KeyError: 'n'"):
        read_reference(record)
