import pytest
from hypothesis import given
from hypothesis import strategies as st

from clerp.labelers.witnesses import Witness, agree, count_tokens, gather
from clerp.word_counts import WordCount


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (" Austin", "austin"),
        (" Aus", "Austin"),
        (" run", "running"),
        ("小", "小狗"),
        (",", ","),
        ("\n", "\n\n"),
        (" שלום", "שלום"),
    ],
)
def test_tokens_that_stand_for_one_word_agree(one: str, other: str):
    assert agree(one, other)
    assert agree(other, one)


@pytest.mark.parametrize(
    ("one", "other"),
    [("", ""), ("", "a"), (" T", "Texas"), (" the", "there"), ("19", "1942"), (",", ";")],
)
def test_other_tokens_do_not(one: str, other: str):
    assert not agree(one, other)
    assert not agree(other, one)


def test_words_with_most_witnesses_come_first_and_in_full():
    def counts(*words: str) -> tuple[WordCount, ...]:
        return tuple(WordCount(word, 0.25, ()) for word in words)

    said = gather(counts("of", "Dallas"), counts("Aust", "Dallas"), counts("Austin"))

    assert [(word.text, len(word.witnesses)) for word in said] == [
        ("Dallas", 2),
        ("Austin", 2),
        ("of", 1),
    ]
    assert said[1].witnesses == (Witness.PROMOTED, Witness.EDGES)


def test_empty_and_partial_tokens_are_not_counted():
    assert [c.word for c in count_tokens(["", "\ufffd", " a", "A", "小", "\n"])] == [
        "a",
        "小",
        "\n",
    ]


@given(st.text(), st.text())
def test_agreement_is_symmetric(one: str, other: str):
    assert agree(one, other) == agree(other, one)
