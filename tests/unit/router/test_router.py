import gc
import os
import subprocess
import sys
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.labelled_sample import SAMPLE, write_part
from tests.unit.router.ordinary_peaks import place_words
from tests.unit.router.told import PROTOCOL, WINDOWS, ToldEmbedder, make_told, route

from clerp.embedding import WordLlamaEmbedder
from clerp.evidence import EvidenceGap, FeatureEvidence
from clerp.feature import FeatureId
from clerp.router import RULES, Route, route_features
from clerp.testing import make_evidence
from clerp.windows import DEFAULT_WINDOWS


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

    for rule in RULES.values():
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
    for rule in RULES.values():
        assert route([], rule) == []


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


def test_the_default_windows_route_too():
    (decided,) = route_features(
        [make_evidence([[f"a{n}", f" b{n}", f" c{n}", f" d{n}"] for n in range(6)])],
        rule=PROTOCOL,
        windows=DEFAULT_WINDOWS[::-1],
        embedder=ToldEmbedder(),
    )

    assert set(decided.scores) == {"input", "output", "cross"}


class Feed:
    """Evidence that is read as it is asked for."""

    def __init__(self, known: Iterable[FeatureEvidence | EvidenceGap]) -> None:
        self._known = known
        self.n_read = 0

    def __iter__(self) -> Iterator[FeatureEvidence | EvidenceGap]:
        for item in self._known:
            self.n_read += 1
            yield item


class BatchingEmbedder(WordLlamaEmbedder):
    """Embeds so many texts at a time."""

    def __init__(self, batch: int) -> None:
        super().__init__()
        self._batch = batch

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        parts = [texts[i : i + self._batch] for i in range(0, len(texts), self._batch)]
        return np.concatenate([super(BatchingEmbedder, self).embed(part) for part in parts])


def make_kinds() -> list[FeatureEvidence | EvidenceGap]:
    """Make features of ordinary text that a rule routes, artefacts, and gaps."""
    told = [
        place_words([" tuple"] * count, at=at, n=10, seed=at, feature=FeatureId(at, count))
        for at in (0, 1)
        for count in range(1, 11, 3)
    ]
    others = [place_words(n=8, seed=seed, feature=FeatureId(3, seed)) for seed in range(3)]
    artefacts = [
        replace(known, feature=FeatureId(4, known.feature.index), density=0.4) for known in others
    ]
    gap = EvidenceGap(FeatureId(5, 1), "not in the folder")
    return [gap, *told[:3], *artefacts, *told[3:], *others, replace(gap, feature=FeatureId(5, 2))]


@pytest.fixture(scope="module")
def kinds() -> list[FeatureEvidence | EvidenceGap]:
    return make_kinds()


@pytest.fixture(scope="module")
def embedder() -> WordLlamaEmbedder:
    return WordLlamaEmbedder()


@pytest.fixture(autouse=True)
def _few_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clerp.router.air._DRAWS", 50)


@pytest.fixture(scope="module")
def whole(
    kinds: list[FeatureEvidence | EvidenceGap], embedder: WordLlamaEmbedder
) -> Callable[[str], list[Route]]:
    """Route all kinds together by a rule, once for all tests."""
    return cache(lambda rule: route_kinds(kinds, rule, embedder))


def route_kinds(
    known: Iterable[FeatureEvidence | EvidenceGap], rule: str, embedder: WordLlamaEmbedder
) -> list[Route]:
    return list(route_features(known, rule=RULES[rule], windows=DEFAULT_WINDOWS, embedder=embedder))


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("size", [1, 2, 5])
def test_routes_are_the_same_for_any_chunk_size(
    rule: str,
    size: int,
    kinds: list[FeatureEvidence | EvidenceGap],
    whole: Callable[[str], list[Route]],
    embedder: WordLlamaEmbedder,
    monkeypatch: pytest.MonkeyPatch,
):
    expected = whole(rule)
    monkeypatch.setattr("clerp.router.rule.CHUNK", size)

    assert route_kinds(iter(kinds), rule, embedder) == expected
    assert [routed.feature for routed in expected] == [known.feature for known in kinds]


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("seed", range(2))
def test_routes_are_the_same_for_any_order_of_features(
    rule: str,
    seed: int,
    kinds: list[FeatureEvidence | EvidenceGap],
    whole: Callable[[str], list[Route]],
    embedder: WordLlamaEmbedder,
):
    expected = {routed.feature: routed for routed in whole(rule)}
    shuffled = Random(seed).sample(kinds, len(kinds))

    assert route_kinds(shuffled, rule, embedder) == [expected[known.feature] for known in shuffled]


@pytest.mark.parametrize("batch", [1, 7])
def test_routes_are_the_same_for_any_batch_of_the_embedder(
    batch: int,
    kinds: list[FeatureEvidence | EvidenceGap],
    whole: Callable[[str], list[Route]],
):
    assert route_kinds(kinds, "calibrated", BatchingEmbedder(batch)) == whole("calibrated")


def test_routes_are_the_same_for_any_number_of_threads(tmp_path: Path):
    graph = write_part(tmp_path, "counting-to-six", 4)
    code = "import sys; from clerp.cli import main; sys.exit(main())"
    features = ("--features", str(SAMPLE / "features"))
    command = [sys.executable, "-c", code, "route", str(graph), *features, "--json"]

    def run(n: int) -> str:
        threads = dict.fromkeys(
            ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS"), str(n)
        )
        done = subprocess.run(
            command, check=True, capture_output=True, text=True, env={**os.environ, **threads}
        )
        return done.stdout

    one = run(1)
    assert one == run(4)
    assert len(one.splitlines()) > 50


@given(st.lists(st.sampled_from(["scored", "dense", "gap"]), max_size=12), st.integers(1, 5))
def test_every_feature_has_its_route_in_its_place(given_kinds: list[str], size: int):
    known: list[FeatureEvidence | EvidenceGap] = []
    for index, kind in enumerate(given_kinds):
        told = make_told(0.6, 0.1, index=index)
        gap = EvidenceGap(told.feature, "none")
        known.append({"scored": told, "dense": replace(told, density=0.5), "gap": gap}[kind])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("clerp.router.rule.CHUNK", size)
        routes = route(known)

    roles = {"scored": "input", "dense": "artefact", "gap": "obscure"}
    assert [routed.feature for routed in routes] == [k.feature for k in known]
    assert [routed.role for routed in routes] == [roles[kind] for kind in given_kinds]


def test_no_more_evidence_is_read_than_a_chunk(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("clerp.router.rule.CHUNK", 3)
    feed = Feed(make_told(0.6, 0.1, index=i) for i in range(10))

    routes = route_features(feed, rule=PROTOCOL, windows=WINDOWS, embedder=ToldEmbedder())

    assert feed.n_read == 0
    assert next(routes).feature == FeatureId(3, 0)
    assert feed.n_read == 3
    assert [next(routes).feature.index for _ in range(3)] == [1, 2, 3]
    assert feed.n_read == 6


@pytest.mark.parametrize("rule", ["air", "layer"])
def test_rules_whose_routes_depend_on_other_features_read_all_of_them(
    rule: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("clerp.router.rule.CHUNK", 3)
    feed = Feed(make_told(0.6, 0.1, index=i) for i in range(10))

    routes = route_features(feed, rule=RULES[rule], windows=WINDOWS, embedder=ToldEmbedder())

    assert next(routes).feature == FeatureId(3, 0)
    assert feed.n_read == 10


# Peaks as `tokens` reads them are remembered for labels, too, with some thousands of examples.
@pytest.mark.parametrize("rule", sorted(set(RULES) - {"tokens"}))
def test_no_example_outlives_its_routes(rule: str, embedder: WordLlamaEmbedder):
    known = [
        place_words(" tuple", at=i % 2, n=8, seed=i, feature=FeatureId(1, i)) for i in range(6)
    ]
    alive = [weakref.ref(example.activations) for k in known for example in k.top]

    routes = route_kinds(known, rule, embedder)
    del known
    gc.collect()

    assert len(routes) == 6
    assert sum(ref() is not None for ref in alive) == 0
