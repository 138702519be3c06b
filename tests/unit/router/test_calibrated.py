import pydoc_data.topics
import re
import sys
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache
from importlib.util import module_from_spec, spec_from_file_location
from itertools import pairwise
from pathlib import Path
from random import Random
from types import ModuleType
from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.router.ordinary_peaks import place_words

from clerp.embedding import WordLlamaEmbedder
from clerp.errors import MissingEvidenceError
from clerp.evidence import FeatureEvidence
from clerp.feature import FeatureId
from clerp.ordinary.passages import load_passages
from clerp.router import RULES, TIERS, Role, Route, find_rule, name_null, route_features
from clerp.router.calibrated import choose_role
from clerp.router.reasons import describe
from clerp.router.signals import measure_signals
from clerp.router.significance import MIN_CHANCE
from clerp.router.weights import (
    INPUTS,
    ROLES,
    lead_of_nothing,
    load_weights,
    read_inputs,
    weigh,
)
from clerp.router.yardstick import load_yardstick
from clerp.testing import make_evidence, plant
from clerp.testing.planting import plant_many
from clerp.testing.planting.text import read_text
from clerp.windows import DEFAULT_WINDOWS, Window

FITTING = Path(__file__).parents[3] / "graphs/smollm2-135m/fit_rule.py"
MANUAL = list(pydoc_data.topics.topics.values())
CALIBRATED = RULES["calibrated"]
THRESHOLDS = [0.5, 0.1, 0.05, 0.01]
PLANTED: dict[str, Role] = {
    "word": "input",
    "fixed phrase": "input",
    "next word": "output",
    "topic": "cross",
}


@pytest.fixture(scope="module")
def fitting() -> ModuleType:
    """Read the script that fits the weights."""
    spec = spec_from_file_location("fit_rule", FITTING)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def embedder() -> WordLlamaEmbedder:
    return WordLlamaEmbedder()


@pytest.fixture(scope="module", autouse=True)
def _save_time() -> Iterator[None]:
    # The windows' scores are shown and decide nothing; a text is cut alike for every seed.
    cut_once = cache(lambda documents: read_text(documents))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("clerp.correlation.DRAWS", 200)
        patch.setattr(
            "clerp.testing.planting.planting.read_text", lambda texts: cut_once(tuple(texts))
        )
        yield


def route(
    known: Sequence[FeatureEvidence],
    embedder: WordLlamaEmbedder,
    alpha: float | None = None,
    windows: Sequence[Window] = (),
) -> list[Route]:
    rule = find_rule("calibrated", alpha=alpha)
    return list(route_features(known, rule=rule, windows=windows, embedder=embedder))


def make_mixed(n: int) -> list[FeatureEvidence]:
    """Make features of which from none to all examples have the same word at or after the peak."""
    told = [
        place_words(
            [" tuple"] * count, at=at, n=n, seed=seed, feature=FeatureId(seed, 100 * at + count)
        )
        for seed in range(2)
        for at in (0, 1)
        for count in range(n + 1)
    ]
    return [*told, *(place_words(n=n, seed=s, feature=FeatureId(9, s)) for s in range(20))]


@pytest.fixture(scope="module")
def mixed() -> list[FeatureEvidence]:
    return make_mixed(8)


@pytest.fixture(scope="module")
def routes(mixed: list[FeatureEvidence], embedder: WordLlamaEmbedder) -> list[Route]:
    return route(mixed, embedder, windows=DEFAULT_WINDOWS)


@pytest.mark.parametrize(("kind", "role"), PLANTED.items())
def test_what_is_planted_is_found(kind: str, role: Role, embedder: WordLlamaEmbedder):
    planted = [plant(MANUAL, kind, seed=seed).evidence for seed in range(200, 210)]

    found = [decided.role for decided in route(planted, embedder)]

    assert found.count(role) >= 9


def test_nothing_planted_in_ordinary_text_is_obscure(embedder: WordLlamaEmbedder):
    text = ["".join(tokens) for tokens in load_passages().tokens]
    planted = plant_many(text, ["random positions"], seed=200, each=30)

    found = [decided.role for decided in route([p.evidence for p in planted], embedder)]

    assert 30 - found.count("obscure") <= 3


def test_a_threshold_is_the_share_of_nothing_that_leaves_obscure(embedder: WordLlamaEmbedder):
    text = ["".join(tokens) for tokens in load_passages().tokens]
    few = [p.evidence for p in plant_many(text, ["random positions"], seed=300, each=200, n=7)]

    left = [
        sum(decided.role != "obscure" for decided in route(few, embedder, threshold)) / len(few)
        for threshold in (0.2, 0.05)
    ]

    # What 999 of 1,000 samples of 200 stay below.
    assert left[0] <= 0.29
    assert left[1] <= min(0.10, left[0])


def test_low_confidence_escalates_and_nothing_else_does(routes: list[Route]):
    for decided in routes:
        plain = TIERS[decided.role]
        escalates = decided.confidence == "low" and plain < 3
        assert decided.tier == plain + escalates
        assert decided.escalated_from == (plain if escalates else None)


def test_the_examples_of_escalation_are_not_empty(routes: list[Route]):
    seen = {(decided.role, decided.confidence == "low") for decided in routes}

    assert {("input", False), ("input", True), ("output", False), ("output", True)} <= seen
    assert {("obscure", False), ("obscure", True)} <= seen


def test_confidence_grades_the_margin_to_the_runner_up(routes: list[Route]):
    for decided in routes:
        assert decided.margin is not None
        assert decided.margin >= 0
        expected = "high" if decided.margin >= 2 else "medium" if decided.margin >= 0.7 else "low"
        assert decided.confidence == expected
        assert decided.runner_up in set(ROLES) - {decided.role}


def test_the_reason_names_the_runner_up_and_its_distance(routes: list[Route]):
    for decided in routes:
        assert decided.reason.endswith(
            f"; next is {decided.runner_up}, {decided.margin:.1f} behind"
        )


def test_the_reason_names_the_words_that_decided(embedder: WordLlamaEmbedder):
    known = [place_words(" tuple", at=at, feature=FeatureId(1, at)) for at in (0, 1)]

    at, after = route(known, embedder)

    assert (at.role, after.role) == ("input", "output")
    assert "peaks 'tuple' in 100%" in at.reason
    assert "next 'tuple' in 100%" in after.reason


def test_a_class_is_named_too(embedder: WordLlamaEmbedder):
    days = [" Monday", " Tuesday", " Friday", " Sunday", " Thursday", " Wednesday"]

    (decided,) = route([place_words(days, n=6)], embedder)

    assert "weekdays in 100%" in " ".join(decided.steps)


def test_steps_weigh_all_roles_and_end_with_the_decision(routes: list[Route]):
    for decided in routes:
        first, *weighed, cutoff, last = decided.steps
        assert first == "not an artefact"
        assert [step.split(" ")[0] for step in weighed] == list(ROLES)
        assert "must lead obscure by" in cutoff
        assert last == f"so the role is {decided.role}, tier {decided.tier}"


def test_steps_give_the_odds_and_the_cutoff_that_decide(
    mixed: list[FeatureEvidence], routes: list[Route], embedder: WordLlamaEmbedder
):
    yardstick = load_yardstick(embedder)
    cutoff = max(0.0, lead_of_nothing(8, CALIBRATED.threshold))
    for known, decided in list(zip(mixed, routes, strict=True))[::7]:
        signals = measure_signals(known, yardstick)
        odds = weigh(signals)
        assert decided.role == choose_role(odds, cutoff)
        assert decided.steps[1:5] == tuple(
            f"{role} {odds[role]:.1f}: {describe(role, signals)}" for role in ROLES
        )
        assert f"by {cutoff:.1f}:" in decided.steps[5]


def test_a_role_leads_obscure_even_where_nothing_mostly_does(embedder: WordLlamaEmbedder):
    known = [place_words(n=20, seed=i, feature=FeatureId(1, i)) for i in range(30)]
    yardstick = load_yardstick(embedder)
    odds = [weigh(measure_signals(k, yardstick)) for k in known]
    lenient = lead_of_nothing(20, 0.9)

    found = route(known, embedder, alpha=0.9)

    assert [decided.role for decided in found] == [choose_role(each, 0.0) for each in odds]
    assert any(choose_role(each, 0.0) != choose_role(each, lenient) for each in odds)
    assert not any("must lead obscure" in step for decided in found for step in decided.steps)


def test_a_stricter_threshold_never_makes_a_role_of_obscure(embedder: WordLlamaEmbedder):
    few = make_mixed(5)
    by_threshold = [[r.role for r in route(few, embedder, chance)] for chance in THRESHOLDS]

    for lenient, strict in pairwise(by_threshold):
        assert all(new in (old, "obscure") for old, new in zip(lenient, strict, strict=True))
    n_obscure = [roles.count("obscure") for roles in by_threshold]
    assert n_obscure[0] < n_obscure[-1]


def test_a_route_depends_on_no_other_feature(mixed: list[FeatureEvidence], routes: list[Route]):
    for place in (4, -1):
        assert route([mixed[place]], WordLlamaEmbedder(), windows=DEFAULT_WINDOWS) == [
            routes[place]
        ]


def test_nor_on_the_order_of_features(
    mixed: list[FeatureEvidence], routes: list[Route], embedder: WordLlamaEmbedder
):
    assert route(mixed[::-1], embedder, windows=DEFAULT_WINDOWS) == routes[::-1]


def test_nor_on_the_order_of_examples(
    mixed: list[FeatureEvidence], routes: list[Route], embedder: WordLlamaEmbedder
):
    shuffled = [
        replace(known, top=tuple(Random(i).sample(known.top, len(known.top))))
        for i, known in enumerate(mixed)
    ]

    assert route(shuffled, embedder, windows=DEFAULT_WINDOWS) == routes


def test_nor_on_the_scale_of_activations(
    mixed: list[FeatureEvidence], routes: list[Route], embedder: WordLlamaEmbedder
):
    loud = [
        replace(
            known,
            top=tuple(replace(e, activations=e.activations * np.float32(1024)) for e in known.top),
        )
        for known in mixed
    ]

    assert route(loud, embedder, windows=DEFAULT_WINDOWS) == routes


def test_nor_on_the_layer(embedder: WordLlamaEmbedder):
    known = [place_words(" tuple", at=1, feature=FeatureId(n, 7)) for n in (0, 12, 40)]

    found = route(known, embedder)

    assert {decided.role for decided in found} == {"output"}
    assert [replace(r, feature=found[0].feature) for r in found] == [found[0]] * 3


def test_windows_are_scored_against_ordinary_text_but_do_not_decide(
    mixed: list[FeatureEvidence], routes: list[Route], embedder: WordLlamaEmbedder
):
    windows = [Window("input", 0, 0), Window("output", 1, 1), Window("cross", -1, 1)]
    other = route(mixed, embedder, windows=windows)

    assert [replace(r, scores={}) for r in other] == [replace(r, scores={}) for r in routes]
    assert [r.scores for r in other] != [r.scores for r in routes]
    for decided in routes:
        assert set(decided.scores) | set(decided.unscored) == {"input", "output", "cross"}
        assert all(score.z is not None for score in decided.scores.values())


ODD_WORDS = ["\n", "\r\n", "\u2028", "\t", " ", "🙂", "שלום", "<bos>", "'", "日本", "…"]


@pytest.mark.parametrize("at", [0, 1])
def test_a_reason_is_one_line_whatever_the_words(at: int, embedder: WordLlamaEmbedder):
    known = [
        place_words(word, at=at, n=6, feature=FeatureId(1, i)) for i, word in enumerate(ODD_WORDS)
    ]

    for decided in route(known, embedder):
        for line in (decided.reason, *decided.steps):
            assert len(line.splitlines()) == 1
            assert not any(unicodedata.category(char) == "Cc" for char in line)


@pytest.mark.parametrize("word", [" a\x07b", " \x1b[31m", " \x7f"])
def test_a_reason_shows_no_control_character(word: str, embedder: WordLlamaEmbedder):
    (decided,) = route([place_words(word, n=6)], embedder)

    shown = "".join((decided.reason, *decided.steps))
    assert not any(unicodedata.category(char) == "Cc" for char in shown)


@pytest.mark.parametrize(
    "text", [["", "", ""], ["🙂", "🙂"], ["<bos>", " שלום"], ["a", "b"] * 5000]
)
def test_odd_texts_are_routed(text: list[str], embedder: WordLlamaEmbedder):
    (decided,) = route([make_evidence([text] * 6)], embedder)

    assert decided.role in get_args(Role)
    assert decided.n_examples == 6


@given(st.integers(1, 200), st.floats(0, 1), st.floats(0, 1))
def test_a_rarer_lead_is_greater(n: int, one: float, other: float):
    rare, common = sorted((one, other))

    assert lead_of_nothing(n, rare) >= lead_of_nothing(n, common)


@given(st.integers(1, 199), st.floats(0.001, 0.5))
def test_more_examples_need_no_greater_lead(n: int, chance: float):
    assert lead_of_nothing(n, chance) >= lead_of_nothing(n + 1, chance)


def test_no_weight_contradicts_what_its_input_speaks_for(fitting: ModuleType):
    weights = load_weights().weights

    assert set(fitting.SIGNS) <= set(weights) == set(INPUTS)
    for name, signs in fitting.SIGNS.items():
        for role, sign in signs.items():
            assert sign * weights[name][role] >= 0, (name, role)


def test_leads_are_those_of_the_table_and_between_them():
    table = load_weights().lead_of_nothing
    for size, leads in table.items():
        for chance, lead in leads.items():
            assert lead_of_nothing(int(size), float(chance)) == pytest.approx(lead)
    between = lead_of_nothing(10, 0.02**0.5)
    assert between == pytest.approx((table["10"]["0.1"] + table["10"]["0.2"]) / 2)
    # 1 / sqrt(n) of 25 lies .472 of the way from that of 30 to that of 20.
    way = (1 / 5 - 30**-0.5) / (20**-0.5 - 30**-0.5)
    expected = table["30"]["0.05"] + way * (table["20"]["0.05"] - table["30"]["0.05"])
    assert lead_of_nothing(25, 0.05) == pytest.approx(expected)


def test_outside_the_table_its_ends_hold():
    assert lead_of_nothing(1, 0.05) == lead_of_nothing(5, 0.05)
    assert lead_of_nothing(10_000, 0.05) == lead_of_nothing(40, 0.05)
    assert lead_of_nothing(10, 1e-9) == lead_of_nothing(10, MIN_CHANCE)
    assert lead_of_nothing(10, 1.0) == min(load_weights().lead_of_nothing["10"].values())


@pytest.mark.parametrize(
    ("odds", "role"),
    [
        ((2.0, 1.0, 0.0, 0.0), "input"),
        ((0.0, 2.0, 1.0, 0.0), "output"),
        ((0.0, 1.0, 2.0, 0.0), "cross"),
        ((2.0, 2.0, 2.0, 0.0), "input"),
        ((1.0, 2.0, 2.0, 0.0), "output"),
        ((1.5, 0.0, 0.0, 0.0), "input"),
        ((1.49, 0.0, 0.0, 0.0), "obscure"),
        ((1.0, 1.0, 1.0, 1.0), "obscure"),
    ],
)
def test_the_best_role_must_lead_obscure_by_the_cutoff(
    odds: tuple[float, float, float, float], role: Role
):
    assert choose_role(dict(zip(ROLES, odds, strict=True)), 1.5) == role


def test_without_a_cutoff_a_tie_with_obscure_is_a_role():
    assert choose_role(dict.fromkeys(ROLES, 1.0), 0.0) == "input"


def test_weights_are_those_of_the_inputs_and_roles():
    fitted = load_weights()

    assert list(fitted.weights) == list(INPUTS)
    assert set(fitted.bias) == set(ROLES)
    assert all(set(weights) == set(ROLES) for weights in fitted.weights.values())
    assert fitted.revision >= 1
    assert fitted.fitted_on


def test_odds_are_the_weighted_sum_of_the_inputs(embedder: WordLlamaEmbedder):
    signals = measure_signals(place_words(" tuple"), load_yardstick(embedder))
    inputs, fitted = read_inputs(signals), load_weights()

    for role, found in weigh(signals).items():
        expected = sum(inputs[name] * fitted.weights[name][role] for name in INPUTS)
        assert found == pytest.approx(fitted.bias[role] + expected, abs=1e-5)


def test_what_features_are_compared_with_is_named_by_digests():
    named = name_null()

    assert list(named) == ["passages", "text", "rule"]
    assert all(re.fullmatch(r"[\w.-]+@[0-9a-f]{12,}", name) for name in named.values())


class Unknown:
    name = "unknown:1"

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        return np.ones((len(texts), 4), dtype=np.float32)


def test_an_embedder_without_ordinary_contexts_is_an_error_with_a_remedy():
    with pytest.raises(MissingEvidenceError, match="no contexts for the embedder") as raised:
        next(CALIBRATED.route([place_words(" tuple")], DEFAULT_WINDOWS, Unknown()))

    assert "calibrate" in raised.value.remedy
