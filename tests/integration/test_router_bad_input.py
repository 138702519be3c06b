"""Evidence that no reader could use, and embedders that fail: a route with its reason from every
rule, and never a number that JSON lacks.
"""

import json
import math
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from tests.command_line import Run, make_runner
from tests.named_classes import make_class
from tests.tiny_graph import (
    FEATURES,
    Document,
    build_records,
    build_tiny_graph,
    write_graph,
    write_records,
)

from clerp.embedding import WordLlamaEmbedder
from clerp.evidence import ActivationExample, FeatureEvidence
from clerp.feature import FeatureId
from clerp.router import RULES, TIERS, Role, Route, Rule, route_features
from clerp.router.yardstick import load_yardstick
from clerp.testing import make_evidence
from clerp.windows import DEFAULT_WINDOWS

N = 8
Tokens = Sequence[str]
WORDS = (" river", " seven", " Texas", " bread", " doctor", " piano", " quiet", " lost", " tall")


def vary(*pieces: str) -> list[Tokens]:
    """Make texts that hold the pieces, each with other words around them."""
    return [[*WORDS[i:], *pieces, *WORDS[:i]] for i in range(N)]


def repeat(*tokens: str) -> list[Tokens]:
    return [list(tokens)] * N


TEXTS: Mapping[str, tuple[Sequence[Tokens], int]] = {
    "nothing after the peak": (vary(), 8),
    "nothing before the peak": (vary(), 0),
    "one example": ([list(WORDS)], 4),
    "one token each": ([[word] for word in WORDS[:N]], 0),
    "identical examples": (repeat(*WORDS), 4),
    "empty strings": (repeat("", "", "", ""), 1),
    "an empty peak": ([[word, "", word] for word in WORDS[:N]], 1),
    "only spaces": (repeat(" ", "  ", "\t", "\u00a0", "\u3000"), 2),
    "only line breaks": (repeat("\n", "\r\n", "\n\n", "\u2028", "\x85"), 2),
    "emoji": (vary("👩‍👩‍👧", "👍🏽", "🇩🇪", "\ufe0f", "🙂"), 4),
    "right to left": (vary(" שלום", " عليكم", "\u202e", " سلام", "\u202c"), 4),
    "surrogates": (vary("\ud800", "a\udfff", "\udc00\ud800"), 4),
    "control characters": (vary("\x00", "\x1b[31m", "\x7f", "\x08", "\x9b"), 4),
    "marks alone": (repeat("́", "҉", "\u200d", "\u200b", "\ufeff"), 2),
    "private and unassigned": (repeat("\ue0f0", "\ue0f1", "\ue0f2", "\uffff", "\U0010ffff"), 2),
    "special tokens": (repeat(" a", "<bos>", "<|im_start|>", "</s>", "<pad>"), 2),
    "a word of 10,000 letters": (vary("a" * 10_000), 4),
    "ten thousand tokens": ([[f" {word}" for word in WORDS] * 1112] * N, 5_000),
    "ten thousand tokens and the peak last": ([list(WORDS) * 1112] * N, 10_007),
}

ODD_ACTIVATIONS: Mapping[str, Callable[[int], float]] = {
    "equal": lambda _: 1.0,
    "zero": lambda _: 0.0,
    "negative": lambda place: -1.0 - place,
    "one not a number": lambda place: math.nan if place == 3 else 1.0,
    "none a number": lambda _: math.nan,
    "infinite": lambda _: math.inf,
    "infinite both ways": lambda place: math.inf if place % 2 else -math.inf,
    "as small as can be": lambda _: 1e-45,
    "as large as can be": lambda _: 3.4e38,
}


class SpoiltEmbedder:
    """Is the default embedder, and fails as told on every text but those it must know.

    Ordinary text is made for the default embedder, and a few texts show whether it is that one.
    """

    def __init__(self, spoil: Callable[[np.ndarray], np.ndarray]) -> None:
        self._inner = WordLlamaEmbedder()
        self.name = self._inner.name
        self._spoil = spoil
        self._known: set[str] = set()
        self._learns = True
        load_yardstick(self)
        self._learns = False

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        vectors = self._inner.embed(texts)
        if self._learns:
            self._known.update(texts)
            return vectors
        is_known = np.array([text in self._known for text in texts])
        return np.where(is_known[:, np.newaxis], vectors, self._spoil(vectors))


def spoil_some(vectors: np.ndarray) -> np.ndarray:
    spoiled = vectors.copy()
    spoiled[::3], spoiled[1::3] = np.nan, np.inf
    return spoiled


SPOILED: Mapping[str, Callable[[np.ndarray], np.ndarray]] = {
    "zero": np.zeros_like,
    "not a number": lambda vectors: np.full_like(vectors, np.nan),
    "infinite": lambda vectors: np.full_like(vectors, np.inf),
    "partly not finite": spoil_some,
    "all the same": np.ones_like,
    "as small as can be": lambda vectors: np.full_like(vectors, 1e-45),
    "as large as can be": lambda vectors: np.full_like(vectors, 3e38),
}


@pytest.fixture(scope="module")
def embedder() -> WordLlamaEmbedder:
    return WordLlamaEmbedder()


@pytest.fixture(autouse=True)
def _few_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clerp.router.air._DRAWS", 50)


@pytest.fixture(scope="module", params=list(RULES))
def rule(request: pytest.FixtureRequest) -> Rule:
    return RULES[request.param]


@pytest.fixture(scope="module")
def routes(rule: Rule, embedder: WordLlamaEmbedder) -> list[Route]:
    return list(route_features(make_all(), rule=rule, windows=DEFAULT_WINDOWS, embedder=embedder))


def make_all() -> list[FeatureEvidence]:
    return [
        make_evidence(
            texts,
            lower=texts[:3],
            peak=peak,
            promoted=["", "\ud800", " river"],
            feature=FeatureId(1, i),
        )
        for i, (texts, peak) in enumerate(TEXTS.values())
    ]


def assert_sound(routes: Sequence[Route], known: Sequence[FeatureEvidence]) -> None:
    """Assert that every feature has a route with a reason of one line, and finite numbers."""
    assert [route.feature for route in routes] == [k.feature for k in known]
    for route in routes:
        assert route.role in get_args(Role)
        assert route.tier >= TIERS[route.role]
        assert route.reason
        for line in (route.reason, *route.steps):
            assert len(line.splitlines()) == 1, (route.feature, line)
            assert not any(unicodedata.category(char) in {"Cc", "Cs"} for char in line), line
        written = asdict(replace(route, scores={}))
        numbers = [asdict(score) for score in route.scores.values()]
        json.dumps([written, numbers], allow_nan=False)


def test_texts_that_say_nothing_have_a_route(routes: list[Route]):
    assert_sound(routes, make_all())


def test_what_is_no_evidence_gets_no_tier_one_label(routes: list[Route]):
    by_name = dict(zip(TEXTS, routes, strict=True))

    for name in ("one example", "one token each", "nothing before the peak"):
        assert by_name[name].role == "artefact"
        assert re.match("too few examples|sequence start", by_name[name].reason)


@pytest.mark.parametrize("name", TEXTS)
def test_odd_evidence_spoils_no_other_route(name: str, embedder: WordLlamaEmbedder):
    known = [make_class("weekdays", 0, n=N), make_all()[list(TEXTS).index(name)]]
    rule = RULES["calibrated"]

    beside, odd = route_features(known, rule=rule, windows=DEFAULT_WINDOWS, embedder=embedder)

    alone = route_features(known[:1], rule=rule, windows=DEFAULT_WINDOWS, embedder=embedder)
    assert [beside] == list(alone)
    assert_sound([odd], known[1:])


@pytest.mark.parametrize("name", ODD_ACTIVATIONS)
def test_activations_that_say_nothing_have_a_route(
    name: str, rule: Rule, embedder: WordLlamaEmbedder
):
    known = [with_activations(make_class("months", 0, n=N), ODD_ACTIVATIONS[name])]

    routes = list(route_features(known, rule=rule, windows=DEFAULT_WINDOWS, embedder=embedder))

    assert_sound(routes, known)


def with_activations(known: FeatureEvidence, give: Callable[[int], float]) -> FeatureEvidence:
    def change(example: ActivationExample, place: int) -> ActivationExample:
        activations = np.zeros_like(example.activations)
        activations[example.peak] = give(place)
        return replace(example, activations=activations)

    return replace(known, top=tuple(change(e, i) for i, e in enumerate(known.top)))


@pytest.mark.parametrize("name", SPOILED)
def test_vectors_that_say_nothing_leave_a_route(name: str, rule: Rule):
    spoiled = SpoiltEmbedder(SPOILED[name])
    known = [
        replace(make_class(kind, 0, n=N), feature=FeatureId(3, i))
        for i, kind in enumerate(("months", "say a country", "random positions"))
    ]

    routes = list(route_features(known, rule=rule, windows=DEFAULT_WINDOWS, embedder=spoiled))

    assert_sound(routes, known)


def test_a_thousand_examples_have_a_route(rule: Rule, embedder: WordLlamaEmbedder):
    few = make_class("months", 0, n=20)
    huge = replace(
        few,
        top=tuple(
            replace(example, tokens=(f" w{i}", *example.tokens[1:]), id=f"0.{i}")
            for i in range(1_000)
            for example in [few.top[i % 20]]
        ),
    )

    routes = list(route_features([huge], rule=rule, windows=DEFAULT_WINDOWS, embedder=embedder))

    assert_sound(routes, [huge])


RECORDS: Mapping[str, Tokens] = {
    "nothing after the peak": [*WORDS[:6], " seven"],
    "emoji": [" so", " 🙂", "👩‍👩‍👧", "🇩🇪", "👍🏽", " ok", " 🙂", "!"],
    "right to left": [" שלום", " עליכם", "\u202e", " سلام", " مصر", ".", " في", " من"],
    "blanks": [" ", "\n", "\t", " ", "\n\n", " ", "\r\n", " "],
    "control characters": ["\x00", "\x1b[31m", "\x7f", " a", " b", "\x9b", " c", "\u200b"],
    "empty strings": [""] * 8,
    "ten thousand tokens": [*WORDS[:7], *[" and"] * 10_000],
}


@pytest.mark.parametrize("name", RULES)
def test_the_command_writes_a_line_of_json_for_every_feature(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    graph = write_graph(tmp_path / "graph.json", build_tiny_graph())
    features = write_records(tmp_path / "features", spoil_records())
    run: Run = make_runner(capsys, monkeypatch)

    outcome = run("route", graph, "--features", features, "--rule", name, "--json")

    assert outcome.code == 0, outcome
    lines = [json.loads(line, parse_constant=refuse) for line in outcome.out.splitlines()]
    assert [(line["layer"], line["index"]) for line in lines] == [tuple(f)[:2] for f in FEATURES]
    assert all(line["role"] in get_args(Role) and line["reason"] for line in lines)


def spoil_records() -> dict[FeatureId, Document]:
    """Replace the examples of all features but the last by odd ones, each a little different."""
    records = build_records()
    for feature, tokens in zip(records, RECORDS.values(), strict=False):
        records[feature]["examples_quantiles"][0]["examples"] = [
            {
                "tokens": [WORDS[i], *tokens],
                "tokens_acts_list": [0.0] * 7 + [1.0] + [0.0] * (len(tokens) - 7),
            }
            for i in range(N)
        ]
    return records


def refuse(constant: str) -> None:
    raise AssertionError(constant)
