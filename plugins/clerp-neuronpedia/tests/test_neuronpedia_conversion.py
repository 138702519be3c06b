import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clerp.errors import EvidenceError
from clerp.evidence import CandidateLabel, EvidenceGap, FeatureEvidence
from clerp.feature import FeatureId
from clerp.plugins import find
from clerp.testing import make_request
from clerp_neuronpedia.conversion import convert_row
from clerp_neuronpedia.explanations import MAX_CANDIDATES, MAX_TEXT_CHARS
from clerp_neuronpedia.feature_row import decode_row, read_row

FEATURE = FeatureId(3, 7)
LOW, MIDDLE, HIGH = (0.0, 2.0), (2.0, 4.0), (4.0, 6.0)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=8,
)
ACTIVATION_KEYS = ("tokens", "values", "binMin", "binMax", "maxValue")
HEIGHTS = "freq_hist_data_bar_heights"
ROW_KEYS = (
    "activations",
    "explanations",
    "pos_str",
    "neg_str",
    "frac_nonzero",
    "maxActApprox",
    HEIGHTS,
)
EXPLANATION_KEYS = ("description", "typeName", "explanationModelName", "scores", "scoreV2")


def convert(row):
    return convert_row(read_row(row), FEATURE, where="3-clt-hp/7")


def convert_evidence(row):
    evidence = convert(row)
    assert isinstance(evidence, FeatureEvidence), evidence
    return evidence


def list_words(examples):
    return [example.tokens[0].strip()[:-1] for example in examples]


def list_ids(examples):
    return [example.id for example in examples]


def test_every_documented_field_is_read(build):
    evidence = convert_evidence(build.row())
    assert list_ids(evidence.top) == ["0.0", "0.1", "0.2"]
    assert [e.peak_activation for e in evidence.top] == [5.0, 4.0, 3.0]
    assert [e.peak for e in evidence.top] == [5, 5, 5]
    assert evidence.promoted == (" warm", " hot")
    assert evidence.suppressed == (" cold",)
    assert evidence.density == 0.003
    assert evidence.act_max == 5.5
    assert evidence.histogram == (1.0,) * 50


def test_a_density_of_zero_is_unknown_because_the_database_writes_it_where_nobody_measured(build):
    assert convert_evidence(build.row(frac_nonzero=0)).density is None


def test_lower_intervals_follow_the_top_highest_first(build):
    evidence = convert_evidence(
        build.row(
            activations=[
                build.activation("low", 1.0, interval=LOW),
                build.activation("high", 5.0, interval=HIGH),
                build.activation("top", 5.9),
                build.activation("middle", 3.0, interval=MIDDLE),
                build.activation("weak", 2.5, interval=MIDDLE),
            ]
        )
    )
    assert list_words(evidence.top) == ["top"]
    assert list_words(evidence.lower) == ["high", "middle", "weak", "low"]
    assert list_ids(evidence.lower) == ["1.0", "2.0", "2.1", "3.0"]


def test_an_example_belongs_to_the_interval_of_its_peak_whatever_it_was_drawn_for(build):
    evidence = convert_evidence(
        build.row(
            activations=[
                build.activation("top", 9.0),
                build.activation("stray", 5.0, interval=LOW),
                build.activation("high", 4.5, interval=HIGH),
                build.activation("low", 1.0, interval=LOW),
                build.activation("above", 7.0, interval=HIGH),
            ]
        )
    )
    assert list_words(evidence.top) == ["top", "above"]
    assert dict(zip(list_words(evidence.lower), list_ids(evidence.lower), strict=True)) == {
        "stray": "1.0",
        "high": "1.1",
        "low": "2.0",
    }


def test_without_top_activations_the_highest_interval_is_the_top(build):
    activations = [
        build.activation("low", 1.0, interval=LOW),
        build.activation("high", 5.0, interval=HIGH),
    ]
    evidence = convert_evidence(build.row(activations=[*activations, {"tokens": 3}]))
    assert list_words(evidence.top) == ["high"]
    assert list_words(evidence.lower) == ["low"]


@pytest.mark.parametrize("unbinned", [(None, None), (0.0, 0.0), (-1.0, -1.0), (-1.0, 99.0)])
def test_activations_without_an_interval_are_the_top(build, unbinned):
    low, high = unbinned
    evidence = convert_evidence(
        build.row(activations=[build.activation("a", binMin=low, binMax=high)])
    )
    assert list_words(evidence.top) == ["a"]


def test_what_cannot_be_used_is_set_aside_and_counted(build):
    good = build.activation("good")
    evidence = convert_evidence(
        build.row(
            activations=[
                good,
                {**good, "id": "twice"},
                build.activation("silent", 0.0),
                build.activation("short", values=[1.0]),
                build.activation("typed", tokens="no list"),
                build.activation("binned", binMax="high"),
                None,
            ]
        )
    )
    assert list_words(evidence.top) == ["good"]
    assert dict(evidence.set_aside) == {
        "malformed example": 3,
        "repeated context": 1,
        "all activations zero": 1,
        "tokens and activations differ in number": 1,
    }


def test_a_row_without_activations_is_a_gap(build):
    assert convert(build.row(activations=[])) == EvidenceGap(
        FEATURE, "no activation example in the record"
    )


@pytest.mark.parametrize(
    ("field", "value", "where"),
    [("pos_str", [3], "pos_str[0]"), ("maxActApprox", "x", "maxActApprox")],
)
def test_a_field_of_a_wrong_type_is_named(build, field, value, where):
    with pytest.raises(EvidenceError) as raised:
        read_row(build.row(**{field: value}))
    assert raised.value.where == where


@pytest.mark.parametrize("heights", [None, "x", [1.0, None], [1.0, -1.0], [math.nan], [[1.0]]])
def test_bars_that_are_no_heights_cost_the_histogram_only(build, heights):
    row = build.row(**{HEIGHTS: heights})
    evidence = convert_evidence(row)
    assert evidence.histogram == ()
    assert evidence.digest == convert_evidence(build.row()).digest
    assert decode_row(read_row(row).encode()).activations == read_row(row).activations


@given(seed=st.randoms(use_true_random=False))
def test_the_order_of_a_row_changes_nothing(build, seed: random.Random):
    activations = [
        build.activation(f"w{n}", float(n % 3 + 1), interval=(LOW, None, HIGH)[n % 3])
        for n in range(6)
    ]
    explanations = [build.explanation(f"text {n}", f"method {n % 2}") for n in range(6)]
    ordered = convert_evidence(build.row(activations=activations, explanations=explanations))
    seed.shuffle(activations)
    seed.shuffle(explanations)
    row = build.row(activations=activations, explanations=explanations)
    shuffled = convert_evidence(row)
    assert shuffled.digest == ordered.digest
    assert shuffled.candidates == ordered.candidates
    assert decode_row(read_row(row).encode()) == read_row(row)


@pytest.mark.parametrize("content", [b"", b"{}", b"null", b'{"activations": [3]}', b"[" * 9999])
def test_what_is_no_kept_row_is_refused(content):
    with pytest.raises(EvidenceError, match="Delete the cache"):
        decode_row(content)


def test_explanations_are_candidates_by_method_then_score_then_text(build):
    evidence = convert_evidence(
        build.row(
            explanations=[
                build.explanation("f", "zz"),
                build.explanation("e", "oai_token-act-pair"),
                build.explanation("d", "aa"),
                build.explanation("c", "eleuther_acts_top20"),
                build.explanation("unscored", "np_max-act"),
                build.explanation("better", "np_max-act", scoreV2=0.9, scoreV1=0.1),
                build.explanation("worse", "np_max-act", scoreV2=0.2, scoreV1=0.9),
                build.explanation("b", "np_max-act-logits"),
                build.explanation("a", "np_max-act-logits"),
                build.explanation("g", "np_acts-logits-general"),
            ]
        )
    )
    assert [candidate.text for candidate in evidence.candidates] == [
        *("a", "b", "better", "worse", "unscored", "g", "c", "e", "d", "f")
    ]


def test_a_candidate_names_its_method_model_and_scores(build):
    scores = [
        {"value": 0.8, "explanationScoreTypeName": "recall_alt", "jsonDetails": "{}"},
        {"value": 0.5, "explanationScoreTypeName": "eleuther_fuzz"},
        {"value": None, "explanationScoreTypeName": "nla_verbalizer"},
    ]
    evidence = convert_evidence(build.row(explanations=[build.explanation("x", scores=scores)]))
    assert evidence.candidates == (
        CandidateLabel(
            "x", "np_max-act-logits", "gpt-4o-mini", (("eleuther_fuzz", 0.5), ("recall_alt", 0.8))
        ),
    )


def test_texts_of_strangers_become_one_short_clean_line(build):
    explanations = [
        build.explanation("two\nlines\x1b[31m \u202ereversed\u202c", "np_max-act-logits"),
        build.explanation("long " * 1000, "np_max-act\r\n"),
        build.explanation(" \u200b ", "empty"),
    ]
    evidence = convert_evidence(build.row(explanations=explanations))
    clean, long = evidence.candidates
    assert clean.text == "two lines[31m reversed"
    assert len(long.text) <= MAX_TEXT_CHARS
    assert long.text.endswith("…")
    assert long.method == "np_max-act"


def test_equal_candidates_are_one_and_their_number_has_an_end(build):
    twice = [build.explanation("same"), build.explanation("same")]
    assert len(convert_evidence(build.row(explanations=twice)).candidates) == 1
    many = [build.explanation(f"text {n}") for n in range(500)]
    assert len(convert_evidence(build.row(explanations=many)).candidates) == MAX_CANDIDATES


def test_malformed_explanations_cost_no_evidence(build):
    evidence = convert_evidence(
        build.row(explanations=[None, {"description": 3}, build.explanation("good")])
    )
    assert [candidate.text for candidate in evidence.candidates] == ["good"]


def test_the_digest_does_not_depend_on_explanations(build):
    plain = convert_evidence(build.row())
    explained = convert_evidence(build.row(explanations=[build.explanation("about warmth")]))
    assert explained.candidates
    assert explained.digest == plain.digest


async def test_no_label_rests_on_a_candidate(build):
    activations = [
        build.activation(f"w{n}", 5.0 - n / 10, tokens=[f" a{n}", f" b{n}", " Texas", f" c{n}"])
        for n in range(6)
    ]
    for n, activation in enumerate(activations):
        activation["values"] = [0.0, 0.0, 5.0 - n / 10, 0.0]
    told = build.row(activations=activations, explanations=[build.explanation("zebras")])
    untold = build.row(activations=activations)
    labeler = find("labelers", "token-frequency")
    with_candidate, without = [
        await labeler.label(make_request(convert_evidence(row))) for row in (told, untold)
    ]
    assert "Texas" in str(without)
    assert with_candidate == without


@st.composite
def rows(draw):
    """A row in which any field may be of any type, or be what it should be."""
    row = {key: draw(JSON) for key in draw(st.sets(st.sampled_from(ROW_KEYS)))}
    if draw(st.booleans()):
        row["activations"] = draw(
            st.lists(st.dictionaries(st.sampled_from(ACTIVATION_KEYS), _likely()), max_size=4)
        )
    if draw(st.booleans()):
        row["explanations"] = draw(
            st.lists(st.dictionaries(st.sampled_from(EXPLANATION_KEYS), _likely()), max_size=4)
        )
    return row


def _likely():
    numbers = st.lists(st.floats(width=32) | st.integers() | st.none(), max_size=4)
    return JSON | st.lists(st.text(max_size=3), max_size=4) | numbers | st.floats(width=32)


@given(row=rows() | JSON)
def test_no_content_of_a_row_raises_anything_but_evidence_errors(row):
    try:
        read = read_row(row)
    except EvidenceError:
        return
    item = convert_row(decode_row(read.encode()), FEATURE, where="3-clt-hp/7")
    assert isinstance(item, FeatureEvidence | EvidenceGap)
    direct = convert_row(read, FEATURE, where="3-clt-hp/7")
    assert getattr(direct, "digest", None) == getattr(item, "digest", None)
