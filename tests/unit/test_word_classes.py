import pytest

from clerp.word_classes import WordClass, find_class, is_function_word
from clerp.word_counts import WordCount


def find(*words: str) -> WordClass | None:
    return find_class([WordCount(word, 1 / len(words), ()) for word in words])


@pytest.mark.parametrize(
    ("words", "plural"),
    [
        ("3 7 1 9", "digits"),
        ("1942 1789 2011", "years"),
        ("100 12 1200", "numbers"),
        ("6th 21st eighth", "ordinals"),
        ("March May June", "months"),
        ("Monday Tuesday Friday", "weekdays"),
        ("of to near by", "prepositions"),
        ("he his them our", "pronouns"),
        ("( ) [", "brackets"),
        (", . ;", "punctuation"),
        ("{ * =", "symbols"),
        ("formation station relation", "-ation"),
        ("Monaco Paris Rome", "capitalised names"),
        ("USA NATO UNESCO", "words in capitals"),
        ("q k z", "single letters"),
        ("река дом небо", "Cyrillic words"),
        ("北京 上海 小", "Chinese characters"),
        ("👍 🎉 ❤", "emoji"),
    ],
)
def test_the_narrowest_class_of_words_is_found(words: str, plural: str):
    found = find(*words.split())

    assert found is not None
    assert found.plural == plural


def test_words_without_a_common_class_have_none():
    assert find("wall", "bug", "ring", "Paris") is None
    assert find("dog") is None
    assert find() is None


def test_two_words_are_no_class():
    assert find("3", "7") is None


def test_forms_of_one_function_word_are_better_listed():
    assert find("is", "was", "are") is None


def test_an_ending_needs_a_word_before_it():
    assert find("ion", "nation", "tion") is None


@pytest.mark.parametrize(
    "words",
    ["the a An", "of with Throughout", "he Them whose", "is was Would been", "and if Because"],
)
def test_articles_prepositions_pronouns_auxiliaries_and_conjunctions_are_function_words(words: str):
    assert all(map(is_function_word, words.split()))


def test_words_about_something_are_no_function_words():
    assert not any(map(is_function_word, ["river", "run", "seven", "Paris", ",", ""]))
