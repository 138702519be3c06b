"""Places where a feature fires, and matched ones where it is off."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clerp.evidence import ActivationExample, FeatureEvidence
from clerp.testing import make_evidence
from clerp.verbalizers.choosing import (
    MAX_CHARS,
    NEARBY,
    Passages,
    choose_passages,
    cut_passage,
)
from clerp.verbalizers.gates import FIRST_POSITION

PEAK = 20
N_TOKENS = 40


def write(name: str, *, word: str = " Texas", repeated: int | None = None) -> list[str]:
    tokens = [f" {name}{place}" for place in range(N_TOKENS)]
    tokens[PEAK] = word
    if repeated is not None:
        tokens[repeated] = word
    return tokens


def make(n: int = 12, *, peak: int = PEAK, **given: int | None) -> FeatureEvidence:
    return make_evidence([write(chr(97 + number), **given) for number in range(n)], peak=peak)  # pyright: ignore[reportArgumentType]


def ids(chosen: Passages) -> list[str]:
    return [passage.id for passage in chosen.active]


def test_the_strongest_examples_are_cut_after_their_peaks():
    chosen = choose_passages(make(), 3, 0)
    assert ids(chosen) == ["0.0", "0.1", "0.2"]
    first = chosen.active[0]
    assert first.text == "".join(write("a")[: PEAK + 1])
    assert (first.token, first.activation) == (" Texas", 1.0)
    assert chosen.inactive == ()


def test_as_many_more_are_spare():
    chosen = choose_passages(make(5), 3, 0)
    assert [passage.id for passage in chosen.spare] == ["0.3", "0.4"]


def test_nearly_the_same_context_counts_once():
    texts = [write("a"), [*write("a")[:-1], " other"], write("b")]
    assert ids(choose_passages(make_evidence(texts, peak=PEAK), 3, 0)) == ["0.0", "0.2"]


def test_held_out_examples_are_shown_to_nobody():
    chosen = choose_passages(make(4), 2, 2, held_out=["0.0", "0.2"])
    assert ids(chosen) == ["0.1", "0.3"]
    assert not any(one.passage.id.startswith(("0.0", "0.2")) for one in chosen.inactive)


def test_examples_of_lower_quantiles_are_not_shown():
    evidence = make_evidence([write("a")], lower=[write("b")], peak=PEAK)
    assert ids(choose_passages(evidence, 5, 0)) == ["0.0"]


def test_peaks_among_the_first_tokens_come_last():
    evidence = make(3)
    early = replace_peak(evidence.top[0], FIRST_POSITION - 1)
    moved = replace(evidence, top=(early, *evidence.top[1:]))
    assert ids(choose_passages(moved, 3, 0)) == ["0.1", "0.2", "0.0"]
    assert ids(choose_passages(moved, 2, 0)) == ["0.1", "0.2"]


def replace_peak(example: ActivationExample, peak: int) -> ActivationExample:
    activations = np.zeros(N_TOKENS, dtype=np.float32)
    activations[peak] = 1
    return replace(example, activations=activations, peak=peak)


@pytest.mark.parametrize("token", ["", "  ", "\n", "\ufffd", " \ufffd\ufffd"])
def test_a_token_that_no_text_can_end_with_is_passed_over(token: str):
    evidence = make_evidence([write("a", word=token), write("b")], peak=PEAK)
    assert ids(choose_passages(evidence, 2, 0)) == ["0.1"]


def test_inactive_places_are_the_same_token_elsewhere_and_a_token_nearby():
    chosen = choose_passages(make(4, repeated=30), 2, 2)
    by_example = {
        example: [one.passage for one in chosen.inactive if one.matched == example]
        for example in ("0.0", "0.1")
    }
    assert all(one.passage.id.startswith(f"{one.example}-") for one in chosen.inactive)
    for example, (same, nearby) in by_example.items():
        assert same.token == " Texas"
        assert same.id.endswith("-30")
        found, place = nearby.id.split("-")
        assert found == example
        assert 0 < abs(int(place) - PEAK) <= NEARBY
        assert same.activation == nearby.activation == 0


def test_with_one_of_each_the_turns_go_over_the_examples():
    chosen = choose_passages(make(4, repeated=30), 2, 1)
    tokens = {one.matched: one.passage.token for one in chosen.inactive}
    assert list(tokens) == ["0.0", "0.1", "0.2", "0.3"]
    assert [token == " Texas" for token in tokens.values()] == [True, False, True, False]


def test_where_the_token_stands_nowhere_else_both_are_nearby():
    chosen = choose_passages(make(3), 1, 2)
    assert [one.passage.id.split("-")[0] for one in chosen.inactive if one.matched == "0.0"] == [
        "0.0",
        "0.0",
    ]


def test_a_feature_that_is_never_off_has_no_inactive_place():
    evidence = make(2)
    always = tuple(
        replace(example, activations=np.full(N_TOKENS, 0.5, dtype=np.float32))
        for example in evidence.top
    )
    assert choose_passages(replace(evidence, top=always), 2, 2).inactive == ()


def test_the_draw_hangs_on_the_evidence():
    evidence = make(6)
    other = replace(evidence, digest="0" * 64)
    assert choose_passages(evidence, 3, 2) == choose_passages(evidence, 3, 2)
    assert choose_passages(evidence, 3, 2).inactive != choose_passages(other, 3, 2).inactive


def test_a_long_text_loses_its_start():
    tokens = ["x" * 1000] * 30
    example = make_evidence([tokens], peak=25).top[0]
    passage = cut_passage(example, 25)
    assert passage.text == "x" * 16_000
    assert passage.text.endswith(passage.token)


def test_of_a_huge_token_the_end_is_kept():
    example = make_evidence([["a", "x" * 20_000 + "end"]], peak=1).top[0]
    passage = cut_passage(example, 1)
    assert len(passage.text) == MAX_CHARS
    assert passage.text == passage.token
    assert passage.text.endswith("end")


def test_no_examples_no_passages():
    assert choose_passages(make_evidence([]), 5, 2) == Passages((), (), ())


@given(
    tokens=st.lists(st.text(max_size=4), min_size=1, max_size=60),
    peak=st.integers(0, 59),
    n_inactive=st.integers(0, 6),
)
def test_every_passage_ends_with_its_token_and_none_comes_twice(
    tokens: list[str], peak: int, n_inactive: int
):
    evidence = make_evidence([tokens, tokens[::-1]], peak=min(peak, len(tokens) - 1))
    chosen = choose_passages(evidence, 2, n_inactive)
    off = [one.passage for one in chosen.inactive]
    everything = [*chosen.active, *chosen.spare, *off]
    assert all(passage.text.endswith(passage.token) for passage in everything)
    assert len({passage.id for passage in everything}) == len(everything)
    assert all(passage.activation > 0 for passage in chosen.active)
    assert all(passage.activation == 0 for passage in off)
