import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clerp.embedding import WordLlamaEmbedder
from clerp.grouping.label_form import read_form
from clerp.grouping.meaning import compare_labels, compare_words

EMBEDDER = WordLlamaEmbedder()
WORDS = st.sampled_from(["texas", "city", "cities", "state", "states", "law", "run", "running"])


def compare(one: str, other: str) -> float:
    return float(compare_labels([read_form(one), read_form(other)], EMBEDDER)[0, 1])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Texas", "texas"),
        ("say Texas", "Texas"),
        ("state", "states"),
        ("city", "cities"),
        ("capital of", "the capital"),
        ("cities of Texas", "Texas city"),
        ("小さい", "小さい"),
    ],
)
def test_labels_of_the_same_words_mean_the_same(one: str, other: str):
    assert compare(one, other) == 1.0


def test_synonyms_are_nearer_than_what_is_merely_of_one_field():
    assert compare("small", "tiny") > compare("small", "large")
    assert compare("money", "currency") > compare("money", "piano")


@pytest.mark.parametrize("label", ["of", "comma", "", "())"])
def test_a_label_without_words_means_like_none(label: str):
    assert compare(label, label) == 0.0
    assert compare(label, "Texas") == 0.0


def test_no_labels_are_compared_to_nothing():
    assert compare_labels([], EMBEDDER).shape == (0, 0)
    assert compare_labels([read_form("of")], EMBEDDER).tolist() == [[0.0]]


def test_the_order_of_labels_changes_no_similarity():
    labels = [read_form(text) for text in ("Texas", "say Texas cities", "small", "of", "tiny")]
    found = compare_labels(labels, EMBEDDER)
    turned = compare_labels(labels[::-1], EMBEDDER)

    assert (found == turned[::-1, ::-1]).all()


def test_the_cosine_of_words_is_ochiais_coefficient():
    found = compare_words([["texas"], ["texas", "law"], ["piano"], ["laws", "of", "texas", "now"]])

    assert found[0].tolist() == pytest.approx([1, 1 / np.sqrt(2), 0, 1 / 2])
    assert found[1, 3] == pytest.approx(2 / np.sqrt(8))


@given(st.lists(st.lists(WORDS, unique=True), max_size=6))
def test_similarities_of_words_are_symmetric_and_between_0_and_1(sets: list[list[str]]):
    found = compare_words(sets)

    assert (found == found.T).all()
    assert ((found >= 0) & (found <= 1.5)).all()
    assert all(found[i, i] >= 1 - 1e-6 for i, words in enumerate(sets) if words)
