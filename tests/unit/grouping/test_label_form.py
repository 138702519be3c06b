import pytest
from hypothesis import given
from hypothesis import strategies as st

from clerp.grouping.label_form import MAX_WORDS, fold, read_form, strip_style
from clerp.grouping.sides import list_conflicts, side_of
from clerp.grouping.supernode import Named


@pytest.mark.parametrize(
    ("label", "side", "words"),
    [
        ("Texas", "", ("texas",)),
        ("say Austin", "output", ("austin",)),
        ("Say: Austin", "output", ("austin",)),
        ("say a capital", "output", ("capital",)),
        ("predict large (english)", "output", ("large", "english")),
        ("avoid and", "suppression", ()),
        ("suppresses Texas", "suppression", ("texas",)),
        ("(say Austin)", "output", ("austin",)),
        ("(say) Texas / Texas-related", "output", ("texas",)),
        ("says who", "", ("says",)),
        ("[say Austin]", "output", ("austin",)),
        ("[supernode] say Austin", "output", ("austin",)),
        ("capital of the state", "", ("capital", "state")),
        ("Dallas/Texas", "", ("dallas", "texas")),
        ("references to cities", "", ("cities",)),
        ("say", "", ("say",)),
        ("sayings", "", ("sayings",)),
        ("comma", "", ()),
        ("spaces / of", "", ()),
        ("full stop, the", "", ()),
        ("full moon", "", ("full", "moon")),
        ("())", "", ()),
        ("", "", ()),
        ("ＴＥＸＡＳ", "", ("texas",)),
        ("小さい", "", ("小さい",)),
        ("Texas texas", "", ("texas",)),
    ],
)
def test_a_label_is_taken_apart(label: str, side: str, words: tuple[str, ...]):
    form = read_form(label)

    assert (form.side, form.words) == (side, words)


def test_the_body_is_the_label_without_its_form():
    assert read_form("say a capital").body == "a capital"
    assert read_form(" Texas cities ").body == "Texas cities"


@pytest.mark.parametrize("text", ["(small) or (large)", "[a] b", "f(x)"])
def test_brackets_that_are_no_style_stay(text: str):
    assert strip_style(text) == text


def test_a_text_of_any_length_gives_few_words():
    form = read_form(" ".join(f"word{n}" for n in range(100_000)))

    assert form.words == tuple(f"word{n}" for n in range(MAX_WORDS))


@given(st.text())
def test_any_text_is_read(text: str):
    assert len(read_form(text).words) <= MAX_WORDS


def test_names_that_differ_in_case_space_and_composition_are_one():
    assert fold(" Café  au Lait") == fold("cafe\u0301 AU lait")


@pytest.mark.parametrize(
    ("text", "role", "side"),
    [
        ("Texas", "input", "input"),
        ("say Texas", "output", "output"),
        ("Texas", "output", "output"),
        ("avoid Texas", "output", "suppression"),
        ("say that", "input", "input"),
        ("say Texas", "", "output"),
        ("say Texas", "cross", "output"),
        ("Texas", "", ""),
        ("", "obscure", ""),
    ],
)
def test_the_side_is_that_of_the_role_or_else_of_the_wording(text: str, role: str, side: str):
    assert side_of(Named(text, role)) == side


def test_only_known_and_different_sides_conflict():
    conflicts = list_conflicts(["input", "", "output", "input"])

    assert conflicts.tolist() == [
        [False, False, True, False],
        [False, False, False, False],
        [True, False, False, True],
        [False, False, True, False],
    ]
    assert list_conflicts([]).shape == (0, 0)
