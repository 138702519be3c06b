import pytest
from hypothesis import given
from hypothesis import strategies as st

from clerp.errors import UsageError
from clerp.feature import FeatureId, unpair

NUMBERS = st.integers(0, 10**18 - 1)


@given(NUMBERS, NUMBERS, st.sampled_from(["", "lor"]))
def test_what_is_written_is_read_back(layer: int, index: int, kind: str):
    feature = FeatureId(layer, index, kind)

    assert FeatureId.parse(str(feature)) == feature


@pytest.mark.parametrize(
    ("written", "feature"),
    [
        ("14_2268", FeatureId(14, 2268)),
        ("0_0", FeatureId(0, 0)),
        ("14_lor_2268", FeatureId(14, 2268, "lor")),
        (" 14_2268\n", FeatureId(14, 2268)),
    ],
)
def test_a_feature_is_read(written: str, feature: FeatureId):
    assert FeatureId.parse(written) == feature


@pytest.mark.parametrize(
    "written",
    [
        "",
        "14",
        "14_",
        "_2268",
        "14-2268",
        "14 _2268",
        "-1_5",
        "14_2268_3",
        "14_clt_2268",
        "E_14_2268",
        "14.0_2268",
        "١٤_٢٢٦٨",
        "9" * 5000 + "_1",
    ],
)
def test_what_is_no_feature_is_refused_with_an_example(written: str):
    with pytest.raises(UsageError, match="is not a feature") as raised:
        FeatureId.parse(written)

    assert "14_2268" in raised.value.remedy


@given(st.text(alphabet="0123456789_lor²٣ \n-", max_size=30) | st.text())
def test_any_text_is_a_feature_or_a_usage_error(written: str):
    try:
        feature = FeatureId.parse(written)
    except UsageError:
        return
    assert FeatureId.parse(str(feature)) == feature


def test_the_cantor_number_is_the_one_of_circuit_tracer():
    # The pairing as circuit-tracer and Neuronpedia write it: (a + b)(a + b + 1) / 2 + b.
    assert FeatureId(23, 5458).cantor == 5481 * 5482 // 2 + 5458
    assert [FeatureId(*pair).cantor for pair in ((0, 0), (1, 0), (0, 1), (2, 0))] == [0, 1, 2, 3]


# Beyond 2**53 a square root in floating point is off.
@given(st.integers(0, 10**30), st.integers(0, 10**30))
def test_a_feature_comes_back_from_its_cantor_number(layer: int, index: int):
    assert unpair(FeatureId(layer, index).cantor) == FeatureId(layer, index)


@given(st.integers(0, 10**40))
def test_every_number_is_the_cantor_number_of_one_feature(cantor: int):
    feature = unpair(cantor)

    assert feature.layer >= 0
    assert feature.index >= 0
    assert feature.cantor == cantor


def test_features_of_two_kinds_are_not_the_same():
    assert FeatureId(3, 7) != FeatureId(3, 7, "lor")
    assert sorted([FeatureId(10, 1), FeatureId(2, 9, "lor"), FeatureId(2, 9)]) == [
        FeatureId(2, 9),
        FeatureId(2, 9, "lor"),
        FeatureId(10, 1),
    ]
