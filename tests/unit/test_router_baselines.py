"""AIR's channels, counted words and the layer alone; and every rule on bad input."""

import math
import re
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clerp.correlation import Score
from clerp.embedding import WordLlamaEmbedder
from clerp.evidence import FeatureEvidence
from clerp.feature import FeatureId
from clerp.plugins import Embedder
from clerp.router import RULES, TIERS, Role, Route, Rule, find_rule, route_features
from clerp.testing import make_evidence
from clerp.windows import DEFAULT_WINDOWS

AIR, TOKENS, LAYER = (RULES[name] for name in ("air", "tokens", "layer"))
CHANNELS: Mapping[str, Role] = {
    "token": "input",
    "before": "input",
    "after": "output",
    "promoted": "output",
    "suppressed": "output",
    "short": "cross",
    "medium": "cross",
    "long": "cross",
}
_REACHES = {"0,0": "token", "-1,-1": "before", "1,1": "after"} | {
    f"-{reach},{reach}": name for name, reach in (("short", 1), ("medium", 8), ("long", 16))
}
_REACH, _N_EXAMPLES = 16, 10


class MarkedEmbedder:
    """Reads texts of tokens ` OFFSET|word.`, where OFFSET is that from the peak or a list's letter.

    Texts of one channel that hold the word `planted` have the same direction, if the channel is
    `alike`; any other text has a random direction of its own.
    """

    name = "marked"

    def __init__(self, alike: str = "") -> None:
        self._alike = alike

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        return np.array([self._direct(text) for text in texts], dtype=np.float32)

    def _direct(self, text: str) -> np.ndarray:
        same = "planted" in text and name_channel(text) == self._alike
        key = self._alike if same else text
        return np.random.default_rng(zlib.crc32(key.encode())).normal(size=64)


class TableEmbedder:
    """Asks a function for each vector."""

    name = "table"

    def __init__(self, direct: Callable[[str], Sequence[float]]) -> None:
        self._direct = direct

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        return np.array([self._direct(text) for text in texts], dtype=np.float32)


def name_channel(text: str) -> str:
    places = re.findall(r"([-\w]+)\|", text)
    lists = {"p": "promoted", "s": "suppressed"}
    return lists.get(places[0]) or _REACHES.get(f"{places[0]},{places[-1]}", "cut off")


def make_marked(index: int, word: str = "", *, n: int = _N_EXAMPLES) -> FeatureEvidence:
    """Make a feature of random words; with a word, each text, each list's token has that too."""
    rng = np.random.default_rng(index)

    def write(place: object) -> str:
        return f" {place}|{word}{rng.integers(10**9)}."

    texts = [[write(at) for at in range(-_REACH, _REACH + 1)] for _ in range(n)]
    return make_evidence(
        texts,
        peak=_REACH,
        promoted=[write("p") for _ in range(_N_EXAMPLES)],
        suppressed=[write("s") for _ in range(_N_EXAMPLES)],
        feature=FeatureId(index % 5, index),
    )


PLANTED = make_marked(99, "planted")
OTHERS = tuple(make_marked(index) for index in range(14))


@pytest.fixture(autouse=True)
def _few_draws(monkeypatch: pytest.MonkeyPatch):
    # A tenth of what AIR draws: nearly the same scores in a tenth of the time.
    monkeypatch.setattr("clerp.router.air._DRAWS", 100)


def route(
    known: Sequence[FeatureEvidence], rule: Rule, embedder: Embedder | None = None
) -> list[Route]:
    embedder = embedder or MarkedEmbedder()
    return list(route_features(known, rule=rule, windows=DEFAULT_WINDOWS, embedder=embedder))


def read_z(route: Route) -> dict[str, float]:
    return {name: score.z for name, score in route.scores.items() if score.z is not None}


@pytest.mark.parametrize(("channel", "role"), CHANNELS.items())
def test_the_only_channel_that_is_alike_wins_and_decides_the_role(channel: str, role: Role):
    decided, *others = route([PLANTED, *OTHERS], AIR, MarkedEmbedder(channel))

    z = read_z(decided)
    assert (decided.role, decided.tier) == (role, TIERS[role])
    assert decided.scores[channel].raw == pytest.approx(1.0, abs=1e-4)
    assert [name for name in CHANNELS if z[name] >= AIR.threshold] == [channel]
    assert f"the best channel is {channel}: {z[channel]:.1f} (high from 5)" in decided.reason
    assert {other.role for other in others} == {"obscure"}


def test_every_channel_of_air_is_scored_and_no_other():
    (decided, *_) = route([PLANTED, *OTHERS], AIR)

    assert set(decided.scores) == set(CHANNELS)


def test_below_the_threshold_a_feature_is_obscure():
    (decided, *_) = route([PLANTED, *OTHERS], AIR)

    assert max(read_z(decided).values()) < AIR.threshold
    assert (decided.role, decided.tier) == ("obscure", 3)


def test_a_score_of_air_at_the_threshold_is_high():
    embedder = MarkedEmbedder("before")
    z = read_z(route([PLANTED, *OTHERS], AIR, embedder)[0])["before"]

    at, above = (
        route([PLANTED, *OTHERS], find_rule("air", threshold), embedder)[0]
        for threshold in (z, z + 0.01)
    )

    assert (at.role, above.role) == ("input", "obscure")


def test_what_all_features_have_says_nothing_of_one():
    known = [make_marked(index, "planted") for index in range(10)]

    assert {r.role for r in route(known, AIR, MarkedEmbedder("token"))} == {"obscure"}


@pytest.mark.parametrize(("n_features", "is_scored"), [(4, False), (5, True)])
def test_fewer_than_50_strings_are_no_pool(n_features: int, is_scored: bool):
    known = [PLANTED, *OTHERS[: n_features - 1]]

    routes = route(known, AIR, MarkedEmbedder("token"))

    assert {bool(r.scores) for r in routes} == {is_scored}
    assert is_scored or {(r.role, r.tier) for r in routes} == {("obscure", 3)}


def test_each_channel_has_a_pool_of_its_own():
    known = [replace(known, promoted=known.promoted[:1]) for known in (PLANTED, *OTHERS)]

    (decided, *_) = route(known, AIR, MarkedEmbedder("after"))

    assert decided.role == "output"
    assert set(decided.scores) == set(CHANNELS) - {"promoted"}


@pytest.mark.parametrize(("n_after", "is_scored"), [(4, False), (5, True)])
def test_a_channel_of_fewer_than_five_strings_is_not_scored(n_after: int, is_scored: bool):
    cut_off = [
        replace(
            example,
            tokens=example.tokens[: example.peak + 1],
            activations=example.activations[: example.peak + 1],
        )
        for example in PLANTED.top[n_after:]
    ]
    planted = replace(PLANTED, top=(*PLANTED.top[:n_after], *cut_off))

    (decided, *_) = route([planted, *OTHERS], AIR, MarkedEmbedder("after"))

    assert ("after" in decided.scores) == is_scored
    assert decided.role == ("output" if is_scored else "obscure")
    assert not is_scored or decided.scores["after"].n == 5


def test_the_ten_strongest_examples_count():
    more = make_marked(99, "planted", n=14)
    only_top_alike = replace(more, top=(*more.top[:10], *make_marked(3, n=14).top[10:]))

    (decided, *_) = route([only_top_alike, *OTHERS], AIR, MarkedEmbedder("token"))

    assert decided.scores["token"].n == 10
    assert decided.scores["token"].raw == pytest.approx(1.0, abs=1e-4)
    assert decided.n_examples == 14


def test_stronger_examples_weigh_more():
    alike, unlike = make_marked(99, "planted"), make_marked(98)
    strong = replace(alike, top=alike.top[:5] + unlike.top[5:])
    weak = replace(alike, top=unlike.top[:5] + alike.top[5:])

    strong_z, weak_z = (
        read_z(route([known, *OTHERS], AIR, MarkedEmbedder("token"))[0])["token"]
        for known in (strong, weak)
    )

    assert strong_z > 2 * weak_z > 0


@pytest.mark.parametrize(
    "direct",
    [
        pytest.param(lambda _: [0.0, 0.0], id="all zeros"),
        pytest.param(lambda _: [math.nan, 1.0], id="no numbers"),
        pytest.param(lambda _: [0.6, 0.8], id="all the same"),
        pytest.param(lambda text: [0.0 if "planted" in text else 1.0, 0.0], id="zeros for one"),
        pytest.param(lambda text: [1.0, len(text) % 2 - 0.5], id="two directions"),
        pytest.param(lambda text: [1.0 if "planted" in text else -1.0, 0.0], id="opposites"),
    ],
)
def test_vectors_that_say_nothing_give_no_score_that_is_no_number(
    direct: Callable[[str], Sequence[float]],
):
    routes = route([PLANTED, *OTHERS], AIR, TableEmbedder(direct))

    for decided in routes:
        check_scores(decided)
        assert decided.reason


@pytest.mark.slow
@settings(max_examples=20)
@given(st.randoms(use_true_random=False), st.sampled_from(list(CHANNELS)))
def test_air_routes_the_same_in_any_order_of_features(random: Random, channel: str):
    known = [PLANTED, *OTHERS[:7]]
    shuffled = random.sample(known, len(known))

    routes = {r.feature: r for r in route(known, AIR, MarkedEmbedder(channel))}

    again = route(shuffled, AIR, MarkedEmbedder(channel))
    assert again == [routes[k.feature] for k in shuffled]


@pytest.mark.parametrize("scale", [1e-3, 7.0, 1e3])
def test_the_scale_of_activations_does_not_matter_to_air(scale: float):
    def rescale(known: FeatureEvidence) -> FeatureEvidence:
        scaled = [replace(e, activations=e.activations * np.float32(scale)) for e in known.top]
        return replace(known, top=tuple(scaled))

    (decided, *_) = route([rescale(k) for k in (PLANTED, *OTHERS)], AIR, MarkedEmbedder("before"))

    (expected, *_) = route([PLANTED, *OTHERS], AIR, MarkedEmbedder("before"))
    assert decided.role == expected.role == "input"
    assert read_z(decided)["before"] == pytest.approx(read_z(expected)["before"], abs=0.02)


def test_strings_that_are_all_the_same_score_nothing():
    for decided in route([PLANTED, *OTHERS], AIR, TableEmbedder(lambda _: [0.6, 0.8])):
        assert set(read_z(decided).values()) == {0.0}


def test_a_feature_that_no_channel_of_air_could_score_says_so():
    (decided,) = route([PLANTED], AIR)

    assert (decided.role, decided.scores) == ("obscure", {})
    assert "None" not in decided.reason


def count(peaks: Sequence[str], following: Sequence[str], rule: Rule = TOKENS) -> Route:
    """Route one feature of these words; all its examples are equally strong."""
    texts = [
        [f" w{n}", f" {peak}", *([f" {after}"] if after else [])]
        for n, (peak, after) in enumerate(zip(peaks, following, strict=True))
    ]
    made = make_evidence(texts)
    equal = [replace(e, activations=np.sign(e.activations)) for e in made.top]
    (decided,) = route([replace(made, top=tuple(equal))], rule)
    return decided


def number(words: int, *, of: int, word: str = "same") -> list[str]:
    """Repeat a word so many times among different ones."""
    return [word] * words + [f"{word}{n}" for n in range(of - words)]


@pytest.mark.parametrize(
    ("at", "after", "role"),
    [
        (10, 1, "input"),
        (5, 1, "input"),
        (4, 1, "obscure"),
        (1, 10, "output"),
        (1, 5, "output"),
        (1, 4, "obscure"),
        (5, 6, "output"),
        (6, 5, "input"),
        (5, 5, "input"),
        (10, 10, "input"),
    ],
)
def test_the_greater_share_decides_from_half_on_and_a_tie_is_input(at: int, after: int, role: Role):
    decided = count(number(at, of=10), number(after, of=10, word="next"))

    assert (decided.role, decided.tier) == (role, TIERS[role])
    assert decided.reason == (
        f"the commonest peak word has {at}0%, the commonest next word {after}0% (high from 50%)"
    )


@pytest.mark.parametrize(("threshold", "role"), [(0.7, "input"), (0.71, "obscure")])
def test_a_share_is_held_against_the_threshold_given(threshold: float, role: Role):
    decided = count(number(7, of=10), number(1, of=10), find_rule("tokens", threshold))

    assert decided.role == role


def test_shares_are_of_activation():
    texts = [[" a", " same"]] * 2 + [[" a", f" w{n}"] for n in range(4)]
    made = make_evidence(texts)
    peaks = [3.0, 3.0, 1.0, 1.0, 1.0, 1.0]
    top = [
        replace(example, activations=np.array([0, peak], np.float32))
        for example, peak in zip(made.top, peaks, strict=True)
    ]

    (decided,) = route([replace(made, top=tuple(top))], TOKENS)

    assert decided.role == "input"
    assert "the commonest peak word has 60%, the commonest next word 0%" in decided.reason


def test_case_does_not_part_words():
    assert count(["Same", "same", "SAME", "x", "y"], number(1, of=5)).role == "input"


def test_counting_asks_no_embedder_and_reads_no_other_feature():
    def refuse(_: str) -> Sequence[float]:
        raise AssertionError("the embedder was asked")

    known = [make_evidence([[" a", " same", " b"]] * 6, feature=FeatureId(0, n)) for n in (1, 2)]

    first, other = route(known, TOKENS, TableEmbedder(refuse))

    assert replace(other, feature=first.feature) == first == route(known[:1], TOKENS)[0]
    assert route(known, LAYER, TableEmbedder(refuse))


def route_layers(layers: Sequence[int], rule: Rule = LAYER) -> list[Role]:
    texts = [[" a", f" w{n}", " b"] for n in range(6)]
    known = [make_evidence(texts, feature=FeatureId(layer, n)) for n, layer in enumerate(layers)]
    return [r.role for r in route(known, rule)]


def test_late_layers_are_output_and_the_others_input():
    layers = [0, 3, 6, 7, 10]

    assert route_layers(layers) == ["input", "input", "input", "output", "output"]
    assert route_layers(layers, find_rule("layer", 0.6)) == ["input"] * 2 + ["output"] * 3


@given(st.permutations([0, 3, 6, 7, 10]))
def test_a_depth_is_one_of_the_deepest_layer_in_any_order(layers: list[int]):
    assert route_layers(layers) == ["output" if layer >= 7 else "input" for layer in layers]


@pytest.mark.parametrize(("layer", "role"), [(0, "input"), (1, "output"), (30, "output")])
def test_a_single_layer_is_the_deepest_unless_it_is_the_first(layer: int, role: Role):
    assert route_layers([layer] * 3) == [role] * 3


def test_a_depth_below_the_threshold_is_not_shown_as_the_threshold():
    texts = [[" a", f" w{n}", " b"] for n in range(6)]
    known = [make_evidence(texts, feature=FeatureId(layer, 0)) for layer in (8, 12)]

    assert "depth 0.67 (early" not in route(known, LAYER)[0].reason


def test_the_layer_says_its_depth_and_that_it_is_no_evidence():
    texts = [[" a", f" w{n}", " b"] for n in range(6)]
    known = [make_evidence(texts, feature=FeatureId(layer, 0)) for layer in (3, 12)]

    early, late = route(known, LAYER)

    assert early.reason == "depth 0.25 (early: from 0.667 on)"
    assert late.reason == "depth 1 (late: from 0.667 on)"
    assert {early.confidence, late.confidence} == {"low"}
    assert {early.tier, late.tier} == {1}


BAD_INPUT: Mapping[str, Sequence[Sequence[str]]] = {
    "no token after the peak": [[f" w{n}", f" x{n}"] for n in range(8)],
    "no token around the peak": [[f"x{n}"] for n in range(8)],
    "identical examples": [[" the", " capital", " of", " Texas"]] * 8,
    "one token, repeated": [[" a"] * 30] * 8,
    "empty tokens": [["", "", ""]] * 8,
    "an empty token at the peak": [[f" w{n}", "", f" x{n}"] for n in range(8)],
    "spaces": [[" ", "  ", "\t", "\u3000"]] * 8,
    "line breaks": [["\n", "\n\n", "\r\n", "\u2028"]] * 8,
    "emoji": [[" hi", "👩‍👩‍👧", "👍🏽", "🇩🇪", "\ufe0f", f" w{n}"] for n in range(8)],
    "right to left": [["في", " مصر", " القديمة", f" {n}", "\u202e", "שלום"] for n in range(8)],
    "pieces of characters": [["\ufffd", "\ufffd\ufffd", "\ufffd", f" w{n}"] for n in range(8)],
    "control characters": [["\x00", "\x1b[31m", "\x7f", f" w{n}"] for n in range(8)],
    "a window of 10,000 tokens": [
        [f" w{(n * 7919 + i) % 997}" for i in range(10_000)] for n in range(5)
    ],
    "a token of 3,000 letters": [[" a", f" {'b' * 3_000}{n}", " c"] for n in range(5)],
}


@pytest.fixture(scope="module")
def wordllama() -> Embedder:
    return WordLlamaEmbedder()


def make_ordinary(index: int) -> FeatureEvidence:
    rng = np.random.default_rng(index)
    words = ("the", "of", "and", "to", "in", "is", "on", "city", "river", "law", "music", "red")
    texts = [[f" {word}" for word in rng.choice(words, 25)] for _ in range(10)]
    lists = [[f" {word}" for word in rng.choice(words, 10)] for _ in range(2)]
    return make_evidence(
        texts, peak=12, promoted=lists[0], suppressed=lists[1], feature=FeatureId(index % 4, index)
    )


def check_scores(decided: Route) -> None:
    """Check that every number of a route is one, and every similarity is within -1 and 1."""
    for score in decided.scores.values():
        numbers = [getattr(score, part.name) for part in fields(Score)]
        assert all(math.isfinite(n) for n in numbers if n is not None), score
        assert -1.001 <= score.raw <= 1.001
        assert -1.001 <= score.weighted <= 1.001
    assert decided.margin is None or math.isfinite(decided.margin)


def check_route(decided: Route, known: FeatureEvidence) -> None:
    assert decided.feature == known.feature
    assert decided.n_examples == len(known.top)
    assert decided.role in TIERS
    assert decided.reason.strip()
    assert not re.search(r"\b(nan|inf)\b", decided.reason)
    check_scores(decided)


@pytest.mark.parametrize("name", BAD_INPUT)
@pytest.mark.parametrize("rule", RULES)
def test_bad_input_gets_a_route_and_a_reason(rule: str, name: str, wordllama: Embedder):
    texts = BAD_INPUT[name]
    bad = make_evidence(
        texts,
        peak=1,
        promoted=[text[-1] for text in texts],
        suppressed=[text[0] for text in texts],
        feature=FeatureId(2, 77),
    )
    known = [*map(make_ordinary, range(6)), bad]

    routes = route(known, RULES[rule], wordllama)

    for decided, evidence in zip(routes, known, strict=True):
        check_route(decided, evidence)


@pytest.mark.parametrize("rule", RULES)
def test_bad_input_alone_gets_a_route_and_a_reason(rule: str, wordllama: Embedder):
    for number, texts in enumerate(BAD_INPUT.values()):
        known = make_evidence(texts, peak=1, feature=FeatureId(0, number))

        (decided,) = route([known], RULES[rule], wordllama)

        check_route(decided, known)


@pytest.mark.parametrize("rule", RULES)
def test_no_feature_gets_no_route(rule: str, wordllama: Embedder):
    assert list(RULES[rule].route([], DEFAULT_WINDOWS, wordllama)) == []


@pytest.mark.parametrize("rule", RULES)
def test_a_role_goes_to_its_tier_or_a_later_one(rule: str, wordllama: Embedder):
    for decided in route([make_ordinary(index) for index in range(8)], RULES[rule], wordllama):
        assert decided.tier == TIERS[decided.role] or decided.escalated_from == TIERS[decided.role]
