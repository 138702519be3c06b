import json
import math
import os
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clerp.evidence import EvidenceGap, FeatureEvidence
from clerp.evidence.parsing import MAX_BARS, MAX_EXAMPLES, parse_record
from clerp.feature import FeatureId, unpair

FEATURE = FeatureId(3, 7)


def parse(record, feature=FEATURE):
    raw = record if isinstance(record, bytes) else json.dumps(record).encode()
    return parse_record(raw, feature, where="r.json")


def parse_evidence(record, feature=FEATURE):
    evidence = parse(record, feature)
    assert isinstance(evidence, FeatureEvidence), evidence
    return evidence


def make_example(word, activation=5.0, **more):
    """Ten tokens that no example of another word shares, with the peak on the sixth."""
    tokens = [f" {word}{n}" for n in range(10)]
    activations = [0.0] * 5 + [activation] + [0.0] * 4
    return {"tokens": tokens, "tokens_acts_list": activations, **more}


def make_record(*examples, name="Top activations", **more):
    quantiles = [{"quantile_name": name, "examples": list(examples)}]
    return {"examples_quantiles": quantiles, **more}


def list_ids(examples):
    return [example.id for example in examples]


def test_examples_quantiles_alone_is_a_record():
    evidence = parse_evidence(make_record(make_example("a")))
    assert list_ids(evidence.top) == ["0.0"]
    assert evidence.top[0].tokens[evidence.top[0].peak] == " a5"
    assert (evidence.promoted, evidence.density, evidence.promoted_from) == ((), None, "unknown")


def test_every_known_key_is_taken_and_unknown_ones_are_ignored():
    evidence = parse_evidence(
        make_record(
            make_example("a"),
            transcoder_id="x",
            index=7,
            layer=3,
            top_logits=["ĠAustin", "âĢ"],
            bottom_logits=[" Texas"],
            act_min=0.5,
            act_max=9.5,
            quantile_values=[0.25, None, 6],
            histogram=[1, 2],
            activation_frequency=0.03,
            promoted_from="per layer",
            novelty={"a": None},
        )
    )
    assert evidence.promoted == (" Austin", "�")
    assert evidence.suppressed == (" Texas",)
    assert evidence.promoted_from == "per layer"
    assert (evidence.act_min, evidence.act_max) == (0.25, 9.5)
    assert evidence.density == 0.03
    assert evidence.histogram == (1.0, 2.0)


@pytest.mark.parametrize(
    ("given", "origin"),
    [
        ("summed", "summed"),
        ("last", "last"),
        ("per layer", "per layer"),
        ("unknown", "unknown"),
        ("Summed", "unknown"),
        (None, "unknown"),
        (["summed"], "unknown"),
    ],
)
def test_only_known_origins_of_promoted_tokens_are_taken(given: object, origin: str):
    record = make_record(make_example("a"), promoted_from=given)
    assert parse_evidence(record).promoted_from == origin


@pytest.mark.parametrize(
    ("given", "histogram"),
    [
        ([0, 2.5, 1e300], (0.0, 2.5, 1e300)),
        ([1.0] * MAX_BARS, (1.0,) * MAX_BARS),
        ([1.0] * (MAX_BARS + 1), ()),
        ([], ()),
        ([1, -1], ()),
        ([1, None], ()),
        ([1, True], ()),
        ([1, "2"], ()),
        ([1, math.nan], ()),
        ([1, math.inf], ()),
        ([1, 10**400], ()),
        ("12", ()),
        ({"0": 1}, ()),
        (None, ()),
    ],
    ids=lambda value: repr(value)[:20],
)
def test_a_histogram_that_cannot_be_one_is_none(given: object, histogram: tuple[float, ...]):
    assert parse_evidence(make_record(make_example("a"), histogram=given)).histogram == histogram


def test_digest_does_not_depend_on_the_histogram():
    plain = make_record(make_example("a"))
    assert parse_evidence(plain).digest == parse_evidence(plain | {"histogram": [1, 2]}).digest


def test_eleuther_spelling_of_the_peak_index_is_read():
    examples = [make_example(word, train_token_index=9) for word in "abc"]
    examples[1]["train_token_index"] = 10
    evidence = parse_evidence(make_record(*examples, name="Quantile 0"))
    assert evidence.set_aside == (("peak index out of range", 1),)


def test_top_is_the_quantile_named_so_wherever_it_stands():
    record = make_record(make_example("a", 1.0), name="Subsample 0")
    record["examples_quantiles"].append(
        {
            "quantile_name": "TOP activations",
            "examples": [make_example("b", 3), make_example("c", 9)],
        }
    )
    evidence = parse_evidence(record)
    assert list_ids(evidence.top) == ["1.1", "1.0"]
    assert list_ids(evidence.lower) == ["0.0"]


def test_without_a_quantile_named_top_the_first_is_it():
    record = make_record(make_example("a"), name="Quantile 0")
    record["examples_quantiles"].append(
        {"quantile_name": "Quantile 1", "examples": [make_example("b")]}
    )
    assert list_ids(parse_evidence(record).top) == ["0.0"]


def test_lower_examples_do_not_become_top_ones():
    record = make_record(make_example("a", 0.0))
    record["examples_quantiles"].append({"examples": [make_example("b")]})
    evidence = parse_evidence(record)
    assert (evidence.top, list_ids(evidence.lower)) == ((), ["1.0"])


def test_peak_is_the_first_of_the_largest_activations():
    example = make_example("a") | {
        "tokens_acts_list": [0, 0, 4, 0, 4, 0, 0, 0, 0, 1],
        "train_token_ind": 9,
    }
    assert parse_evidence(make_record(example)).top[0].peak == 2


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ({"tokens": [], "tokens_acts_list": []}, "no tokens"),
        ({"tokens_acts_list": [1.0] * 9}, "tokens and activations differ in number"),
        ({"tokens_acts_list": [1.0] * 9 + [math.nan]}, "activation not finite"),
        ({"tokens_acts_list": [1.0] * 9 + [None]}, "activation not finite"),
        ({"tokens_acts_list": [1.0] * 9 + [1e300]}, "activation not finite"),
        ({"tokens_acts_list": [0.0, -0.0] * 5}, "all activations zero"),
        ({"tokens_acts_list": [-1.0] * 10}, "no positive activation"),
        ({"tokens": [" a"] * 9 + [None]}, "malformed example"),
        ({"tokens_acts_list": 3}, "malformed example"),
        ({"is_repeated_datapoint": True}, "repeated context"),
        ({"train_token_ind": 10}, "peak index out of range"),
        ({"train_token_ind": -1}, "peak index out of range"),
    ],
)
def test_a_fault_sets_aside_its_example_only(fault, kind):
    good = [make_example(word, train_token_ind=5) for word in "bcd"]
    evidence = parse_evidence(make_record(make_example("a") | fault, *good))
    assert list_ids(evidence.top) == ["0.1", "0.2", "0.3"]
    assert evidence.set_aside == ((kind, 1),)


def test_an_example_that_is_no_object_is_set_aside():
    evidence = parse_evidence(make_record(None, 3, make_example("a")))
    assert evidence.set_aside == (("malformed example", 2),)


def test_indices_of_a_corpus_are_no_fault():
    examples = [
        make_example(w, train_token_ind=n) for w, n in zip("abc", (4, 90, 700), strict=True)
    ]
    assert parse_evidence(make_record(*examples)).set_aside == ()


def test_lone_surrogate_and_infinity_do_not_cost_the_record():
    raw = json.dumps(make_record(make_example("a"), make_example("b", math.inf), act_max=math.nan))
    evidence = parse_evidence(raw.replace(" a0", "\\ud83d").encode())
    assert evidence.top[0].tokens[0] == "�"
    assert evidence.act_max == 5.0


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (
            {"examples_quantiles": "\ud800"},
            "examples_quantiles: expected `array`, got `str`",
        ),
        ({"layer": "\ud800"}, "layer: expected `int | null`, got `str`"),
        ({"top_logits": "\ud800"}, "top_logits: expected `array | null`, got `str`"),
    ],
)
def test_a_lone_surrogate_where_no_text_belongs_is_a_reason(change, reason):
    gap = parse(make_record(make_example("a")) | change)
    assert isinstance(gap, EvidenceGap)
    assert gap.reason == f"r.json: {reason}"


def test_a_lone_surrogate_in_an_unknown_key_or_one_example_costs_nothing_else():
    bad = make_example("b") | {"tokens_acts_list": ["\ud800"]}
    evidence = parse_evidence(make_record(make_example("a"), bad) | {"\ud800": 1})
    assert list_ids(evidence.top) == ["0.0"]
    assert evidence.set_aside == (("malformed example", 1),)


def test_of_equal_texts_the_strongest_stays():
    evidence = parse_evidence(make_record(make_example("a", 3), make_example("a", 4)))
    assert list_ids(evidence.top) == ["0.1"]
    assert evidence.set_aside == (("repeated context", 1),)


def test_a_repeat_of_a_top_example_goes_from_lower_quantiles_even_if_it_is_stronger():
    record = make_record(make_example("a", 3))
    record["examples_quantiles"].append({"examples": [make_example("a", 4), make_example("b", 1)]})
    evidence = parse_evidence(record)
    assert (list_ids(evidence.top), list_ids(evidence.lower)) == (["0.0"], ["1.1"])


def shift(first, last, word="w"):
    """A stretch of one text, with the peak on its twentieth word."""
    tokens = [f" {word}{n}" for n in range(first, last)]
    return {"tokens": tokens, "tokens_acts_list": [4.0 * (n == 20) for n in range(first, last)]}


def test_the_same_stretch_shifted_counts_once():
    evidence = parse_evidence(make_record(shift(0, 30), shift(8, 40), shift(14, 22)))
    assert list_ids(evidence.top) == ["0.0"]


def test_a_phrase_shared_by_two_texts_is_no_repeat():
    other = shift(8, 40)
    other["tokens"][-20:] = [f" other{n}" for n in range(20)]
    other["tokens"][:8] = [f" else{n}" for n in range(8)]
    other["tokens"][20 - 8] = " w20"
    assert len(parse_evidence(make_record(shift(8, 40), other)).top) == 2


def test_an_overlap_of_a_few_tokens_is_no_repeat():
    assert len(parse_evidence(make_record(shift(14, 21), shift(20, 40))).top) == 2


def test_white_space_is_judged_by_the_whole_record():
    first, second = make_example("a"), make_example("b")
    first["tokens"][0] = "⏎"
    second["tokens"][0] = "→"
    tops = parse_evidence(make_record(first, second)).top
    assert [example.tokens[0] for example in tops] == ["\n", "\t"]


@pytest.mark.parametrize(
    ("more", "ends"),
    [
        ({}, (3.0, 5.0)),
        ({"act_max": 4.9, "act_min": 0}, (3.0, 5.0)),
        ({"act_max": 8, "act_min": 1}, (1.0, 8.0)),
        ({"act_max": None, "quantile_values": [0, 2.5, 7]}, (2.5, 5.0)),
        ({"act_min": -2}, (3.0, 5.0)),
    ],
)
def test_range_is_that_of_positive_activations(more, ends):
    evidence = parse_evidence(make_record(make_example("a", 5), make_example("b", 3), **more))
    assert (evidence.act_min, evidence.act_max) == ends


@pytest.mark.parametrize(
    ("given", "density"), [(0, 0.0), (1, 1.0), (1.5, None), (-1, None), (None, None)]
)
def test_density_is_a_share_or_unknown(given, density):
    assert (
        parse_evidence(make_record(make_example("a"), activation_frequency=given)).density
        == density
    )


@pytest.mark.parametrize("index", [7, FEATURE.cantor, None])
def test_index_may_be_that_of_the_layer_or_the_cantor_number(index):
    assert isinstance(parse(make_record(make_example("a"), index=index)), FeatureEvidence)


GOOD = json.dumps(make_record(make_example("a"))).encode()


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (b"", "r.json: record is empty"),
        (GOOD[:-20], "r.json: record cut short"),
        (GOOD[:40] + b"\x00" + GOOD[40:], "r.json: not JSON at byte 40"),
        (GOOD + b"x", "r.json: text after the end of the record"),
        (GOOD.replace(b" a0", b" \xff0"), f"r.json: not UTF-8 at byte {GOOD.index(b'a0')}"),
        (b"[" * 100_000, "r.json: nested too deeply"),
        ([], "r.json: expected `object`, got `array`"),
        ({}, "r.json: object missing required field `examples_quantiles`"),
        (
            {"examples_quantiles": [{"examples": {}}]},
            "r.json: examples_quantiles[0].examples: expected `array`, got `object`",
        ),
        (make_record(top_logits=[1]), "r.json: top_logits[0]: expected `str`, got `int`"),
        (make_record(make_example("a"), index=8), "r.json: record is of feature index 8"),
        (make_record(make_example("a"), layer=4), "r.json: record is of layer 4"),
        (make_record(), "no activation example in the record"),
        (
            make_record(*[make_example("a", 0.0)] * 20),
            "no usable activation example: 20 x all activations zero",
        ),
        (
            make_record(make_example("a", 0.0), make_example("b") | {"tokens": [" b"]}),
            "no usable activation example: 1 x all activations zero, 1 x tokens and activations "
            "differ in number (examples_quantiles[0].examples[1]: 1 tokens but 10 activations)",
        ),
        (
            make_record(*[None] * (MAX_EXAMPLES + 1)),
            f"r.json: {MAX_EXAMPLES + 1} examples, of which at most {MAX_EXAMPLES} are read",
        ),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else "",
)
def test_a_broken_record_is_a_gap_that_names_the_place(record, reason):
    assert parse(record) == EvidenceGap(FEATURE, reason)


def test_digest_depends_on_content_and_not_on_form():
    record = make_record(make_example("a"), make_example("b", 4), top_logits=[" x"], act_max=6)
    digest = parse_evidence(record).digest
    assert len(digest) == 64
    reordered = dict(reversed(record.items())) | {"unknown": 1}
    assert parse_evidence(json.dumps(reordered, indent=3).encode()).digest == digest
    assert parse_evidence(msgspec.json.encode(record)).digest == digest


@pytest.mark.parametrize(
    "change",
    [
        {"top_logits": [" y"]},
        {"bottom_logits": [" x"]},
        {"act_max": 7},
        {"activation_frequency": 0.5},
        make_record(make_example("a", 5.5)),
        make_record(make_example("c")),
        make_record(make_example("a"), make_example("b")),
    ],
    ids=str,
)
def test_digest_changes_with_the_content(change):
    record = make_record(make_example("a"), top_logits=[" x"], act_max=6)
    assert parse_evidence(record | change).digest != parse_evidence(record).digest


def test_examples_share_no_memory_with_each_other():
    tops = parse_evidence(make_record(make_example("a"), make_example("b"))).top
    assert not np.shares_memory(tops[0].activations, tops[1].activations)


def assert_evidence_or_gap(outcome):
    assert isinstance(outcome, FeatureEvidence | EvidenceGap)
    if isinstance(outcome, EvidenceGap):
        assert outcome.reason
        return
    assert 0 < outcome.act_min <= outcome.act_max < math.inf
    for examples in (outcome.top, outcome.lower):
        peaks = [example.peak_activation for example in examples]
        assert peaks == sorted(peaks, reverse=True)
        for example in examples:
            assert len(example.tokens) == len(example.activations) > example.peak
            assert example.activations.max() == example.peak_activation > 0


@given(st.binary(max_size=200))
def test_any_bytes_give_evidence_or_a_gap(raw):
    assert_evidence_or_gap(parse_record(raw, FEATURE, where="r"))


@given(st.data())
def test_a_record_with_bytes_changed_gives_evidence_or_a_gap(data):
    raw = bytearray(GOOD)
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    assert_evidence_or_gap(parse_record(bytes(raw), FEATURE, where="r"))


anything = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 40) | st.floats() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=2)
    ),
    max_leaves=6,
)
odd_examples = st.fixed_dictionaries(
    {
        "tokens": st.lists(st.sampled_from([" a", "Ġb", "⏎", "âĢ", "Ļ", "<bos>", ""]), max_size=12),
        "tokens_acts_list": st.lists(st.floats(width=32) | st.just(1.0), max_size=12),
    },
    optional={"train_token_ind": anything, "is_repeated_datapoint": st.booleans()},
)


@settings(max_examples=200)
@given(
    st.lists(odd_examples | anything, max_size=6),
    st.dictionaries(
        st.sampled_from(
            ["act_min", "act_max", "top_logits", "index", "quantile_values", "histogram"]
        ),
        anything,
    ),
)
def test_odd_records_give_evidence_or_a_gap(examples, more):
    assert_evidence_or_gap(parse(make_record(*examples, **more)))


@given(st.integers(0, len(GOOD) - 1))
def test_every_beginning_of_a_record_is_called_cut_short(end):
    gap = parse(GOOD[:end])
    assert gap in {
        EvidenceGap(FEATURE, "r.json: record cut short"),
        EvidenceGap(FEATURE, "r.json: record is empty"),
    }


@pytest.mark.skipif("CLERP_TEST_DATA" not in os.environ, reason="needs the real features")
def test_every_real_record_is_evidence():
    paths = sorted(Path(os.environ["CLERP_TEST_DATA"]).glob("roles/features/*.json"))
    outcomes = [
        parse_record(path.read_bytes(), unpair(int(path.stem)), where=path.name) for path in paths
    ]
    for outcome in outcomes:
        assert_evidence_or_gap(outcome)
    evidence = [outcome for outcome in outcomes if isinstance(outcome, FeatureEvidence)]
    n_used = sum(len(record.top) for record in evidence)
    n_aside = sum(n for record in evidence for _, n in record.set_aside)
    assert len(evidence) == len(paths) == 357
    assert (n_used, n_aside, n_used + n_aside) == (7133, 7, 357 * 20)
    assert not any("⏎" in token for e in evidence for top in e.top for token in top.tokens)
