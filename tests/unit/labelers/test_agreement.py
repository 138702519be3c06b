import pytest

from clerp.labelers.agreement import Agreement, at_most, measure
from clerp.word_counts import PeakContext


def agreement(n_agreeing: int, share: float, n_lower: int = 0) -> Agreement:
    return Agreement(tuple(f"0.{n}" for n in range(n_agreeing)), 20, share, n_lower // 2, n_lower)


def context(word: str, weight: float) -> PeakContext:
    return PeakContext(f"0.{word}", weight, word, word, "whole", (), "", False)


@pytest.mark.parametrize(
    ("n_agreeing", "share", "confidence"),
    [(8, 0.8, "high"), (7, 0.9, "medium"), (20, 0.79, "medium"), (3, 1.0, "low"), (9, 0.4, "low")],
)
def test_confidence_needs_share_and_examples(n_agreeing: int, share: float, confidence: str):
    assert agreement(n_agreeing, share).confidence == confidence


@pytest.mark.parametrize(
    ("lower_agreeing", "n_lower", "confidence"),
    [(0, 0, "high"), (0, 25, "medium"), (4, 25, "medium"), (5, 25, "high")],
)
def test_a_name_that_holds_only_at_the_top_is_never_of_high_confidence(
    lower_agreeing: int, n_lower: int, confidence: str
):
    found = Agreement(tuple("abcdefgh"), 8, 1.0, lower_agreeing, n_lower)
    assert found.confidence == confidence
    assert found.only_at_top == (confidence != "high")


def test_what_goes_on_record_has_lower_examples_only_where_there_are_some():
    assert agreement(8, 0.9).details == {"share": 0.9}
    assert agreement(8, 0.9, n_lower=10).details == {
        "share": 0.9,
        "n_lower_agreeing": 5,
        "n_lower": 10,
    }


def test_counts_can_be_checked_by_a_reader():
    assert agreement(17, 0.912).counts == "17 of 20 examples (91 % of activation)"
    assert agreement(1, 0.05, n_lower=10).counts == (
        "1 of 20 examples (5 % of activation), and in 5 of 10 at lower activations"
    )


def test_agreement_is_measured_by_activation():
    top = [context("a", 1.0), context("b", 0.5), context("a", 0.5)]

    measured = measure(lambda c: c.word == "a", top, [context("a", 0.1), context("b", 0.1)])

    assert measured == Agreement(("0.a", "0.a"), 3, 0.75, 1, 2)
    assert measure(lambda c: True, [], []).share == 0.0


def test_the_lower_confidence_holds():
    assert at_most("medium", "high") == "medium"
    assert at_most("high", "low") == "low"
