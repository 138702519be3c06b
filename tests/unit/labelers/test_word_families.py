import pytest
from hypothesis import given
from hypothesis import strategies as st

from clerp.labelers.word_families import are_related, find_family, name_family
from clerp.word_counts import WordCount


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("capital", "Capitals"),
        ("run", "running"),
        ("city", "cities"),
        ("create", "creating"),
        ("nation", "nation's"),
        ("hold", "holder"),
        ("Hauptstadt", "Hauptstadts"),
        ("столица", "столицы"),
    ],
)
def test_forms_of_one_word_are_related(one: str, other: str):
    assert are_related(one, other)
    assert are_related(other, one)


@pytest.mark.parametrize(
    ("one", "other"),
    [("the", "they"), ("wall", "well"), ("1942", "1943"), (",", ";"), ("", "a"), ("cat", "car")],
)
def test_other_words_are_not(one: str, other: str):
    assert not are_related(one, other)
    assert not are_related(other, one)


def test_a_family_is_named_by_the_form_that_the_others_begin_with():
    def name(*words: str) -> str:
        return name_family(find_family([WordCount(word, 0.3, ()) for word in words]))

    assert name("Capital", "capitals") == "Capital"
    assert name("cities", "city") == "city"
    assert name("running", "run", "runs", "other") == "run"
    assert name("Eritrea", "eritrean") == "Eritrea"


def test_a_family_without_such_a_form_is_listed():
    family = find_family([WordCount(word, 0.3, ()) for word in ("symbolizes", "symbolized")])

    assert name_family(family) == "symbolizes / symbolized"


def test_one_word_is_no_family():
    assert find_family([WordCount("run", 0.5, ()), WordCount("hold", 0.5, ())]) == ()
    assert find_family([]) == ()


@given(st.text(), st.text())
def test_relation_is_symmetric(one: str, other: str):
    assert are_related(one, other) == are_related(other, one)
