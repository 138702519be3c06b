import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clerp.evidence import ActivationExample
from clerp.word_counts import (
    count_words,
    deciding_words,
    normalise,
    read_following,
    read_peaks,
    read_word,
)


def example(text: str, activation: float = 1.0, name: str = "0.0") -> ActivationExample:
    """Make an example of text with its peak token in double square brackets."""
    before, peak, after = re.split(r"\[\[|\]\]", text)
    head = re.findall(r"\s?\S+|\s", before)
    tokens = (*head, peak, *re.findall(r"\s?\S+|\s", after))
    activations = np.zeros(len(tokens), dtype=np.float32)
    activations[len(head)] = activation
    return ActivationExample(name, tokens, activations, len(head))


def test_words_are_weighted_by_peak_activation():
    examples = [example("[[a]]", 4), example("[[b]]", 1, "0.1"), example("[[B]]", 2, "0.2")]

    counts = count_words(read_peaks(examples), read_word)

    assert [(c.word, c.share, c.examples) for c in counts] == [
        ("a", round(4 / 7, 6), ("0.0",)),
        ("B", round(3 / 7, 6), ("0.2", "0.1")),
    ]


def test_what_stands_around_the_peak_is_read():
    context = read_peaks([example("the capital city[[ of]] Texas now")])[0]

    assert context.word == "of"
    assert context.before == ("the", "capital", "city")
    assert (context.following, context.continues) == ("Texas", False)


def test_the_rest_of_the_peaks_own_word_follows_it():
    context = read_peaks([example("a[[ Aus]]tin.")])[0]

    assert (context.word, context.piece, context.place) == ("Austin", "Aus", "start")
    assert (context.following, context.continues) == ("tin", True)


def test_a_peak_at_the_end_or_inside_of_a_word_knows_its_place():
    at_end = ActivationExample(
        "0.0", (" Sta", "nis", "law."), np.array([0, 0, 1], dtype=np.float32), 2
    )
    inside = ActivationExample(
        "0.1", (" Sta", "nis", "law."), np.array([0, 1, 0], dtype=np.float32), 1
    )

    contexts = {c.example: c for c in read_peaks([at_end, inside])}

    assert (contexts["0.0"].piece, contexts["0.0"].place) == ("law", "end")
    assert (contexts["0.1"].piece, contexts["0.1"].place) == ("nis", "inside")


@pytest.mark.parametrize("text", ["so[[ it]]", "so[[ it]] ", "[[]]"])
def test_nothing_follows_at_the_end(text: str):
    context = read_peaks([example(text)])[0]

    assert context.following == ""
    assert count_words([context], read_following) == ()


def test_deciding_words_are_the_three_strongest_of_a_side():
    examples = [
        example("[[ small]] dog", 5, "0.0"),
        example("[[ petit]] chien", 3, "0.1"),
        example("[[小]]狗", 2, "0.2"),
        example("[[ tiny]] dog", 1, "0.3"),
    ]

    assert deciding_words(examples, "input") == ("small", "petit", "小")
    assert deciding_words(examples, "output") == ("dog", "chien", "狗")
    assert deciding_words([], "input") == ()


def test_examples_without_activation_count_alike():
    examples = [example("[[a]]", 0.0, "0.0"), example("[[b]]", 0.0, "0.1")]

    assert [count.share for count in count_words(read_peaks(examples), read_word)] == [0.5, 0.5]


@given(st.text())
def test_only_nothing_normalises_to_nothing(text: str):
    assert (normalise(text) == "") == (text == "")


@given(st.lists(st.sampled_from("abcA\n,小"), min_size=1, max_size=8), st.randoms())
def test_the_order_of_equal_examples_does_not_matter(letters: list[str], random):
    examples = [example(f"x[[ {c}]] y", 1.0, f"0.{n}") for n, c in enumerate(letters)]
    shuffled = random.sample(examples, len(examples))

    assert count_words(read_peaks(shuffled), read_word) == count_words(
        read_peaks(examples), read_word
    )


PIECES = st.sampled_from(
    [
        *(" the", " don", "'t", "'", "n", " ", "  ", "\n", "", ".", "--", "<bos>", " 🇫🇷", "🇩", "🇪"),
        *("👩", "\u200d", "中", "文", " Mexico", "é", " 12", ",", "\u0301"),
    ]
)


def read_within(reach: int, tokens: list[str], peak: int):
    example = ActivationExample("0.0", tuple(tokens), np.ones(len(tokens), dtype=np.float32), peak)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("clerp.word_counts._REACH", reach)
        return read_peaks([example])


@pytest.mark.parametrize(
    ("tokens", "peak"),
    [
        ([" don", "n", " the", " the", " peak", " x", " y", " z"], 4),
        ([" a", " b", " c", " peak", " fol", "low", "ing", " z"], 3),
        ([" a", " b", " c", " pe", "a", "k", "y", " x", " z"], 3),
    ],
)
def test_words_that_reach_further_are_read_whole(tokens: list[str], peak: int):
    (context,) = read_within(3, tokens, peak)
    assert (context,) == read_within(1000, tokens, peak)
    assert len(context.before) == 3


@given(st.lists(PIECES, min_size=1, max_size=60), st.data())
def test_what_stands_far_from_the_peak_changes_nothing(tokens: list[str], data: st.DataObject):
    peak = data.draw(st.integers(0, len(tokens) - 1))
    far = read_within(1000, tokens, peak)
    assert read_within(3, tokens, peak) == read_within(10, tokens, peak) == far
