import pytest

from clerp.router.surroundings import REACH, has_meaning, read_surroundings
from clerp.testing import make_example


def test_a_peak_has_its_word_and_the_words_on_either_side():
    around = read_surroundings(make_example([" The", " old", " man", " sat", "."], peak=2))

    assert (around.word, around.piece) == ("man", "")
    assert (around.before, around.after) == (("The", "old"), ("sat", "."))
    assert (around.key, around.previous, around.following) == ("man", "old", "sat")


def test_a_peak_on_a_piece_keeps_the_whole_word_and_the_piece():
    around = read_surroundings(make_example([" in", " Nash", "ville", " today"], peak=2))

    assert (around.word, around.piece) == ("Nashville", "ville")
    assert (around.before, around.after) == (("in",), ("today",))


def test_a_piece_is_the_same_with_a_mark_behind_it():
    around = read_surroundings(make_example([" in", " Nash", "ville.", " Today"], peak=2))

    assert around.piece == "ville"


def test_spellings_of_a_word_have_one_key():
    keys = {read_surroundings(make_example([w], peak=0)).key for w in (" Tuple", "TUPLE", "tuple")}

    assert keys == {"tuple"}


def test_bare_spaces_are_no_neighbours_but_may_be_the_peak():
    tokens = ["one", "  ", " two", "  ", " three"]

    assert read_surroundings(make_example(tokens, peak=2)).before == ("one",)
    on_space = read_surroundings(make_example(["a", "\t", "b"], peak=1))
    assert (on_space.word.isspace(), on_space.before, on_space.after) == (True, ("a",), ("b",))


def test_a_line_break_is_a_neighbour():
    around = read_surroundings(make_example(["one", "\n\n", "two"], peak=2))

    assert around.previous == "\n"


def test_no_more_than_the_reach_is_read_nearest_words_first():
    tokens = [f" w{i}" for i in range(41)]

    around = read_surroundings(make_example(tokens, peak=20))

    assert around.before == tuple(f"w{i}" for i in range(20 - REACH, 20))
    assert around.after == tuple(f"w{i}" for i in range(21, 21 + REACH))


def test_far_tokens_change_nothing():
    near = [f" n{i}" for i in range(60)]
    far = [f" f{i}" for i in range(5000)]

    assert read_surroundings(make_example([*far, *near, *far], peak=5030)) == read_surroundings(
        make_example(near, peak=30)
    )


@pytest.mark.parametrize("tokens", [[""], ["", "", ""]])
def test_a_peak_without_text_has_no_surroundings(tokens: list[str]):
    around = read_surroundings(make_example(tokens, peak=0))

    assert (around.word, around.key, around.piece) == ("", "", "")
    assert (around.previous, around.following, around.next_content) == ("", "", "")


def test_ends_of_the_text_have_no_neighbours():
    around = read_surroundings(make_example([" only"], peak=0))

    assert (around.previous, around.following, around.next_content) == ("", "", "")


@pytest.mark.parametrize(
    ("after", "content"),
    [
        ([" of", " the", " Danube", " river"], "Danube"),
        ([" Danube"], "Danube"),
        ([" of", ",", " the", " a", " Danube"], ""),
    ],
)
def test_next_content_skips_marks_and_function_words_but_not_far(after: list[str], content: str):
    assert read_surroundings(make_example(["mouth", *after], peak=0)).next_content == content


@pytest.mark.parametrize(
    ("word", "expected"),
    [("river", True), ("1984", True), ("河", True), ("of", False), ("The", False), (",", False),
     ("🙂", False), ("\n", False), ("", False)],
)  # fmt: skip
def test_marks_and_function_words_have_no_meaning(word: str, expected: bool):
    assert has_meaning(word) is expected


def test_themes_are_near_words_with_a_meaning_but_never_the_word_itself():
    tokens = [" RIVER", " Danube", ",", " the", " river", " of", " a", " danube", " mouth"]

    assert read_surroundings(make_example(tokens, peak=4)).find_themes() == {"danube", "mouth"}
