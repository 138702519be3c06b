import re
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from clerp.labels import (
    MAX_LABEL_CHARS,
    Style,
    clean_label,
    in_style,
    is_placeholder,
    names_supernode,
)

# Mostly what hygiene is about, so that its rules meet.
TROUBLE = st.text(alphabet='F0123456789[]<>&#%+" \n\t\v\x00\u202e\u200b\u2028…,/·ab٣', max_size=90)
FORMULAS = st.text(alphabet="=+-@＝＋－＠[ a1()|'…", max_size=60)
TEXTS = TROUBLE | FORMULAS | st.text() | st.from_regex(r"[\[ ]*F[0-9]{30,50}", fullmatch=True)


@given(TEXTS)
@example("F" + "1" * (MAX_LABEL_CHARS - 1))
@example("F" + "1" * MAX_LABEL_CHARS)
def test_cleaning_a_clean_label_changes_nothing(text: str):
    clean = clean_label(text)

    assert clean_label(clean) == clean


@given(TEXTS)
@example("F" + "1" * (MAX_LABEL_CHARS - 1))
def test_every_label_is_one_short_line_that_frontends_show_as_written(text: str):
    clean = clean_label(text)

    assert len(clean) <= MAX_LABEL_CHARS
    assert len(clean.splitlines()) <= 1
    assert clean == " ".join(clean.split())
    assert not set('<>&#%+"') & set(clean)
    assert not clean.startswith("[")
    assert not {unicodedata.category(char) for char in clean} & {"Cc", "Cf", "Cs", "Co", "Cn"}
    assert not clean or not is_placeholder(clean)
    assert not names_supernode(clean)
    assert re.match("[=+@＝＋－＠]|-.*[(|!=]|-[0-9]+[^0-9.…]", clean) is None


@pytest.mark.parametrize(
    "label",
    [
        *("Texas", "say Austin", "capital of", "-tion", "say “yes”", "ʻokina", "小さい", "👍🏽"),
        *("-ation / -tion", "-", "--", "-1", "-2.5", "x = 1", "user@host"),
    ],
)
def test_an_ordinary_label_stays_as_it_is(label: str):
    assert clean_label(label) == label


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("  two \t words\nin\u2028lines ", "two words in lines"),
        ("form\ffeed\vand\x85more", "form feed and more"),
        ("\u202etxet\u202c \x1b[31mred\x00", "txet [31mred"),
        ("zero\u200bwidth", "zerowidth"),
        ("lone \ud800 half", "lone half"),
        ("<", "less-than"),
        ("say &", "say and"),
        ("50 %", "50 percent"),
        ("C# <b>bold</b>", "C bbold/b"),
        ('"quoted"', "quoted"),
        ("[supernode] capitals", "supernode] capitals"),
        ("[ [ list", "list"),
        ("[]", "]"),
        ("F123", "F 123"),
        ("[F123", "F 123"),
        ("F+1", "F 1"),
        ("f123", "f123"),
        ("=SUM(A1)", "SUM(A1)"),
        ("=", "equals"),
        ("= sign", "equals sign"),
        ("@ home", "at home"),
        ("- item", "hyphen item"),
        ("-cmd|' /C calc'!A0", "cmd|' /C calc'!A0"),
        ("-2+3", "-23"),
        ("[=[-1-1", "1-1"),
        ("＝1", "1"),
        ("ㅤ", ""),
        ("F123 engine", "F123 engine"),
        ("", ""),
        (" \x00 ", ""),
    ],
)
def test_what_frontends_would_misread_is_written_otherwise(text: str, clean: str):
    assert clean_label(text) == clean


@pytest.mark.parametrize("char", '<>&#%+"')
def test_a_mark_that_stands_alone_is_spelled_out(char: str):
    assert re.fullmatch("say [a-z-]+", clean_label(f"say {char}"))


def test_each_mark_has_a_name_of_its_own():
    assert len({clean_label(char) for char in '<>&#%+"'}) == 7


def test_a_label_of_just_the_longest_length_is_not_cut():
    assert clean_label("a" * MAX_LABEL_CHARS) == "a" * MAX_LABEL_CHARS


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("names of cities, towns and other settlements", "names of cities, towns and other…"),
        ("names of the cities, towns, villages, hamlets", "names of the cities, towns, villages…"),
        ("a" * 41, "a" * 39 + "…"),
    ],
)
def test_a_long_label_is_cut_between_words_where_it_can_be(text: str, clean: str):
    assert clean_label(text) == clean


@pytest.mark.parametrize("text", ["", " ", "\n", "F0", "F2305458", " F12 "])
def test_a_placeholder_is_no_label(text: str):
    assert is_placeholder(text)


@pytest.mark.parametrize("text", ["F", "F 12", "f12", "F12a", "12", "GF12", "-F12"])
def test_what_only_resembles_a_placeholder_is_a_label(text: str):
    assert not is_placeholder(text)


def test_a_person_named_what_neuronpedia_calls_a_supernode():
    assert names_supernode("[supernode] capitals")
    assert names_supernode(" [supernode] capitals")
    assert not names_supernode("capitals [supernode]")
    assert not names_supernode("[capitals]")


@pytest.mark.parametrize(
    ("style", "shown"),
    [("plain", "say Austin"), ("bracket", "[say Austin]"), ("paren", "(say Austin)")],
)
def test_a_style_is_put_around_the_label(style: Style, shown: str):
    assert in_style("say Austin", style) == shown
