import socket
import subprocess
import sys
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from clerp.embedding import WordLlamaEmbedder, _load_wordllama, embed_unit
from clerp.errors import PluginError, UsageError
from clerp.plugins import find

Answer = Callable[[Sequence[str]], np.ndarray]


class CountingEmbedder:
    """An embedder that keeps what it was asked. By default a row is length and first letter."""

    name = "counting"

    def __init__(self, answer: Answer | None = None) -> None:
        self.asked: list[list[str]] = []
        self._answer = answer or describe

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        self.asked.append(list(texts))
        return self._answer(texts)


def describe(texts: Sequence[str]) -> np.ndarray:
    return np.array([[len(t), ord(t[0]) % 7, 1] for t in texts], dtype=np.float32)


def answer_with(*rows: Sequence[float]) -> CountingEmbedder:
    return CountingEmbedder(lambda _: np.array(rows, dtype=np.float32))


def test_each_distinct_text_is_embedded_once():
    embedder = CountingEmbedder()

    vectors = embed_unit(["b", "a", " b", "b ", "a", "b"], embedder)

    assert embedder.asked == [["a", "b"]]
    assert vectors.shape == (6, 3)
    np.testing.assert_array_equal(vectors[[0, 2, 3]], vectors[[5, 5, 5]])
    np.testing.assert_array_equal(vectors[1], vectors[4])
    assert not np.array_equal(vectors[0], vectors[1])


@given(st.lists(st.text(max_size=5), max_size=12), st.randoms(use_true_random=False))
def test_neither_order_nor_repetition_changes_a_vector(texts: list[str], random):
    shuffled = texts * 2
    random.shuffle(shuffled)

    vectors = dict(zip(texts, embed_unit(texts, CountingEmbedder()), strict=True))
    again = dict(zip(shuffled, embed_unit(shuffled, CountingEmbedder()), strict=True))

    for text, vector in vectors.items():
        np.testing.assert_array_equal(vector, again[text])


def test_the_embedder_is_asked_the_same_in_whatever_order_texts_come():
    one, other = CountingEmbedder(), CountingEmbedder()

    embed_unit(["c", "a", "b", "a"], one)
    embed_unit(["b", "c", "c", "a"], other)

    assert one.asked == other.asked == [["a", "b", "c"]]


@given(arrays(np.float32, (4, 3), elements=st.floats(width=32)))
def test_every_row_has_length_1_or_is_all_zeros(rows: np.ndarray):
    vectors = embed_unit(list("abcd"), CountingEmbedder(lambda _: rows))

    usable = np.isfinite(rows).all(axis=1) & rows.any(axis=1)
    lengths = np.linalg.norm(vectors.astype(np.float64), axis=1)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(lengths, usable.astype(float), atol=1e-6)


@given(arrays(np.float32, (3, 4), elements=st.floats(-100, 100, width=32)))
def test_a_row_keeps_its_direction(rows: np.ndarray):
    vectors = embed_unit(list("abc"), CountingEmbedder(lambda _: rows))

    lengths = np.linalg.norm(rows.astype(np.float64), axis=1, keepdims=True)
    np.testing.assert_allclose(vectors * lengths, rows, rtol=1e-5, atol=1e-30)


@pytest.mark.parametrize("fault", [np.nan, np.inf, -np.inf])
def test_a_row_that_is_not_finite_anywhere_says_nothing(fault: float):
    vectors = embed_unit(["a", "b"], answer_with([fault, 1, 1], [0, 2, 0]))

    np.testing.assert_array_equal(vectors, [[0, 0, 0], [0, 1, 0]])


def test_what_the_embedder_keeps_is_not_written_to():
    kept = np.array([[3, 4], [np.nan, 1]], dtype=np.float32)
    kept.flags.writeable = False

    vectors = embed_unit(["a", "b"], CountingEmbedder(lambda _: kept))

    np.testing.assert_allclose(vectors, [[0.6, 0.8], [0, 0]])
    assert kept[0, 0] == 3


def test_an_empty_text_is_a_row_of_zeros_and_not_embedded():
    embedder = CountingEmbedder()

    vectors = embed_unit(["", "a", ""], embedder)

    assert embedder.asked == [["a"]]
    assert vectors.any(axis=1).tolist() == [False, True, False]


@pytest.mark.parametrize("texts", [[], [""], ["", ""]])
def test_without_any_text_the_embedder_is_not_asked(texts: list[str]):
    embedder = CountingEmbedder()

    vectors = embed_unit(texts, embedder)

    assert embedder.asked == []
    assert len(vectors) == len(texts)
    assert not vectors.any()


def test_outer_spaces_do_not_count_but_line_breaks_do():
    embedder = CountingEmbedder()

    embed_unit([" a  ", "a\n", " a b ", "\n", "    ", " "], embedder)

    assert embedder.asked == [["\n", " ", "a", "a\n", "a b"]]


def test_a_lone_surrogate_is_embedded_as_what_stands_for_any_unreadable_character():
    embedder = CountingEmbedder()

    vectors = embed_unit(["\ud800", "a\udfffb"], embedder)

    assert embedder.asked == [["?", "a?b"]]
    assert vectors.any(axis=1).all()


@pytest.mark.parametrize("n_rows", [0, 1, 3])
def test_an_embedder_that_loses_count_is_named(n_rows: int):
    embedder = CountingEmbedder(lambda _: np.ones((n_rows, 2), dtype=np.float32))

    with pytest.raises(PluginError, match=f"'counting' answered 2 texts with {n_rows}") as raised:
        embed_unit(["a", "b"], embedder)

    assert "clerp.testing.check_embedder" in raised.value.remedy


def test_wordllama_needs_no_network(monkeypatch: pytest.MonkeyPatch):
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)

    vectors = WordLlamaEmbedder().embed(["Texas", "the capital of Texas", " ", ""])

    assert vectors.shape == (4, 256)
    assert vectors.dtype == np.float32
    assert vectors.any(axis=1).tolist() == [True, True, True, False]


def test_wordllama_knows_which_texts_are_alike():
    red, crimson, tax = embed_unit(["red car", "crimson car", "tax law"], WordLlamaEmbedder())

    assert red @ crimson > 0.5 > red @ tax


def test_wordllama_is_named_with_its_revision():
    embedder = find("embedders", "wordllama")

    assert isinstance(embedder, WordLlamaEmbedder)
    assert embedder.name.startswith("wordllama:l2_supercat-256@")
    assert embedder.name[-1].isdigit()


def test_wordllama_refuses_an_argument_before_it_loads_anything():
    with pytest.raises(UsageError, match="takes no argument, not 'l3_supercat'"):
        find("embedders", "wordllama:l3_supercat")


def test_only_the_data_of_wordllama_is_used():
    # Its import configures the root logger of whoever uses clerp, and takes longer than its data.
    code = """
import logging, sys
from clerp.embedding import WordLlamaEmbedder
assert WordLlamaEmbedder().embed(["a"]).any()
root = logging.getLogger()
assert "wordllama" not in sys.modules
assert (root.handlers, root.level) == ([], logging.WARNING), (root.handlers, root.level)
"""
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, timeout=60)


def test_a_text_is_the_mean_of_its_pieces_as_wordllama_has_it():
    code = """
from importlib.resources import files
import numpy as np
from safetensors.numpy import load_file
from tokenizers import Tokenizer
from wordllama.inference import WordLlamaInference
from clerp.embedding import WordLlamaEmbedder
package = files("wordllama")
tokenizer = str(package / "tokenizers" / "l2_supercat_tokenizer_config.json")
weights = load_file(str(package / "weights" / "l2_supercat_256.safetensors"))
theirs = WordLlamaInference(weights["embedding.weight"], Tokenizer.from_file(tokenizer))
texts = ["Texas", "the capital of Texas", " ", "\\n", "\u5c0f", "a b " * 900, "x", "unbelievably"]
np.testing.assert_array_equal(WordLlamaEmbedder().embed(texts), theirs.embed(texts))
"""
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, timeout=60)


def test_a_vector_does_not_depend_on_how_many_texts_are_embedded_at_once():
    embedder = WordLlamaEmbedder()
    texts = [f"word {i} " * (i % 7) for i in range(1100)]

    vectors = embedder.embed(texts)

    for i in (0, 1, 511, 512, 1099):
        np.testing.assert_array_equal(embedder.embed([texts[i]])[0], vectors[i])


def test_no_texts_are_no_rows():
    assert WordLlamaEmbedder().embed([]).shape == (0, 256)


def test_wordllama_that_is_gone_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("clerp.embedding.find_spec", lambda _: None)
    # As in a process that has not loaded it yet.
    monkeypatch.setattr("clerp.embedding._load_wordllama", _load_wordllama)

    with pytest.raises(PluginError, match="wordllama is not installed"):
        WordLlamaEmbedder().embed(["a"])
