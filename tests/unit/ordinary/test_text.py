"""Counts and rates, by hand and as laws."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.ordinary.small_text import count

from clerp.errors import InputError, UsageError
from clerp.ordinary.text import BACKING, UNSEEN
from clerp.word_classes import CLASSES, WordClass

_CLASSES = {word_class.plural: word_class for word_class in CLASSES}
_SEA = ("The sea, the sea. The Sea", "the sea 7 sea 7 Sea 7")
_N = 15
"""Words of `_SEA`: `the` 4, `sea` 6, `7` 3; `,` and `.`, which are too rare to keep."""
_KEPT = 3

_words = st.sampled_from(["a", "B", "b", "7", ".", "\n", " ", "Ab", "été", "none", ""])
_texts = st.lists(st.lists(_words, max_size=12).map(" ".join), max_size=5)


def test_words_are_counted_in_any_spelling():
    text = count(*_SEA)

    total = _N + UNSEEN * (_KEPT + 1)
    assert text.n_words == _N
    assert text.rate("sea") == text.rate("SEA") == (6 + UNSEEN) / total
    assert text.rate("the") == (4 + UNSEEN) / total
    assert text.rate("7") == (3 + UNSEEN) / total


def test_rare_and_unknown_words_count_half():
    text = count(*_SEA)

    assert text.rate(",") == text.rate("whale") == text.rate("") == UNSEEN / (_N + UNSEEN * 4)


def test_neighbours_are_counted_within_documents_and_backed_by_single_words():
    text = count(*_SEA)

    assert text.follow_rate("sea", "the") == (4 + BACKING * text.rate("sea")) / (4 + BACKING)
    assert text.precede_rate("the", "sea") == (4 + BACKING * text.rate("the")) / (6 + BACKING)
    assert text.follow_rate("7", "sea") == (3 + BACKING * text.rate("7")) / (6 + BACKING)
    # Twice, once more across the documents.
    assert text.follow_rate("the", "sea") == BACKING * text.rate("the") / (6 + BACKING)


def test_neighbours_of_an_unknown_word_are_those_of_any_word():
    text = count(*_SEA)

    assert text.follow_rate("sea", "whale") == pytest.approx(text.rate("sea"))
    assert text.precede_rate("sea", "whale") == pytest.approx(text.rate("sea"))
    assert text.follow_rate("whale", "sea") == BACKING * text.rate("whale") / (6 + BACKING)


def test_classes_are_judged_as_words_are_spelled():
    text = count(*_SEA)
    names, digits = _CLASSES["capitalised names"], _CLASSES["digits"]

    # The, The, Sea, Sea
    assert text.class_rate(names) == (4 + UNSEEN) / (_N + 1)
    assert text.class_rate(digits) == (3 + UNSEEN) / (_N + 1)
    # `The Sea`
    assert text.class_rate(names, "the") == (1 + BACKING * text.class_rate(names)) / (4 + BACKING)
    assert text.class_rate(digits, "SEA") == (3 + BACKING * text.class_rate(digits)) / (6 + BACKING)
    assert text.class_rate(digits, "whale") == text.class_rate(digits)


def test_what_follows_counts_for_its_class_however_rare_it_is():
    text = count("page 1 page 2 page 3 page 4")

    numbers = _CLASSES["numbers"]
    assert text.class_rate(numbers, "page") == pytest.approx(
        (4 + BACKING * 4.5 / 9) / (4 + BACKING)
    )


def test_a_class_that_is_not_counted_is_refused():
    ending = WordClass("-tion", "-tion", lambda word: word.endswith("tion"))

    with pytest.raises(UsageError, match="no count of the class '-tion'"):
        count(*_SEA).class_rate(ending)


def test_the_commonest_spelling_stands_for_a_word():
    text = count("Paris paris Paris it It IT", "PARIS")

    assert text.spell("paris") == "Paris"
    assert text.spell("it") == "IT"
    assert text.spell("London") == "london"


def test_a_corpus_without_a_word_that_recurs_is_too_small():
    with pytest.raises(InputError, match="no word that comes 3 times"):
        count("one two three")
    with pytest.raises(InputError, match="no word that comes 3 times"):
        count()


@given(_texts, _words, _words, st.sampled_from(CLASSES))
def test_every_rate_is_a_probability(texts: list[str], word: str, given_word: str, word_class):
    text = count("a a a", *texts)

    rates = [
        text.rate(word),
        text.follow_rate(word, given_word),
        text.precede_rate(word, given_word),
        text.class_rate(word_class),
        text.class_rate(word_class, given_word),
    ]
    assert all(0 < rate < 1 for rate in rates), rates


@given(_texts, _words)
def test_rates_of_all_words_leave_room_for_the_unknown_one(texts: list[str], given_word: str):
    text = count("a a a", *texts)
    words = (*text.indices, "never seen")

    assert sum(map(text.rate, words)) <= 1 + 1e-12
    assert sum(text.follow_rate(word, given_word) for word in words) <= 1 + 1e-12
    assert sum(text.precede_rate(word, given_word) for word in words) <= 1 + 1e-12
