from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clerp.embedding import WordLlamaEmbedder
from clerp.errors import MissingEvidenceError
from clerp.ordinary import load_ordinary
from clerp.ordinary.loading import SHIPPED
from clerp.router.yardstick import Yardstick, average_pairs, load_yardstick, name_text, to_unit

MUSIC = ["guitar", "piano", "violin", "drums", "trumpet", "cello", "flute"]


@pytest.fixture(scope="module")
def yardstick() -> Yardstick:
    return load_yardstick(WordLlamaEmbedder())


class Unknown:
    name = "unknown:1"

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        return np.ones((len(texts), 4), dtype=np.float32)


@given(st.integers(2, 12), st.integers(0, 1000))
def test_pairs_are_averaged_as_if_each_were_formed(n: int, seed: int):
    vectors = np.random.default_rng(seed).normal(size=(n, 5))

    expected = np.mean([float(a @ b) for a, b in combinations(vectors, 2)])

    assert average_pairs(vectors) == pytest.approx(expected, abs=1e-5)
    assert average_pairs(vectors[::-1]) == average_pairs(vectors)


def test_rows_become_unit_vectors_and_zeros_stay():
    unit = to_unit(np.array([[3.0, 4.0], [0.0, 0.0]]))

    assert unit.tolist() == [[0.6, 0.8], [0.0, 0.0]]


def test_words_at_random_are_alike_by_chance_only(yardstick: Yardstick):
    text = yardstick.text
    words = sorted(word for word in text.indices if not word.isspace())
    weights = np.sqrt([text.rate(word) for word in words])
    rng = np.random.default_rng(1)
    drawn = rng.choice(words, (300, 2), p=weights / weights.sum()).tolist()
    found = [yardstick.compare_words(pair) for pair in drawn if len(set(pair)) == 2]

    assert abs(np.mean(found)) < 0.2
    assert 0.8 < np.std(found) < 1.25


def test_words_of_a_kind_are_alike(yardstick: Yardstick):
    assert yardstick.compare_words(MUSIC) > 1
    assert yardstick.compare_words(["guitar", "parliament", "seven", "quickly"]) < 0.5


def test_order_and_what_was_asked_before_change_nothing(yardstick: Yardstick):
    fresh = load_yardstick(WordLlamaEmbedder())

    assert fresh.compare_words(MUSIC) == yardstick.compare_words(MUSIC[::-1])
    assert (fresh.word_mean == yardstick.word_mean).all()
    assert fresh.word_spread == yardstick.word_spread > 0


def test_an_embedder_without_contexts_is_an_error_with_a_remedy():
    with pytest.raises(MissingEvidenceError, match="no contexts for the embedder") as raised:
        load_yardstick(Unknown())

    assert "calibrate" in raised.value.remedy


def test_the_text_is_named_with_its_digest():
    assert name_text(SHIPPED) == f"{load_ordinary().name}@{load_ordinary().digest[:12]}"
