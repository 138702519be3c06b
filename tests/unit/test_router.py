import re
import zlib
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clerp.errors import EvidenceError, UsageError
from clerp.evidence import EvidenceGap, FeatureEvidence
from clerp.feature import FeatureId
from clerp.labels import Confidence
from clerp.router import (
    RULES,
    CorrelationRule,
    Role,
    Route,
    Rule,
    Tier,
    find_artefact,
    find_rule,
    route_features,
)
from clerp.testing import make_evidence
from clerp.windows import DEFAULT_WINDOWS, Window

N_EXAMPLES = 6
# One token for each channel, so that a text can say what its channel is to score.
WINDOWS = (Window("input", 0, 0), Window("output", 1, 1), Window("cross", -1, 1))
PROTOCOL, CALIBRATED = RULES["protocol"], RULES["calibrated"]
SHARES = st.integers(0, 20).map(lambda n: n / 20)


class ToldEmbedder:
    """Reads from a text, `i0.40/3|` or `same-3`, how alike it is to others of its channel.

    Texts `i0.40/0|`, `i0.40/1|`, ... have a cosine similarity of 0.40; any other text has a random
    direction, the same for all that start with `same`.
    """

    name = "told"

    def __init__(self) -> None:
        self.asked: list[str] = []

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        self.asked.extend(texts)
        return np.array([self._direct(text) for text in texts], dtype=np.float32)

    def channels(self) -> set[str]:
        return {text[0] for text in self.asked}

    def _direct(self, text: str) -> np.ndarray:
        if told := re.match(r"[ioc](\d\.\d+)/(\d+)\|", text):
            alike, own = float(told[1]), int(told[2])
            return np.sqrt(alike) * np.eye(64)[0] + np.sqrt(1 - alike) * np.eye(64)[1 + own]
        key = "same" if text.startswith("same") else text
        return np.random.default_rng(zlib.crc32(key.encode())).normal(size=64)


def make_told(
    input_: float | None,
    output: float | None,
    cross: float = 0.0,
    *,
    layer: int = 3,
    index: int = 7,
) -> FeatureEvidence:
    """Make a feature whose channels have these raw scores; None for a channel without windows."""
    texts = [
        [
            f"c{cross:.2f}/{n}|",
            "" if input_ is None else f"i{input_:.2f}/{n}|",
            *([] if output is None else [f"o{output:.2f}/{n}|"]),
        ]
        for n in range(N_EXAMPLES)
    ]
    return make_evidence(texts, feature=FeatureId(layer, index))


def make_words(index: int, *, peak: str = "", after: str = "", layer: int = 3) -> FeatureEvidence:
    """Make a feature of ten texts of random words, with what stands at or after its peaks."""
    rng = np.random.default_rng(index)
    texts = [[f" w{i}" for i in rng.integers(0, 500, 20)] for _ in range(10)]
    for n, text in enumerate(texts):
        text[9] = f" {peak}-{n}" if peak else text[9]
        text[10] = f" {after}-{n}" if after else text[10]
    return make_evidence(texts, peak=9, feature=FeatureId(layer, index))


def route(
    known: Sequence[FeatureEvidence | EvidenceGap],
    rule: Rule = PROTOCOL,
    embedder: ToldEmbedder | None = None,
) -> list[Route]:
    return route_features(known, rule=rule, windows=WINDOWS, embedder=embedder or ToldEmbedder())


def route_told(
    input_: float | None, output: float | None, cross: float = 0.0, rule: Rule = PROTOCOL
) -> Route:
    (only,) = route([make_told(input_, output, cross)], rule)
    return only


def follow_the_protocol(
    input_: float, output: float, cross: float, threshold: float
) -> tuple[Role, Tier]:
    """Take the steps as the design gives them."""
    if input_ >= threshold or output >= threshold:
        return ("output" if output > input_ else "input"), 1
    if cross >= threshold:
        return "cross", 2
    return "obscure", 3


@given(SHARES, SHARES, SHARES, st.sampled_from([0.2, 0.35, 0.5, 0.8]))
def test_the_protocol_takes_its_steps(input_: float, output: float, cross: float, threshold: float):
    decided = route_told(input_, output, cross, find_rule("protocol", threshold))

    assert (decided.role, decided.tier) == follow_the_protocol(input_, output, cross, threshold)
    assert decided.escalated_from is None
    assert decided.n_examples == N_EXAMPLES
    assert decided.scores["input"].raw == pytest.approx(input_, abs=1e-4)
    assert decided.scores["output"].raw == pytest.approx(output, abs=1e-4)


@given(SHARES, SHARES, SHARES)
def test_cross_is_scored_only_where_both_sides_are_low(input_: float, output: float, cross: float):
    embedder = ToldEmbedder()

    (decided,) = route([make_told(input_, output, cross)], embedder=embedder)

    both_low = max(input_, output) < PROTOCOL.threshold
    assert ("cross" in decided.scores) == both_low
    assert embedder.channels() == ({"i", "o", "c"} if both_low else {"i", "o"})


def test_cross_is_scored_for_none_but_the_features_that_need_it():
    embedder = ToldEmbedder()

    high, low = route([make_told(0.9, 0.1), make_told(0.1, 0.2, 0.6, index=8)], embedder=embedder)

    assert (set(high.scores), set(low.scores)) == (
        {"input", "output"},
        {"input", "output", "cross"},
    )
    # The texts of the first feature have a cross score of 0.00.
    assert {text[:5] for text in embedder.asked if text.startswith("c")} == {"c0.60"}


def test_the_protocol_measures_the_plain_mean_and_not_the_weighted_one():
    alike, unlike = make_told(0.9, 0.0), make_told(0.0, 0.0)
    strong_half_alike = replace(alike, top=alike.top[:3] + unlike.top[3:])

    (decided,) = route([strong_half_alike], find_rule("protocol", 0.25))

    assert decided.scores["input"].raw < 0.25 < decided.scores["input"].weighted
    assert decided.role == "obscure"


@pytest.mark.parametrize("share", [0.35, 0.6, 1.0])
def test_a_tie_goes_to_the_input(share: float):
    assert route_told(share, share).role == "input"


@pytest.mark.parametrize(
    ("scores", "role"),
    [
        ((0.35, 0.0, 0.0), "input"),
        ((0.34, 0.35, 0.0), "output"),
        ((0.34, 0.34, 0.35), "cross"),
        ((0.34, 0.34, 0.34), "obscure"),
    ],
)
def test_a_score_at_the_threshold_is_high(scores: tuple[float, float, float], role: Role):
    assert route_told(*scores).role == role


def test_the_stronger_side_wins_though_both_are_high_and_cross_is_higher():
    assert route_told(0.5, 0.7, 0.9).role == "output"
    assert route_told(0.7, 0.5, 0.9).role == "input"


@pytest.mark.parametrize(
    ("scores", "role", "absent"),
    [
        ((0.6, None, 0.0), "input", "no output score"),
        ((None, 0.6, 0.0), "output", "no input score"),
        ((None, None, 0.6), "cross", "no input score, no output score"),
        ((None, None, 0.0), "obscure", "no input score, no output score"),
    ],
)
def test_a_channel_without_windows_is_neither_high_nor_hidden(
    scores: tuple[float | None, float | None, float], role: Role, absent: str
):
    decided = route_told(*scores)

    assert decided.role == role
    assert absent in decided.reason
    assert not {"input", "output"} - set(decided.scores) - set(re.findall(r"no (\w+)", absent))


@pytest.mark.parametrize(
    ("scores", "reason"),
    [
        (
            (0.6, 0.1, 0.0),
            "the words up to the peak are alike: input 0.60, output 0.10 (high from 0.35)",
        ),
        (
            (0.1, 0.6, 0.0),
            "the words after the peak are alike: input 0.10, output 0.60 (high from 0.35)",
        ),
        (
            (0.1, 0.2, 0.6),
            "only the whole context is alike: input 0.10, output 0.20, cross 0.60 (high from 0.35)",
        ),
        (
            (0.1, 0.2, 0.3),
            "no window is alike enough: input 0.10, output 0.20, cross 0.30 (high from 0.35)",
        ),
    ],
)
def test_the_reason_gives_the_step_that_decided_and_its_figures(
    scores: tuple[float, float, float], reason: str
):
    assert route_told(*scores).reason == reason


@pytest.mark.parametrize(
    ("scores", "confidence"),
    [
        pytest.param((0.60, 0.10, 0.0), "high", id="far above threshold and other side"),
        pytest.param((0.60, 0.50, 0.0), "medium", id="far above the threshold, not the other"),
        pytest.param((0.45, 0.05, 0.0), "medium", id="above the threshold, not far"),
        pytest.param((0.38, 0.00, 0.0), "low", id="hardly above the threshold"),
        pytest.param((0.60, 0.58, 0.0), "low", id="nearly a tie"),
        pytest.param((0.10, 0.60, 0.0), "high", id="output far above both"),
        pytest.param((0.60, None, 0.0), "high", id="no other side"),
        pytest.param((0.34, 0.34, 0.60), "high", id="cross far above the threshold"),
        pytest.param((0.10, 0.10, 0.45), "medium", id="cross above the threshold"),
        pytest.param((0.10, 0.10, 0.36), "low", id="cross hardly above the threshold"),
        pytest.param((0.10, 0.10, 0.10), "high", id="obscure, everything far below"),
        pytest.param((0.10, 0.10, 0.25), "medium", id="obscure, something below"),
        pytest.param((0.32, 0.10, 0.10), "low", id="obscure by a hair"),
    ],
)
def test_confidence_grades_the_margin(
    scores: tuple[float, float | None, float], confidence: Confidence
):
    assert route_told(*scores).confidence == confidence


@given(SHARES, SHARES, SHARES, st.integers(1, 60))
def test_no_layer_number_is_read(input_: float, output: float, cross: float, layer: int):
    known = [make_told(input_, output, cross, layer=n) for n in (0, layer)]

    first, other = route(known)

    assert other.feature.layer == layer
    assert replace(other, feature=first.feature) == first


def test_nor_when_scores_are_calibrated():
    words = [make_words(index, layer=index) for index in range(8)]
    planted = [make_words(99, peak="same", layer=layer) for layer in (0, 12, 40)]

    routes = route([*words, *planted], CALIBRATED)[-3:]

    assert {decided.role for decided in routes} == {"input"}
    assert [replace(r, feature=routes[0].feature) for r in routes] == [routes[0]] * 3


def test_routes_come_in_the_order_of_the_features_given():
    known = [
        make_told(0.1, 0.6, index=9),
        EvidenceGap(FeatureId(0, 4), "not in the folder"),
        make_told(0.6, 0.1, index=2),
        replace(make_told(0.6, 0.1, index=5), density=0.5),
        make_told(0.0, 0.0, index=1, layer=0),
    ]

    routes = route(known)

    assert [decided.feature for decided in routes] == [k.feature for k in known]
    assert [decided.role for decided in routes] == [
        "output",
        "obscure",
        "input",
        "artefact",
        "obscure",
    ]
    assert route(known[::-1]) == routes[::-1]


def test_features_of_two_kinds_with_the_same_numbers_keep_their_own_routes():
    one = make_told(0.6, 0.1)
    other = replace(make_told(0.1, 0.6), feature=FeatureId(3, 7, "lor"))

    assert [decided.role for decided in route([one, other])] == ["input", "output"]


def test_a_feature_without_evidence_is_obscure_and_says_why():
    gap = EvidenceGap(FeatureId(2, 5), "no record in features/layer_2.bin")

    for rule in (PROTOCOL, CALIBRATED):
        assert route([gap], rule) == [
            Route(
                feature=gap.feature,
                role="obscure",
                tier=3,
                scores={},
                confidence="high",
                n_examples=0,
                reason="no evidence: no record in features/layer_2.bin",
            )
        ]


def test_nothing_to_route_gives_no_route():
    assert route([]) == []
    assert route([], CALIBRATED) == []


@pytest.mark.parametrize(
    ("evidence", "reason"),
    [
        pytest.param(make_evidence([]), "too few examples: 0 usable, 5 needed", id="none"),
        pytest.param(
            make_evidence([["same", " same", " same"]] * 4),
            "too few examples: 4 usable, 5 needed",
            id="few",
        ),
        pytest.param(
            replace(make_told(0.9, 0.9), density=0.34),
            "dense: fires on 34% of all tokens",
            id="dense",
        ),
        pytest.param(
            make_evidence([["same", " same"]] * 6, peak=0),
            "sequence start: peaks on the first token of the text in 6 of 6 examples",
            id="start",
        ),
        pytest.param(
            make_evidence([["<bos>", "<|im_start|>", "same", " same"]] * 6, peak=2),
            "sequence start: peaks on the first token of the text in 6 of 6 examples",
            id="start after special tokens",
        ),
        pytest.param(
            make_evidence([["<bos>", "same", " same"]] * 6, peak=0),
            "sequence start: peaks on the first token of the text in 6 of 6 examples",
            id="start at a special token",
        ),
    ],
)
def test_an_artefact_is_recognised_before_any_score(evidence: FeatureEvidence, reason: str):
    embedder = ToldEmbedder()

    (decided,) = route([evidence], embedder=embedder)

    assert decided == Route(
        feature=evidence.feature,
        role="artefact",
        tier=3,
        scores={},
        confidence="high",
        n_examples=len(evidence.top),
        reason=reason,
    )
    assert embedder.asked == []


@pytest.mark.parametrize(
    "evidence",
    [
        pytest.param(make_evidence([["a", " b"]] * 5), id="just enough examples"),
        pytest.param(replace(make_told(0.9, 0.9), density=0.1), id="just not dense"),
        pytest.param(replace(make_told(0.9, 0.9), density=None), id="density unknown"),
        pytest.param(make_evidence([["<bos>", " a", " b"]] * 5, peak=2), id="second word"),
    ],
)
def test_an_ordinary_feature_is_no_artefact(evidence: FeatureEvidence):
    assert find_artefact(evidence) is None


@pytest.mark.parametrize(("n_at_start", "is_artefact"), [(3, False), (4, True)])
def test_a_feature_of_sequence_starts_peaks_there_in_most_of_its_examples(
    n_at_start: int, is_artefact: bool
):
    at_start, inside = make_evidence([["a", " b"]] * 6, peak=0), make_evidence([["a", " b"]] * 6)
    mixed = replace(at_start, top=at_start.top[:n_at_start] + inside.top[n_at_start:])

    reason = find_artefact(mixed)

    assert (reason is not None) == is_artefact
    assert reason is None or "in 4 of 6 examples" in reason


def test_lower_examples_do_not_make_up_for_top_ones():
    evidence = make_evidence([["a", " b"]] * 4, lower=[["a", " b"]] * 4)

    assert (find_artefact(evidence) or "").startswith("too few examples: 4")


@pytest.mark.parametrize(
    ("planted", "role"),
    [
        (make_words(99, peak="same"), "input"),
        (make_words(99, after="same"), "output"),
        (make_words(99), "obscure"),
    ],
)
def test_calibrated_scores_stand_against_chance(planted: FeatureEvidence, role: Role):
    known = [make_words(index) for index in range(10)]

    decided = route([planted, *known], CALIBRATED)[0]

    assert decided.role == role
    for channel, score in decided.scores.items():
        assert score.z is not None
        assert score.p is not None
        assert (score.z >= 3) == (channel == role)
        assert score.p <= 0.01 or channel != role
    assert f"input z {decided.scores['input'].z:.1f}" in decided.reason
    assert decided.reason.endswith("(high from 3)")


def test_chance_is_that_of_ordinary_features():
    dense = [replace(make_words(50 + n, peak="dense"), density=0.5) for n in range(5)]
    ordinary = [make_words(index) for index in range(6)]
    embedder = ToldEmbedder()

    with_dense = route([*ordinary, *dense], CALIBRATED, embedder)

    assert with_dense[:6] == route(ordinary, CALIBRATED)
    assert not [text for text in embedder.asked if "dense" in text]


def test_too_little_text_to_calibrate_with_is_an_error_and_no_guess():
    few = make_evidence([["a", " b", " c"]] * 6)

    with pytest.raises(EvidenceError, match="too few to calibrate the input score") as raised:
        route([few], CALIBRATED)

    assert "--rule protocol" in raised.value.remedy
    assert route([few])[0].scores["input"].raw == 1.0


def test_the_default_windows_route_too():
    (decided,) = route_features(
        [make_words(1, peak="same")],
        rule=PROTOCOL,
        windows=DEFAULT_WINDOWS[::-1],
        embedder=ToldEmbedder(),
    )

    assert set(decided.scores) == {"input", "output", "cross"}


@pytest.mark.parametrize(
    ("name", "measure", "threshold"), [("calibrated", "z", 3.0), ("protocol", "raw", 0.35)]
)
def test_a_rule_is_found_by_name(name: str, measure: str, threshold: float):
    rule = find_rule(name)

    assert isinstance(rule, CorrelationRule)
    assert (rule.name, rule.measure, rule.threshold) == (name, measure, threshold)


def test_a_threshold_replaces_the_rules_own_and_changes_the_route():
    strict = find_rule("protocol", 0.7)

    assert strict == replace(PROTOCOL, threshold=0.7)
    assert route_told(0.6, 0.1, 0.1).role == "input"
    assert route_told(0.6, 0.1, 0.1, strict).role == "obscure"
    assert route_told(0.6, 0.1, 0.8, strict).role == "cross"
    assert "(high from 0.7)" in route_told(0.6, 0.1, 0.1, strict).reason
    assert PROTOCOL.threshold == 0.35


def test_steps_tell_what_was_measured_and_what_it_decided():
    assert route_told(0.6, 0.1, 0.1).steps == (
        "not an artefact",
        "input 0.60 is high (from 0.35)",
        "output 0.10 is not high (from 0.35)",
        "so the role is input, tier 1",
    )
    stricter = route_told(0.6, 0.1, 0.1, find_rule("protocol", 0.7)).steps
    assert stricter[1] == "input 0.60 is not high (from 0.7)"
    assert stricter[3:] == ("cross 0.10 is not high (from 0.7)", "so the role is obscure, tier 3")


@pytest.mark.parametrize("threshold", [0.0, -0.5, float("nan"), float("inf"), float("-inf")])
def test_a_threshold_that_nothing_can_be_measured_by_is_refused(threshold: float):
    with pytest.raises(UsageError, match=f"the threshold {threshold:g} is not a number above 0"):
        find_rule("protocol", threshold)


def test_an_unknown_rule_is_answered_with_the_known_ones():
    with pytest.raises(UsageError) as raised:
        find_rule("majority")

    assert (
        str(raised.value)
        == "there is no rule 'majority'. Known: calibrated, protocol, air, tokens, layer"
    )
