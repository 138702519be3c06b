import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clerp.evidence import ActivationExample, FeatureEvidence
from clerp.feature import FeatureId


def make_example(name, peak_activation):
    activations = np.array([0, peak_activation], dtype=np.float32)
    return ActivationExample(name, (" a", " b"), activations, peak=1)


def make_evidence(low=2.0, high=10.0, top=(), lower=()):
    return FeatureEvidence(
        feature=FeatureId(1, 2),
        top=tuple(top),
        lower=tuple(lower),
        set_aside=(),
        promoted=(),
        suppressed=(),
        promoted_from="unknown",
        act_min=low,
        act_max=high,
        density=None,
        digest="",
    )


def test_peak_activation_is_that_of_the_peak_token():
    assert make_example("0.0", 7.5).peak_activation == 7.5


@pytest.mark.parametrize(
    ("activation", "place"), [(2.0, 0), (6.0, 50), (10.0, 100), (1.0, 0), (11.0, 100)]
)
def test_place_is_a_percentage_of_the_range_and_clipped(activation, place):
    assert make_evidence().place(activation) == place


def test_range_without_extent_places_everything_at_its_end():
    assert make_evidence(low=3.0, high=3.0).place(1.0) == 100


@given(st.floats(0, 20), st.floats(0, 20))
def test_a_stronger_activation_never_has_a_lower_place(one, other):
    evidence = make_evidence()
    assert (evidence.place(one) <= evidence.place(other)) or one > other


def test_nearest_draws_on_every_quantile():
    evidence = make_evidence(
        top=[make_example("0.0", 9), make_example("0.1", 8)],
        lower=[make_example("1.0", 3), make_example("1.1", 2)],
    )
    assert [example.id for example in evidence.nearest(4.0, 3)] == ["1.0", "1.1", "0.1"]


def test_nearest_breaks_ties_by_id():
    evidence = make_evidence(top=[make_example("0.1", 5), make_example("0.0", 3)])
    assert [example.id for example in evidence.nearest(4.0, 1)] == ["0.0"]
