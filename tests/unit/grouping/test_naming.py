import pytest
from hypothesis import given
from hypothesis import strategies as st

from clerp.grouping.label_form import fold
from clerp.grouping.naming import choose_name, clean_name, make_unique
from clerp.labels import MAX_LABEL_CHARS

INTERPRETED = set('<>&#%+"')


def test_the_commonest_label_names_a_group():
    assert choose_name(["Dallas", "Texas", "texas", ""]) == "Texas"
    assert choose_name(["Texas cities", "Texas"]) == "Texas"
    assert choose_name(["", ""]) == ""


def test_of_labels_that_are_as_common_one_that_says_something_names_a_group():
    assert choose_name(["and", "cat", "comma", "("]) == "cat"
    assert choose_name(["and", "and", "cat"]) == "and"


def test_the_order_of_labels_changes_no_name():
    labels = ["texas", "Texas", "Dallas", "TEXAS"]

    assert choose_name(labels) == choose_name(labels[::-1])


@pytest.mark.parametrize(
    ("given_name", "name"),
    [
        ("[supernode] x", "supernode] x"),
        ("F123", "F 123"),
        ("my supernode-3", "my supernode 3"),
        ("a & b", "a and b"),
        ("<>", "group"),
        ("", "group"),
        ("\u202e", "group"),
        ("😀", "😀"),
    ],
)
def test_a_name_is_fit_for_every_frontend(given_name: str, name: str):
    assert clean_name(given_name) == name


def test_a_name_that_is_taken_says_where():
    taken: set[str] = set()

    names = [make_unique(name, "at 5", taken) for name in ("two", "Two", "two", "two")]

    assert names == ["two", "Two at 5", "two at 5 (2)", "two at 5 (3)"]


def test_a_long_name_leaves_room_for_where():
    taken: set[str] = set()
    names = [make_unique("word " * 30, "at 5", taken) for _ in range(3)]

    assert len(set(names)) == 3
    assert all(len(name) <= MAX_LABEL_CHARS for name in names)
    assert names[2].endswith("… at 5 (2)")


@given(st.lists(st.text() | st.sampled_from(["a", "A", "supernode-supernode-1", "<b>", "F1"])))
def test_names_are_unique_short_and_clean(texts: list[str]):
    taken: set[str] = set()
    names = [make_unique(text, "at 1", taken) for text in texts]

    assert len(set(map(fold, names))) == len(names)
    for name in names:
        assert 0 < len(name) <= MAX_LABEL_CHARS
        assert name.splitlines() == [name]
        assert not INTERPRETED & set(name)
        assert not name.startswith("[")
        assert "supernode-" not in name.casefold()
