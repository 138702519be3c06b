import zlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clerp.correlation import (
    DRAWS,
    LARGEST,
    MIN_WINDOWS,
    Null,
    Score,
    build_null,
    correlate,
    draw_scores,
    score_channel,
)
from clerp.embedding import WordLlamaEmbedder
from clerp.errors import PluginError, UsageError
from clerp.evidence import FeatureEvidence
from clerp.feature import FeatureId
from clerp.ordinary.passages import WIDTH, Passages, load_passages
from clerp.plugins import find
from clerp.testing import make_evidence
from clerp.windows import DEFAULT_WINDOWS, Window

PEAK = Window("input", 0, 0)
# Scores are rounded to four decimals.
ROUNDED = 6e-5


class RandomEmbedder:
    """Gives each text a direction of its own; texts that start with a digit share it by digit."""

    name = "random"

    def __init__(self) -> None:
        self.asked: list[str] = []

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        self.asked.extend(texts)
        return np.array([self._direct(text) for text in texts], dtype=np.float32)

    def _direct(self, text: str) -> np.ndarray:
        key = text[0] if text[0].isdigit() else text
        return np.random.default_rng(zlib.crc32(key.encode())).normal(size=16)


@pytest.fixture(autouse=True)
def _as_a_new_process(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("clerp.correlation._NULLS", {})


WORDS = [f"w{i:03}" for i in range(400)]


def make_random_evidence(
    rng: np.random.Generator, n_features: int, n_examples: int = 10, n_tokens: int = 9
) -> list[FeatureEvidence]:
    """Make features that peak anywhere in texts of random words."""
    return [
        make_evidence(
            [[f" {word}" for word in rng.choice(WORDS, n_tokens)] for _ in range(n_examples)],
            peak=int(rng.integers(n_tokens)),
            feature=FeatureId(0, index),
        )
        for index in range(n_features)
    ]


def draw_ordinary_evidence(
    rng: np.random.Generator, n_features: int, n_examples: int
) -> list[FeatureEvidence]:
    """Make features that peak in the middle of passages drawn at random."""
    passages = load_passages().tokens
    return [
        make_evidence(
            [passages[i] for i in rng.integers(len(passages), size=n_examples)],
            peak=WIDTH // 2,
            feature=FeatureId(0, index),
        )
        for index in range(n_features)
    ]


def plant(evidence: FeatureEvidence, digit: str) -> FeatureEvidence:
    """Make a feature's peak tokens alike."""
    top = tuple(
        replace(e, tokens=(*e.tokens[: e.peak], f" {digit}{n}", *e.tokens[e.peak + 1 :]))
        for n, e in enumerate(evidence.top)
    )
    return replace(evidence, top=top)


def score_at_peaks(
    evidence: Sequence[FeatureEvidence], null: Null | None = None
) -> list[Score | None]:
    return score_channel(evidence, PEAK, RandomEmbedder(), null)


def to_unit(rows: Sequence[Sequence[float]]) -> np.ndarray:
    vectors = np.array(rows, dtype=np.float64)
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.divide(vectors, norms, out=np.zeros_like(vectors), where=norms > 0).astype(np.float32)


ROW = st.lists(st.integers(-3, 3), min_size=4, max_size=4)


@st.composite
def unit_and_weights(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    rows = draw(st.lists(ROW, min_size=MIN_WINDOWS, max_size=12))
    weights = draw(st.lists(st.floats(1e-5, 1e3), min_size=len(rows), max_size=len(rows)))
    return to_unit(rows), np.array(weights)


def pair_up(unit: np.ndarray) -> Iterator[tuple[int, int, float]]:
    """Yield every pair of windows that have content, with its cosine similarity."""
    vectors = unit.astype(np.float64)
    lengths = np.linalg.norm(vectors, axis=1)
    for i, j in combinations(np.flatnonzero(lengths).tolist(), 2):
        yield i, j, float(vectors[i] @ vectors[j] / lengths[i] / lengths[j])


@given(unit_and_weights())
def test_the_closed_form_is_the_mean_over_pairs(data: tuple[np.ndarray, np.ndarray]):
    unit, weights = data
    cosines = [cosine for _, _, cosine in pair_up(unit)]

    score = correlate(unit, weights)

    if unit.any(axis=1).sum() < MIN_WINDOWS:
        assert score is None
    else:
        assert score is not None
        assert score.raw == pytest.approx(np.mean(cosines), abs=ROUNDED)


@given(unit_and_weights())
def test_the_weighted_form_weighs_a_pair_by_the_product_of_its_activations(
    data: tuple[np.ndarray, np.ndarray],
):
    unit, weights = data
    pairs = list(pair_up(unit))
    products = [weights[i] * weights[j] for i, j, _ in pairs]

    score = correlate(unit, weights)

    if score is not None:
        naive = np.average([cosine for _, _, cosine in pairs], weights=products)
        assert score.weighted == pytest.approx(naive, abs=ROUNDED)


def test_one_example_far_stronger_than_the_rest_does_not_drown_their_pairs():
    # Single precision leaves a vector's length off by 1e-7: more than these pairs weigh.
    unit = to_unit(np.random.default_rng(0).normal(size=(10, 64)).tolist())
    weights = np.array([1, *[1e-6] * 9])

    score = correlate(unit, weights)

    assert score is not None
    with_strongest = [cosine for i, _, cosine in pair_up(unit) if i == 0]
    assert score.weighted == pytest.approx(np.mean(with_strongest), abs=ROUNDED)


@given(unit_and_weights(), st.randoms(use_true_random=False))
def test_the_order_of_windows_does_not_matter(data: tuple[np.ndarray, np.ndarray], random):
    unit, weights = data
    order = list(range(len(unit)))
    random.shuffle(order)

    one, other = correlate(unit, weights), correlate(unit[order], weights[order])

    assert (one is None) == (other is None)
    if one is not None and other is not None:
        assert other.n == one.n
        assert other.raw == pytest.approx(one.raw, abs=2 * ROUNDED)
        assert other.weighted == pytest.approx(one.weighted, abs=2 * ROUNDED)


@given(unit_and_weights(), st.integers(1, 4))
def test_windows_without_content_do_not_count(data: tuple[np.ndarray, np.ndarray], n_empty: int):
    unit, weights = data
    padded = np.vstack([np.zeros((n_empty, unit.shape[1]), dtype=np.float32), unit])

    # However strong the examples are that have no window.
    assert correlate(padded, np.concatenate([np.full(n_empty, 1e4), weights])) == correlate(
        unit, weights
    )


@given(unit_and_weights(), st.floats(0.01, 100))
def test_the_unit_of_activations_does_not_matter(
    data: tuple[np.ndarray, np.ndarray], factor: float
):
    unit, weights = data

    one, other = correlate(unit, weights), correlate(unit, weights * factor)

    if one is not None and other is not None:
        assert other.raw == one.raw
        assert other.weighted == pytest.approx(one.weighted, abs=2 * ROUNDED)


@pytest.mark.parametrize("n", range(1, MIN_WINDOWS + 2))
def test_a_channel_needs_five_windows(n: int):
    score = correlate(to_unit([[1, 2, 3]] * n), np.ones(n))

    if n < 5:
        assert score is None
    else:
        assert score == Score(raw=1.0, weighted=1.0, n=n)


def test_the_scale_runs_from_alike_to_unlike():
    alike, unlike = [[1, 0]] * 3, [[-1, 0]] * 3
    half = correlate(to_unit([*alike, *unlike]), np.array([2, 2, 2, 1e-9, 1e-9, 1e-9]))

    assert half is not None
    # Of 15 pairs 6 are alike and 9 are opposite.
    assert half.raw == pytest.approx(-0.2, abs=ROUNDED)
    assert half.weighted == pytest.approx(1.0, abs=ROUNDED)


def test_features_are_scored_each_by_its_own_windows_in_the_order_given():
    known = make_random_evidence(np.random.default_rng(1), 4)
    known[2] = plant(known[2], "7")
    short = replace(known[0], top=known[0].top[:4])
    empty = replace(known[0], top=())

    alone = [score_at_peaks([k])[0] for k in known]
    mixed = score_at_peaks([short, known[3], empty, known[2], known[3], known[1], known[0]])

    assert mixed == [None, alone[3], None, alone[2], alone[3], alone[1], alone[0]]
    assert len({score.raw for score in alone if score}) == 4
    assert alone[2] is not None
    assert alone[2].raw == 1.0


def test_each_distinct_window_is_embedded_once():
    embedder = RandomEmbedder()
    known = make_random_evidence(np.random.default_rng(2), 5)

    score_channel([*known, *known], PEAK, embedder, None)

    assert len(embedder.asked) == len(set(embedder.asked)) <= 50


def test_nothing_to_score_gives_no_score():
    assert score_at_peaks([]) == []
    assert score_at_peaks([make_evidence([])]) == [None]


def test_windows_outside_the_text_are_not_scored():
    known = make_evidence([[" a", " b"]] * 6)

    assert score_channel([known], Window("output", 1, 2), RandomEmbedder(), None) == [None]


def test_stronger_examples_weigh_more():
    texts = [["x", f" 1{n}"] for n in range(5)] + [["x", f" {word}"] for word in WORDS[:5]]
    (score,) = score_at_peaks([make_evidence(texts)])

    assert score is not None
    assert score.weighted > score.raw + 0.1


def test_the_null_is_cut_around_the_middle_of_each_passage(monkeypatch: pytest.MonkeyPatch):
    numbered = tuple(tuple(f"p{p}t{t}" for t in range(WIDTH)) for p in range(3))
    monkeypatch.setattr("clerp.correlation.load_passages", lambda: Passages("numbered", numbered))
    embedder = RandomEmbedder()

    build_null(Window("input", -1, 0), embedder, 5)

    assert sorted(embedder.asked) == ["p0t23p0t24", "p1t23p1t24", "p2t23p2t24"]


@pytest.mark.parametrize("window", [Window("cross", -8, 8), Window("cross", -24, 24)])
def test_the_null_is_of_every_passage_that_comes_with_clerp(window: Window):
    embedder = RandomEmbedder()

    null = build_null(window, embedder, 5)

    texts = {
        "".join(tokens[max(24 + window.start, 0) : 25 + window.stop]).strip(" ")
        for tokens in load_passages().tokens
    }
    assert set(embedder.asked) == texts
    assert null.scores.shape == (LARGEST, DRAWS)


@pytest.mark.parametrize("window", [Window("cross", -25, 0), Window("input", -30, -28)])
def test_a_window_that_reaches_further_than_the_passages_is_refused(window: Window):
    with pytest.raises(UsageError, match="reaches further than 24 tokens"):
        build_null(window, RandomEmbedder(), 5)


def test_an_embedder_without_a_vector_for_ordinary_text_is_named():
    class Mute(RandomEmbedder):
        name = "mute"

        def embed(self, texts: Sequence[str]) -> np.ndarray:
            return np.zeros((len(texts), 4), dtype=np.float32)

    with pytest.raises(PluginError, match="'mute' has no vector"):
        build_null(PEAK, Mute(), 5)


def test_chance_for_a_number_of_windows_does_not_depend_on_the_largest():
    few = build_null(PEAK, RandomEmbedder(), 6)
    many = build_null(PEAK, RandomEmbedder(), LARGEST + 1)

    assert many.scores.shape == (2 * LARGEST, DRAWS)
    np.testing.assert_array_equal(few.scores, many.scores[:LARGEST])


def test_chance_is_drawn_once_in_a_process():
    first, second = RandomEmbedder(), RandomEmbedder()

    null = build_null(PEAK, first, 6)

    assert build_null(Window("cross", 0, 0), second, LARGEST) is null
    assert first.asked
    assert second.asked == []


@pytest.mark.parametrize("window", [Window("input", -1, 0), Window("input", 0, 1)])
def test_another_window_is_drawn_for_itself(window: Window):
    other = RandomEmbedder()
    null = build_null(PEAK, RandomEmbedder(), 6)

    assert build_null(window, other, 6) is not null
    assert other.asked


def test_another_embedder_is_drawn_for_itself():
    build_null(PEAK, RandomEmbedder(), 6)

    assert (build_null(PEAK, OneWayEmbedder(), 6).scores[1:] == 1).all()


class NamedEmbedder(RandomEmbedder):
    name = find("embedders", "wordllama").name


@pytest.mark.parametrize("window", DEFAULT_WINDOWS)
def test_for_the_default_embedder_and_windows_nothing_is_drawn(window: Window):
    embedder = NamedEmbedder()

    null = build_null(window, embedder, 20)

    assert embedder.asked == []
    assert null.scores.shape == (LARGEST, DRAWS)


def test_more_windows_than_those_that_ship_are_drawn(monkeypatch: pytest.MonkeyPatch):
    embedder = NamedEmbedder()

    build_null(DEFAULT_WINDOWS[0], embedder, LARGEST + 1)

    assert embedder.asked


def test_draws_of_other_passages_are_not_used(monkeypatch: pytest.MonkeyPatch):
    other = Passages("other", load_passages().tokens[:50])
    monkeypatch.setattr("clerp.correlation.load_passages", lambda: other)
    embedder = NamedEmbedder()

    build_null(DEFAULT_WINDOWS[0], embedder, 5)

    assert embedder.asked


@pytest.mark.parametrize("window", DEFAULT_WINDOWS)
def test_what_ships_is_what_the_passages_give(window: Window):
    shipped = build_null(window, NamedEmbedder(), LARGEST)

    drawn = draw_scores(window, WordLlamaEmbedder(), LARGEST, load_passages()) / 1e4

    # Another processor may round a draw to the next step.
    assert np.abs(shipped.scores - drawn).max() <= 1.01e-4
    assert np.mean(shipped.scores == drawn) > 0.99


def test_what_chance_gives_holds_for_every_number_of_windows():
    null = build_null(PEAK, RandomEmbedder(), 10)

    assert (np.diff(null.scores, axis=1) >= 0).all()
    spread = null.scores.std(axis=1)
    # Fewer windows agree by chance more easily.
    assert spread[4] > 1.5 * spread[9] > 0
    # Ordinary text repeats its common words.
    assert null.scores[4:].mean(axis=1).min() > 0
    assert null.scores[4:].mean(axis=1).max() < 0.02


@pytest.mark.parametrize("window", DEFAULT_WINDOWS)
@pytest.mark.parametrize("n_examples", [5, 12])
def test_features_of_ordinary_windows_are_found_coherent_at_the_rate_that_p_states(
    window: Window, n_examples: int
):
    """Examples are drawn as the null is: p is uniform, z has mean 0 and deviation 1."""
    known = draw_ordinary_evidence(np.random.default_rng(7), 1000, n_examples)
    null = build_null(window, RandomEmbedder(), n_examples)

    scored = score_channel(known, window, RandomEmbedder(), null)
    scores = [score for score in scored if score]
    p = np.array([score.p for score in scores])
    z = np.array([score.z for score in scores])

    assert len(scores) == 1000
    assert 0.03 <= np.mean(p <= 0.05) <= 0.07
    assert 0.45 <= np.mean(p <= 0.5) <= 0.55
    assert abs(z.mean()) < 0.12
    assert 0.85 < z.std() < 1.15


def test_a_coherent_feature_stands_far_above_chance():
    known = draw_ordinary_evidence(np.random.default_rng(8), 60, 10)
    known[17] = plant(known[17], "7")
    null = build_null(PEAK, RandomEmbedder(), 10)

    scores = score_at_peaks(known, null)

    coherent = scores[17]
    assert coherent is not None
    assert coherent.z is not None
    assert coherent.expected is not None
    assert coherent.z > 10
    assert coherent.p == round(1 / (1 + DRAWS), 5)
    assert abs(coherent.expected) < 0.02
    assert max(score.z for score in scores if score and score.z and score is not coherent) < 5


def test_calibration_adds_to_a_score_and_changes_nothing():
    known = make_random_evidence(np.random.default_rng(9), 30)
    null = build_null(PEAK, RandomEmbedder(), 10)

    for raw, calibrated in zip(score_at_peaks(known), score_at_peaks(known, null), strict=True):
        assert raw is not None
        assert calibrated is not None
        assert (raw.expected, raw.z, raw.p) == (None, None, None)
        assert calibrated.z is not None
        assert replace(calibrated, expected=None, z=None, p=None) == raw


def test_p_counts_the_draws_that_score_at_least_as_high():
    null = Null(np.repeat([[0.1, 0.2, 0.2, 0.3]], 5, axis=0))

    p = {raw: null.calibrate(Score(raw, raw, 5)).p for raw in (0.0, 0.1, 0.2, 0.25, 0.3, 0.4)}

    assert p == {0.0: 1.0, 0.1: 1.0, 0.2: 0.8, 0.25: 0.4, 0.3: 0.4, 0.4: 0.2}


def test_z_counts_standard_deviations_from_the_mean_of_the_draws():
    null = Null(np.repeat([[0.1, 0.3]], 5, axis=0))

    scores = [null.calibrate(Score(raw, raw, 5)) for raw in (0.0, 0.2, 0.5)]

    assert [score.expected for score in scores] == [0.2, 0.2, 0.2]
    assert [score.z for score in scores] == [-2.0, 0.0, 3.0]


def test_more_windows_than_the_null_knows_are_held_against_its_largest_number():
    null = Null(np.array([[0, 0], [0.5, 0.7], [0.1, 0.3]]))

    at_most = null.calibrate(Score(0.4, 0.4, 3))
    assert (at_most.expected, at_most.z, at_most.p) == (0.2, 2.0, round(1 / 3, 5))
    assert null.calibrate(Score(0.4, 0.4, 12)) == replace(at_most, n=12)
    assert null.of(12).tolist() == null.of(3).tolist() == [0.1, 0.3]


class OneWayEmbedder:
    """Gives every text one direction, and a text without letters none."""

    name = "one way"

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        return np.array([[any(map(str.isalpha, text)), 0] for text in texts], dtype=np.float32)


def test_windows_without_content_do_not_make_a_null():
    middles = [tokens[WIDTH // 2] for tokens in load_passages().tokens]
    assert not all(any(map(str.isalpha, middle)) for middle in middles)

    null = build_null(PEAK, OneWayEmbedder(), 6)

    assert (null.scores[1:] == 1).all()


def test_where_all_text_is_the_same_nothing_stands_above_chance():
    known = [make_evidence([[" a", " b", " c"]] * 40)]
    null = build_null(PEAK, OneWayEmbedder(), 40)

    scores = score_channel(known, PEAK, OneWayEmbedder(), null)

    assert scores == [Score(raw=1.0, weighted=1.0, n=40, expected=1.0, z=0.0, p=1.0)]
