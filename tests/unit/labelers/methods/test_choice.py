"""Which examples are shown and which are held out."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.labelers.methods.asked import make_evidence

from clerp import testing
from clerp.labelers.methods.choice import Choice, choose_examples

SIZES = st.integers(0, 30)


def ids(choice: Choice) -> tuple[list[str], list[str]]:
    return [e.id for e in choice.shown], [e.id for e in choice.held_out]


@given(SIZES, SIZES, st.integers(2, 20), st.lists(st.floats(-1, 2), max_size=3))
def test_nothing_is_both_shown_and_held_out_and_no_more_is_shown_than_asked(
    n_top: int, n_lower: int, n: int, activations: list[float]
):
    choice = choose_examples(make_evidence(n_top, n_lower), n, activations)
    shown, held_out = ids(choice)
    assert not set(shown) & set(held_out)
    assert len(set(shown)) == len(shown) == min(n, n_top + n_lower - len(held_out))
    peaks = [example.peak_activation for example in choice.shown]
    assert peaks == sorted(peaks, reverse=True)


@pytest.mark.parametrize(
    ("n_top", "n_lower", "n_held"), [(11, 0, 0), (12, 0, 4), (20, 0, 4), (20, 25, 9), (8, 4, 4)]
)
def test_from_twelve_examples_on_a_fifth_is_held_out(n_top: int, n_lower: int, n_held: int):
    assert len(choose_examples(make_evidence(n_top, n_lower), 8).held_out) == n_held


def test_held_out_examples_come_from_the_whole_range():
    held_out = choose_examples(make_evidence(20, 25), 8).held_out
    assert 3 <= sum(example.id.startswith("0.") for example in held_out) <= 5


def test_what_is_held_out_depends_on_the_evidence_alone():
    evidence = make_evidence(20, 25)
    some = choose_examples(evidence, 20, [0.1]).held_out
    assert [e.id for e in choose_examples(evidence, 5).held_out] == [e.id for e in some]
    others = {tuple(ids(choose_examples(replace(evidence, digest=str(n)), 8))[1]) for n in range(5)}
    assert len(others) > 1


def test_shown_examples_are_never_only_the_top():
    shown = choose_examples(make_evidence(20, 25), 8).shown
    top = [example for example in shown if example.id.startswith("0.")]
    assert len(top) == 4
    places = [int(example.id.partition(".")[2]) for example in shown if example not in top]
    assert max(places) - min(places) > 25 / 2


@pytest.mark.parametrize("activation", [0.0, 0.13, 0.5, 0.98, 7.0])
def test_the_examples_nearest_to_the_nodes_are_shown(activation: float):
    evidence = make_evidence(20, 25)
    choice = choose_examples(evidence, 8, [activation])
    held_out = {example.id for example in choice.held_out}
    nearest = [e.id for e in evidence.nearest(activation, 45) if e.id not in held_out][:2]
    assert set(nearest) <= {example.id for example in choice.shown}


def test_of_several_nodes_the_middle_one_counts():
    evidence = make_evidence(20, 25)
    assert ids(choose_examples(evidence, 8, [0.0, 0.3, 1.0])) == ids(
        choose_examples(evidence, 8, [0.3])
    )


def test_a_text_that_repeats_another_counts_once():
    text = [f" word{i}" for i in range(30)]
    evidence = testing.make_evidence([text, [*text[:-1], " other"]], lower=[[" x", " y"]], peak=15)
    assert ids(choose_examples(evidence, 8))[0] == ["0.0", "1.0"]
