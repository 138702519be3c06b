"""Which passages a server reads as one text."""

from hypothesis import given
from hypothesis import strategies as st

from clerp.verbalizers import Passage
from clerp.verbalizers.text_groups import group_passages

TEXTS = st.lists(st.tuples(st.text("ab", max_size=5), st.none() | st.integers(1, 5)), max_size=12)


def make(text: str, n_tokens: int | None = 1) -> Passage:
    return Passage("0.0", text, text[-1:], 1.0, n_tokens=n_tokens)


def test_beginnings_of_a_text_stand_with_it_the_longest_first():
    passages = [make("one"), make("two three"), make("one two"), make("two")]
    assert group_passages(passages, 16) == [[1, 3], [2, 0]]


def test_a_passage_whose_tokens_nobody_counted_stands_alone():
    assert group_passages([make("one two"), make("one", None)], 16) == [[0], [1]]
    assert group_passages([make("one two", None), make("one")], 16) == [[0], [1]]


@given(TEXTS, st.integers(1, 4))
def test_every_passage_is_in_one_group_that_is_not_too_large(
    texts: list[tuple[str, int | None]], most: int
):
    passages = [make(text, n_tokens) for text, n_tokens in texts]
    groups = group_passages(passages, most)
    assert sorted(number for group in groups for number in group) == list(range(len(passages)))
    for group in groups:
        assert 1 <= len(group) <= most
        assert all(passages[group[0]].text.startswith(passages[one].text) for one in group)
