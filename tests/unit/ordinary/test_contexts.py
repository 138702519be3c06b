"""Context vectors, and the means and spreads of ordinary ones."""

from collections import defaultdict
from copy import deepcopy
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.ordinary.small_text import (
    DIMENSION,
    SpelledEmbedder,
    build_story,
    write_story,
)

from clerp.embedding import embed_unit
from clerp.errors import EvidenceError, InputError, MissingEvidenceError
from clerp.ordinary import (
    Document,
    OrdinaryContexts,
    OrdinaryText,
    Side,
    build_ordinary,
    join_sides,
    load_contexts,
    load_ordinary,
)
from clerp.ordinary import means as means_module
from clerp.ordinary.contexts import WordVectors
from clerp.ordinary.corpus import REACH, cut_words
from clerp.ordinary.means import (
    MAX_OCCURRENCES,
    MIN_OCCURRENCES,
    RARITY,
    SHRINKAGE,
    SIDES,
    name_means,
)
from clerp.word_counts import normalise

_STEP = 2**-10

_words = st.sampled_from(["whale", "The", "ahab", ",", "\n", "zebra", "Ship"])
_contexts = st.lists(st.lists(_words, max_size=REACH), min_size=1, max_size=5)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_story(tmp_path_factory.mktemp("story"))


@pytest.fixture(scope="module")
def text(folder: Path) -> OrdinaryText:
    return load_ordinary(folder)


@pytest.fixture
def contexts(folder: Path) -> OrdinaryContexts:
    return load_contexts(SpelledEmbedder(), folder)


def test_a_word_is_embedded_as_it_is_mostly_spelled_less_the_mean_word(
    text: OrdinaryText, contexts: OrdinaryContexts
):
    counts = {word: text.counts.counts[i] for word, i in text.indices.items()}
    unit = embed_unit([text.spell(word) for word in counts], SpelledEmbedder())
    mean = np.array(list(counts.values())) @ unit / sum(counts.values())

    ahab, zebra = contexts.word_vectors(["AHAB", "Zebra"])

    expected = embed_unit(["Ahab", "zebra"], SpelledEmbedder()) - mean
    np.testing.assert_allclose([ahab, zebra], expected, atol=_STEP)


def test_a_context_is_the_weighted_sum_of_its_words(text: OrdinaryText, contexts: OrdinaryContexts):
    words = ["the", "whale", "the", "zebra"]

    (vector,) = contexts.context_vectors([words])

    weights = np.array([RARITY / (RARITY + text.rate(word)) for word in words])
    total = weights @ contexts.word_vectors(words)
    np.testing.assert_allclose(vector, total / np.linalg.norm(total), atol=1e-6)


@given(_contexts)
def test_contexts_have_length_1_or_no_content(folder: Path, contexts_of_words: list[list[str]]):
    contexts = load_contexts(SpelledEmbedder(), folder)

    lengths = np.linalg.norm(contexts.context_vectors(contexts_of_words), axis=1)

    has_content = [any(word != "\n" for word in words) for words in contexts_of_words]
    np.testing.assert_allclose(lengths, np.array(has_content, dtype=float), atol=1e-6)


@given(_contexts)
def test_a_context_is_the_same_alone_and_among_others(
    folder: Path, contexts_of_words: list[list[str]]
):
    contexts = load_contexts(SpelledEmbedder(), folder)
    together = contexts.context_vectors(contexts_of_words)

    for words, vector in zip(contexts_of_words, together, strict=True):
        alone = load_contexts(SpelledEmbedder(), folder).context_vectors([words])
        np.testing.assert_array_equal(alone[0], vector)


def test_each_distinct_word_is_embedded_once_in_a_sorted_batch(folder: Path):
    embedder = SpelledEmbedder()
    contexts = load_contexts(embedder, folder)
    embedder.asked.clear()

    contexts.context_vectors([["ship", "Whale", "zebra"], ["whale", "Ship"]])
    contexts.context_vectors([["ship", "whale"], ["aft"]])
    contexts.word_vectors(["zebra"])

    assert embedder.asked == [["ship", "whale", "zebra"], ["aft"]]


def test_words_that_were_forgotten_are_embedded_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch
):
    embedder = SpelledEmbedder()
    free = load_contexts(SpelledEmbedder(), folder)
    contexts = load_contexts(embedder, folder)
    embedder.asked.clear()
    monkeypatch.setattr("clerp.ordinary.contexts.MAX_WORDS", 3)
    asked = [["ship", "whale"], ["zebra"], ["aft"], ["whale", "the", "ahab", "ship"], ["whale"]]

    for words in asked:
        np.testing.assert_array_equal(contexts.word_vectors(words), free.word_vectors(words))
        np.testing.assert_array_equal(
            contexts.context_vectors([words]), free.context_vectors([words])
        )

    known = [["ship", "whale"], ["zebra"], ["aft"]]
    assert embedder.asked == [*known, ["Ahab", "The", "ship", "whale"]]


def test_no_more_words_are_kept_than_there_is_room_for(
    text: OrdinaryText, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("clerp.ordinary.contexts.MAX_WORDS", 3)
    embedder = SpelledEmbedder()
    vectors = WordVectors(text, embedder, np.zeros(DIMENSION, dtype=np.float32))
    asked = [["ship"], ["whale", "zebra"], ["aft"], ["whale", "the", "ahab", "ship"], ["zebra"]]

    kept: list[int] = []
    for words in asked:
        vectors.look_up(words)
        kept.append(sum(_is_kept(word, vectors, embedder) for word in set(chain(*asked))))

    # All are forgotten at once; what one call asks for is kept, however much.
    assert kept == [1, 3, 1, 4, 1]


def test_no_words_are_no_vectors(contexts: OrdinaryContexts):
    assert contexts.context_vectors([]).shape == (0, DIMENSION)
    assert contexts.word_vectors([]).shape == (0, DIMENSION)
    assert not contexts.context_vectors([[], ["\n"]]).any()


def test_the_mean_context_of_a_word_is_shrunk_towards_the_general_one(
    contexts: OrdinaryContexts,
):
    found = _read_contexts(contexts)
    everywhere = [pair for pairs in found.values() for pair in pairs]
    general, _ = _average(everywhere)

    for word in ("whale", "sees", "sailor"):
        mean, n = _average(found[word])
        assert MIN_OCCURRENCES <= min(n) <= max(n) <= MAX_OCCURRENCES
        for row, side in enumerate(SIDES):
            shrunk = (n[row] * mean[row] + SHRINKAGE * general[row]) / (n[row] + SHRINKAGE)
            own, other = contexts.mean_contexts([word, "zebra"], side)
            np.testing.assert_allclose(own, shrunk, atol=2 * _STEP)
            np.testing.assert_allclose(other, general[row], atol=2 * _STEP)


def test_the_mean_context_of_a_common_word_is_that_of_occurrences_drawn_at_random(
    contexts: OrdinaryContexts,
):
    found = _read_contexts(contexts)["ahab"]
    mean, n = _average(found)
    (drawn,) = contexts.mean_contexts(["ahab"], "before")

    assert n[0] > MAX_OCCURRENCES
    off = float(np.abs(drawn - mean[0]).max())
    assert 2 * _STEP < off < 0.05


@pytest.mark.parametrize("n", [MIN_OCCURRENCES - 1, MIN_OCCURRENCES])
def test_a_word_that_comes_too_rarely_has_the_general_mean(tmp_path: Path, n: int):
    rare = [Document("Ahab sees Queequeg, the harpooner.")] * n
    files = build_ordinary([*write_story(), *rare], name="t", embedder=SpelledEmbedder())
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    contexts = load_contexts(SpelledEmbedder(), tmp_path)

    for side in SIDES:
        own, general = contexts.mean_contexts(["queequeg", "never seen"], side)
        differs = bool((own != general).any())
        assert differs == (n >= MIN_OCCURRENCES)


@pytest.mark.parametrize("side", SIDES)
def test_the_spread_is_that_of_the_products_of_two_contexts(contexts: OrdinaryContexts, side: Side):
    found = [pair for pairs in _read_contexts(contexts).values() for pair in pairs]
    vectors = np.array([_choose(pair, side) for pair in found], dtype=np.float64)
    vectors = vectors[vectors.any(axis=1)]
    residuals = vectors - vectors.mean(axis=0)

    products = residuals @ residuals.T

    assert contexts.pair_spread(side) == pytest.approx(np.sqrt((products**2).mean()), rel=1e-3)


def test_both_sides_together_have_length_1():
    before = np.array([[1, 0], [0, 1], [0, 0]], dtype=np.float32)
    after = np.array([[0, 1], [0, -1], [0, 1]], dtype=np.float32)

    joined = join_sides(before, after)

    np.testing.assert_allclose(joined, [[0.5**0.5, 0.5**0.5], [0, 0], [0, 1]], atol=1e-7)


def test_an_embedder_without_contexts_is_told_how_to_get_them(folder: Path):
    with pytest.raises(MissingEvidenceError, match="no contexts for the embedder 'other'") as fault:
        load_contexts(SpelledEmbedder("other"), folder)

    assert "clerp calibrate" in str(fault.value)


def test_another_revision_with_the_same_vectors_is_welcome(folder: Path):
    again = load_contexts(SpelledEmbedder("spelled:tiny@2"), folder)

    assert again.embedder == "spelled:tiny@1"


def test_another_revision_with_other_vectors_is_refused(folder: Path):
    with pytest.raises(EvidenceError, match="are not those of 'spelled:tiny@1'"):
        load_contexts(SpelledEmbedder("spelled:tiny@2", salt="other"), folder)


def test_contexts_of_other_counts_are_refused(folder: Path, tmp_path: Path):
    longer = [*write_story(), Document("The whale is white.")]
    files = build_ordinary(longer, name="story", embedder=SpelledEmbedder())
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    old = name_means("spelled:tiny")
    (tmp_path / old).write_bytes((folder / old).read_bytes())

    with pytest.raises(EvidenceError, match="made with other counts"):
        load_contexts(SpelledEmbedder(), tmp_path)


def test_means_made_with_other_settings_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    build_story(tmp_path)

    class Others(means_module._Settings, frozen=True, kw_only=True):
        reach: int = REACH + 1

    monkeypatch.setattr(means_module, "_Settings", Others)
    with pytest.raises(EvidenceError, match="made with other settings"):
        load_contexts(SpelledEmbedder(), tmp_path)


def test_a_text_whose_words_have_no_content_is_too_little():
    with pytest.raises(InputError, match="too little text for contexts"):
        build_ordinary([Document("\n \n a\n")] * 3, name="t", embedder=SpelledEmbedder())


def _is_kept(word: str, vectors: WordVectors, embedder: SpelledEmbedder) -> bool:
    # The copy of the vectors asks the copy of the embedder.
    probe, asked = deepcopy((vectors, embedder))
    probe.look_up([word])
    return asked.asked == embedder.asked


_Pair = tuple[np.ndarray, np.ndarray]


def _read_contexts(contexts: OrdinaryContexts) -> dict[str, list[_Pair]]:
    """Return before and after of every occurrence of every word, read one by one."""
    found: dict[str, list[_Pair]] = defaultdict(list)
    for document in write_story():
        words = cut_words(document.text)
        before = contexts.context_vectors([words[max(0, i - REACH) : i] for i in range(len(words))])
        after = contexts.context_vectors([words[i + 1 : i + 1 + REACH] for i in range(len(words))])
        for word, *pair in zip(words, before, after, strict=True):
            found[normalise(word)].append((pair[0], pair[1]))
    return found


def _choose(pair: _Pair, side: Side) -> np.ndarray:
    before, after = pair
    sides = {"before": before, "after": after, "both": join_sides(before[None], after[None])[0]}
    return sides[side]


def _average(pairs: list[_Pair]) -> tuple[np.ndarray, list[int]]:
    by_side = [np.array([_choose(pair, side) for pair in pairs]) for side in SIDES]
    kept = [vectors[vectors.any(axis=1)] for vectors in by_side]
    return np.array([vectors.mean(axis=0) for vectors in kept]), [len(v) for v in kept]
