"""A route is that of its feature alone: order, company, batches and threads change nothing."""

import hashlib
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from random import Random

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.named_classes import make_class

from clerp.embedding import WordLlamaEmbedder
from clerp.evidence import EvidenceGap, FeatureEvidence
from clerp.evidence.folder import FolderSource
from clerp.feature import FeatureId
from clerp.graph import read_graph
from clerp.plugins import Embedder
from clerp.router import RULES, Route, Rule, find_rule, route_features
from clerp.testing import make_evidence
from clerp.windows import DEFAULT_WINDOWS

SAMPLE = Path(__file__).parents[2] / "graphs" / "smollm2-135m"
N_BUNDLED = 30
PLANTED = ("months", "prepositions", "-ness", "say a country", "say of", "random positions")
COMPARING = ("air", "layer")
"""Rules that compare the features that are routed together."""

Known = FeatureEvidence | EvidenceGap


class ShakyEmbedder:
    """The default embedder in batches; each moves its floats a little, as a GPU's batches do.

    The few texts that show which embedder it is come in batches of their own.
    """

    def __init__(self, size: int, noise: float = 0.0) -> None:
        self._inner = WordLlamaEmbedder()
        self.name = self._inner.name
        self._size = size
        self._noise = noise
        self._rng = np.random.default_rng(size)

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        starts = range(0, len(texts), self._size)
        exact = np.vstack([self._inner.embed(texts[i : i + self._size]) for i in starts])
        moved = exact * (1 + self._noise * self._rng.uniform(-1, 1, exact.shape))
        return moved.astype(np.float32)


@pytest.fixture(scope="module")
def embedder() -> WordLlamaEmbedder:
    return WordLlamaEmbedder()


@pytest.fixture(scope="module", params=list(RULES))
def rule(request: pytest.FixtureRequest) -> Rule:
    return RULES[request.param]


@pytest.fixture(scope="module", params=[name for name in RULES if name not in COMPARING])
def lone_rule(request: pytest.FixtureRequest) -> Rule:
    return RULES[request.param]


@pytest.fixture(autouse=True, scope="module")
def _few_draws():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("clerp.router.air._DRAWS", 50)
        yield


@cache
def list_known() -> tuple[Known, ...]:
    """List bundled features, planted ones and one without evidence, all different."""
    wanted = read_graph(SAMPLE / "capital-of-france.json").features[::7][:N_BUNDLED]
    bundled = FolderSource(str(SAMPLE / "features")).read(wanted)
    planted = [
        replace(make_class(name, seed, n=n, purity=purity), feature=FeatureId(40 + i, seed))
        for i, name in enumerate(PLANTED)
        for seed, (n, purity) in enumerate([(20, 1.0), (20, 0.6), (5, 1.0)])
    ]
    return (*bundled, *planted, EvidenceGap(FeatureId(60, 1), "no record"))


def route(known: Sequence[Known], rule: Rule, embedder: Embedder) -> list[Route]:
    return list(route_features(known, rule=rule, windows=DEFAULT_WINDOWS, embedder=embedder))


@pytest.fixture(scope="module")
def routes(rule: Rule, embedder: WordLlamaEmbedder) -> dict[FeatureId, Route]:
    return {route.feature: route for route in route(list_known(), rule, embedder)}


@pytest.fixture(scope="module")
def lone_routes(lone_rule: Rule, embedder: WordLlamaEmbedder) -> dict[FeatureId, Route]:
    return {route.feature: route for route in route(list_known(), lone_rule, embedder)}


def test_the_features_of_these_tests_are_of_many_roles(embedder: WordLlamaEmbedder):
    roles = {r.role for r in route(list_known(), RULES["calibrated"], embedder)}

    assert {"input", "output", "obscure", "artefact"} <= roles


@pytest.mark.parametrize("seed", [0, 1])
def test_the_order_of_features_changes_no_route(
    seed: int, rule: Rule, routes: dict[FeatureId, Route], embedder: WordLlamaEmbedder
):
    known = Random(seed).sample(list_known(), len(list_known()))

    assert route(known, rule, embedder) == [routes[k.feature] for k in known]


@pytest.mark.parametrize("seed", [0, 1])
def test_the_order_of_examples_changes_no_route(
    seed: int, lone_rule: Rule, lone_routes: dict[FeatureId, Route], embedder: WordLlamaEmbedder
):
    rng = Random(seed)
    known = [
        replace(k, top=tuple(rng.sample(k.top, len(k.top))))
        if isinstance(k, FeatureEvidence)
        else k
        for k in list_known()
    ]

    assert route(known, lone_rule, embedder) == [lone_routes[k.feature] for k in known]


@settings(
    max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(places=st.lists(st.integers(0, len(PLANTED) * 3 + N_BUNDLED), min_size=1, unique=True))
def test_neither_more_features_nor_fewer_change_a_route(
    places: list[int],
    lone_rule: Rule,
    lone_routes: dict[FeatureId, Route],
    embedder: WordLlamaEmbedder,
):
    known = [list_known()[place] for place in places]

    assert route(known, lone_rule, embedder) == [lone_routes[k.feature] for k in known]


@pytest.mark.parametrize("size", [1, 7])
def test_the_size_of_batches_changes_no_route(
    size: int, rule: Rule, routes: dict[FeatureId, Route]
):
    assert route(list_known(), rule, ShakyEmbedder(size)) == list(routes.values())


@pytest.mark.parametrize("size", [5, 64])
def test_what_batches_move_in_a_float_changes_no_role(
    size: int, rule: Rule, routes: dict[FeatureId, Route]
):
    shaken = route(list_known(), rule, ShakyEmbedder(size, noise=1e-6))

    for found, steady in zip(shaken, routes.values(), strict=True):
        assert (found.role, found.tier, found.confidence) == (
            steady.role,
            steady.tier,
            steady.confidence,
        )
        assert (found.margin is None) == (steady.margin is None)
        assert found.margin == pytest.approx(steady.margin, abs=2e-3)


def make_tie(n: int = 10) -> FeatureEvidence:
    """Make a feature whose input and output windows are the same texts, and whose words tie."""
    pairs = [(f" north{i % 5}", " river") for i in range(n)]
    return make_evidence([[" x", *pair, *pair, f" y{i}"] for i, pair in enumerate(pairs)], peak=2)


@pytest.mark.parametrize("noise", [0.0, 1e-6])
@pytest.mark.parametrize("name", ["protocol", "tokens"])
def test_a_tie_is_an_input_whatever_moves(name: str, noise: float):
    tied = make_tie()
    rule = find_rule("protocol", 0.1) if name == "protocol" else find_rule("tokens", 0.5)
    if name == "tokens":
        texts = [[" x", " river", " river", f" y{i}"] for i in range(10)]
        tied = make_evidence(texts, peak=1)

    found = {
        route([replace(tied, top=tuple(Random(seed).sample(tied.top, 10)))], rule, embedder)[0].role
        for seed in range(10)
        for embedder in [ShakyEmbedder(seed + 1, noise)]
    }

    assert found == {"input"}


THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS")
DIGEST = "import {0}; print({0}.digest_routes())".format("tests.integration.test_router_invariance")


def digest_routes() -> str:
    """Hash what the rules that compare with ordinary text say of all features."""
    embedder = WordLlamaEmbedder()
    found = [
        route(list_known(), RULES[name], embedder) for name in ("calibrated", "protocol", "air")
    ]
    return hashlib.sha256(repr(found).encode()).hexdigest()


def test_the_number_of_threads_changes_nothing():
    folder = Path(__file__).parents[2]
    running = [
        subprocess.Popen(
            [sys.executable, "-c", DIGEST],
            cwd=folder,
            env=os.environ | dict.fromkeys(THREADS, n) | {"PYTHONHASHSEED": n},
            stdout=subprocess.PIPE,
            text=True,
        )
        for n in ("1", "4")
    ]

    one, four = (process.communicate(timeout=240)[0].strip() for process in running)

    assert len(one) == 64
    assert one == four
