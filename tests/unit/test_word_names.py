import pytest
from hypothesis import given
from hypothesis import strategies as st

from clerp.labels import clean_label
from clerp.word_names import is_nameless, name_word, name_words, write_phrase


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (" Texas", "Texas"),
        (",", "comma"),
        (" (", "open bracket"),
        ("%", "percent sign"),
        ('"', "quote mark"),
        ("--", "dash"),
        ("\n\n", "newline"),
        ("   ", "space"),
        ("<|endoftext|>", "endoftext token"),
        ("<bos>", "bos token"),
        ("小", "小"),
        ("👍", "👍"),
        ("\ufffd\ufffd", "partial character"),
        ("\ue000", "unprintable character"),
        ("", "unprintable character"),
        ("\ufe0f", "unprintable character"),
        ("❤\ufe0f", "❤\ufe0f"),
        ('"%', "quote mark and symbols"),
        ("F16", "F 16"),
    ],
)
def test_a_word_is_named_so_that_it_can_be_read(text: str, name: str):
    assert name_word(text) == name


def test_what_one_speaks_of_in_the_plural_is_so_named():
    assert [name_words(text) for text in ("\n", '"', ",")] == ["newlines", "quote marks", "comma"]


@pytest.mark.parametrize(
    ("words", "phrase"),
    [
        (["capital", "of"], "capital of"),
        (["Flag", "description", ":"], "Flag description:"),
        ([",", "and"], ", and"),
        ([",", "000"], ",000"),
        ([",", "2005"], ", 2005"),
        (["one", "("], "one ("),
        (["$", "5"], "$5"),
    ],
)
def test_a_phrase_is_written_as_texts_have_it(words: list[str], phrase: str):
    assert write_phrase(words) == phrase


@pytest.mark.parametrize("mark", ["\n", " ", '"', "&", "[", "-----", "\ufffe"])
def test_a_phrase_with_what_labels_cannot_show_is_not_written(mark: str):
    assert write_phrase([mark, "word"]) is None


def test_parts_of_characters_have_no_name():
    assert is_nameless("")
    assert is_nameless("\ufffd")
    assert not is_nameless(" a")
    assert not is_nameless("م")


@given(st.lists(st.text(), min_size=1))
def test_a_phrase_is_clean_or_none(words: list[str]):
    phrase = write_phrase(words)

    assert phrase is None or clean_label(phrase) == phrase != ""


@given(st.text())
def test_a_name_is_clean_short_and_not_empty(text: str):
    name = name_word(text)

    assert name
    assert clean_label(name) == name
    assert len(name) <= 31
    assert "|" not in name or any(char.isalnum() for char in text)
