import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clerp.evidence import ActivationExample
from clerp.labelers.witnesses import (
    Follower,
    SaidWord,
    Witness,
    count_tokens,
    distinct_tokens,
    gather,
    is_same_word,
    read_followers,
    say_token,
    stands_for,
)
from clerp.word_counts import read_peaks


def follow(*tokens: str, name: str = "0.0", peak: str = " is") -> ActivationExample:
    """Make an example that peaks before these tokens."""
    activations = np.zeros(2 + len(tokens), dtype=np.float32)
    activations[1] = 1
    return ActivationExample(name, ("it", peak, *tokens), activations, 1)


def read(*examples: ActivationExample) -> tuple[Follower, ...]:
    return read_followers(examples, read_peaks(examples))


def follower(*tokens: str, peak: str = " is") -> Follower:
    (found,) = read(follow(*tokens, peak=peak))
    return found


@pytest.mark.parametrize(
    ("token", "following"),
    [
        (" Austin", [" Aus", "tin"]),
        (" Aus", [" Aus", "tin"]),
        (" run", [" running"]),
        ("小", ["小", "狗"]),
        (",", [","]),
        ("\n", ["\n\n"]),
        ("Paris", [" Paris"]),
        (" שלום", [" שלום"]),
    ],
)
def test_a_token_stands_for_the_word_that_follows(token: str, following: list[str]):
    assert stands_for(token, follower(*following))


@pytest.mark.parametrize(
    ("token", "following"),
    [
        (" Mon", [" money"]),
        (" Mon", [" Monetary"]),
        (" Mon", [" mon", "key"]),
        (" Le", [" le"]),
        (" the", [" the", "ory"]),
        (" T", [" T", "exas"]),
        ("19", [" 19", "42"]),
        ("le", [" le"]),
        (",", [";"]),
        ("", [" a"]),
    ],
)
def test_a_token_that_the_examples_do_not_spell_so_stands_for_nothing(
    token: str, following: list[str]
):
    assert not stands_for(token, follower(*following))


def test_a_token_with_a_space_is_not_the_rest_of_a_word():
    rest = follower("le", peak=" litt")

    assert not rest.starts
    assert not stands_for(" le", rest)
    assert stands_for("le", rest)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (" Austin", " Austin", True),
        ("Austin", " Austin", True),
        (" Mon", " Monday", False),
        (" Mon", " money", False),
        ("le", " Le", False),
        ("le", " le", False),
        (" run", " running", False),
    ],
)
def test_two_tokens_are_one_word_only_as_equals(one: str, other: str, same: bool):
    assert is_same_word(one, other) == is_same_word(other, one) == same


def test_words_with_most_witnesses_come_first():
    followers = read(follow(" of", name="0.0"), follow(" Dal", "las", name="0.1"))

    said = gather(followers, (" Aus", " Dal", " Austin"), (" Austin", " Boston"))

    assert [(word.text, len(word.witnesses)) for word in said] == [
        ("Dallas", 2),
        ("Austin", 2),
        ("of", 1),
        ("Aus", 1),
        ("Boston", 1),
    ]
    assert said[1].witnesses == (Witness.PROMOTED, Witness.EDGES)


def test_the_rest_of_a_word_is_written_as_one_and_follows_only_as_one():
    examples = (follow("ries", name="0.0", peak=" count"), follow(" ries", name="0.1"))
    inside, apart = read_peaks(examples)[::-1]
    rest = say_token("ries", Witness.PROMOTED)

    assert rest.name == "-ries"
    assert {inside.continues, apart.continues} == {True, False}
    assert [rest.follows(c) for c in (inside, apart)] == [c.continues for c in (inside, apart)]


def test_a_word_is_written_as_it_is_and_followed_by_its_forms():
    word = SaidWord("run", (Witness.EXAMPLES,), 0.5, True)

    assert word.name == "run"
    assert all(word.follows(c) for c in read_peaks([follow(" running"), follow(" Run")]))


def test_empty_and_partial_tokens_are_not_counted():
    tokens = ["", "\ufffd", " a", "A", "小", "\n"]

    assert [count.word for count in count_tokens(tokens)] == ["a", "小", "\n"]
    assert distinct_tokens(tokens) == (" a", "小", "\n")


@given(st.text(), st.text())
def test_sameness_is_symmetric(one: str, other: str):
    assert is_same_word(one, other) == is_same_word(other, one)
