import re
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.router import told
from tests.unit.router.told import N_EXAMPLES, ToldEmbedder, make_told

from clerp.evidence import FeatureEvidence
from clerp.labels import Confidence
from clerp.router import Role, Route, Rule, Tier, find_rule

# Other than the rule's own, so that scores can lie on both sides of it.
PROTOCOL = find_rule("protocol", 0.35)
SHARES = st.integers(0, 20).map(lambda n: n / 20)


def route(
    known: Sequence[FeatureEvidence], rule: Rule = PROTOCOL, embedder: ToldEmbedder | None = None
) -> list[Route]:
    return told.route(known, rule, embedder)


def route_told(
    input_: float | None, output: float | None, cross: float = 0.0, rule: Rule = PROTOCOL
) -> Route:
    return told.route_told(input_, output, cross, rule)


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


@pytest.mark.parametrize(
    ("scores", "confidence"),
    [
        ((0.18, 0.02, 0.0), "high"),
        ((0.18, 0.04, 0.0), "medium"),
        ((0.08, 0.02, 0.0), "medium"),
        ((0.07, 0.00, 0.0), "low"),
        ((0.0, 0.0, 0.0), "low"),
    ],
)
def test_a_low_threshold_makes_no_score_clear(
    scores: tuple[float, float, float], confidence: Confidence
):
    assert route_told(*scores, find_rule("protocol", 0.025)).confidence == confidence


@given(SHARES, SHARES, SHARES, st.integers(1, 60))
def test_no_layer_number_is_read(input_: float, output: float, cross: float, layer: int):
    known = [make_told(input_, output, cross, layer=n) for n in (0, layer)]

    first, other = route(known)

    assert other.feature.layer == layer
    assert replace(other, feature=first.feature) == first


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
