import zlib
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from clerp.errors import UsageError
from clerp.evidence import FeatureEvidence
from clerp.feature import FeatureId
from clerp.labels import Confidence
from clerp.ordinary.passages import WIDTH, load_passages
from clerp.router import TIERS, Role, Route
from clerp.router.window_scores import score_windows, show_scores
from clerp.testing import make_evidence
from clerp.windows import DEFAULT_WINDOWS, Window, cut

CHEAP = {"input", "output"}


@pytest.fixture(autouse=True)
def _few_draws(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("clerp.correlation.DRAWS", 100)


class RandomEmbedder:
    """Gives each text a direction of its own."""

    name = "random directions"

    def __init__(self) -> None:
        self.asked: list[str] = []

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        self.asked.extend(texts)
        seeds = [zlib.crc32(text.encode()) for text in texts]
        rows = [np.random.default_rng(seed).normal(size=16) for seed in seeds]
        return np.array(rows, dtype=np.float32).reshape(len(texts), 16)


def make_known(n: int, n_examples: int = 8) -> list[FeatureEvidence]:
    """Make features that peak in the middle of passages of ordinary text."""
    passages = load_passages().tokens
    return [
        make_evidence(
            passages[i * n_examples : (i + 1) * n_examples],
            peak=WIDTH // 2,
            feature=FeatureId(2, i),
        )
        for i in range(n)
    ]


def decide(known: FeatureEvidence, role: Role, confidence: Confidence) -> Route:
    return Route(
        feature=known.feature,
        role=role,
        tier=TIERS[role],
        scores={},
        confidence=confidence,
        n_examples=len(known.top),
        reason="told",
        runner_up="cross",
        margin=3.14,
    )


def show(known: Sequence[FeatureEvidence], routes: Sequence[Route]) -> list[Route]:
    return list(show_scores(routes, known, DEFAULT_WINDOWS, RandomEmbedder()))


@pytest.mark.parametrize("role", ["input", "output"])
def test_a_clear_side_needs_no_cross_window_and_the_route_says_so(role: Role):
    (known,) = make_known(1)

    (shown,) = show([known], [decide(known, role, "high")])

    assert set(shown.scores) == CHEAP
    assert shown.unscored == {
        "cross": f"not scored: {role} is clear without it, cross is 3.1 behind, and no window's "
        "score decides"
    }


@pytest.mark.parametrize(
    ("role", "confidence"),
    [
        ("input", "medium"),
        ("output", "low"),
        ("cross", "high"),
        ("obscure", "high"),
        ("obscure", "low"),
    ],
)
def test_elsewhere_every_window_is_scored(role: Role, confidence: Confidence):
    (known,) = make_known(1)

    (shown,) = show([known], [decide(known, role, confidence)])

    assert set(shown.scores) == {*CHEAP, "cross"}
    assert all(score.z is not None for score in shown.scores.values())
    assert shown.unscored == {}


def test_artefacts_are_not_scored():
    known = make_known(2)

    shown = show(known, [decide(known[0], "artefact", "high"), decide(known[1], "input", "medium")])

    assert [set(route.scores) for route in shown] == [set(), {*CHEAP, "cross"}]
    assert shown[0].unscored == {}


def test_nothing_else_of_a_route_changes():
    known = make_known(3)
    routes = [
        decide(known[0], "input", "high"),
        decide(known[1], "cross", "low"),
        decide(known[2], "artefact", "high"),
    ]

    shown = show(known, routes)

    assert [replace(route, scores={}, unscored={}) for route in shown] == routes


def test_scores_are_the_same_whatever_is_routed_beside():
    known = make_known(12)
    routes = [decide(k, "input", "high" if i % 3 else "low") for i, k in enumerate(known)]

    together = show(known, routes)
    alone = [show([k], [route])[0] for k, route in zip(known, routes, strict=True)]
    backwards = show(known[::-1], routes[::-1])

    assert together == alone == backwards[::-1]


def test_each_distinct_window_is_embedded_once_and_unneeded_ones_never():
    known = make_known(6)
    known += [replace(k, feature=FeatureId(3, k.feature.index)) for k in known]
    clear = {k.feature for k in known if k.feature.index < 3}
    # What ordinary windows score is drawn before.
    score_windows(known[:1], DEFAULT_WINDOWS, RandomEmbedder())
    embedder = RandomEmbedder()

    score_windows(known, DEFAULT_WINDOWS, embedder, clear)

    wanted: list[str] = []
    for window in DEFAULT_WINDOWS:
        scored = [k for k in known if window.name != "cross" or k.feature not in clear]
        # An embedder is asked for texts without outer blanks.
        texts = {cut(e, window) for k in scored for e in k.top}
        wanted += {text.strip(" ") or text[:1] for text in texts} - {""}
    assert sorted(embedder.asked) == sorted(wanted)


def test_a_channel_without_enough_windows_has_no_score():
    (known,) = make_known(1)
    cut_off = tuple(
        replace(e, tokens=e.tokens[: e.peak + 1], activations=e.activations[: e.peak + 1])
        for e in known.top
    )

    (scores,) = score_windows(
        [replace(known, top=cut_off)], DEFAULT_WINDOWS, RandomEmbedder()
    ).values()

    assert set(scores) == {"input", "cross"}


def test_a_window_beyond_the_passages_is_refused():
    (known,) = make_known(1)

    with pytest.raises(UsageError, match="reaches further"):
        score_windows([known], [Window("input", -30, 0)], RandomEmbedder())


def test_nothing_to_score_gives_nothing():
    assert show([], []) == []
