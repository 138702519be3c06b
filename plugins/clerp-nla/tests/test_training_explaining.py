import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clerp_nla.training.explaining import Claims, explain, judge, read_claims
from clerp_nla.training.grammar import Token, write_documents
from clerp_nla.training.places import FIRST

TRUTH = Token(" court", "noun", "the law", (" judge", " jury"))
SEEDS = st.integers(0, 2**31)


@given(SEEDS)
def test_what_is_said_of_a_place_is_true_of_it(seed: int) -> None:
    chance = random.Random(seed)
    for token in write_documents(1, seed)[0].tokens[FIRST:]:
        verdicts = judge(read_claims(explain(token, chance)), token)
        assert verdicts == {"topic": True, "word class": True, "token": True, "words before": True}


@pytest.mark.parametrize(
    ("kind", "other"),
    [
        ("topic", replace(TRUTH, topic="sport")),
        ("word class", replace(TRUTH, kind="verb")),
        ("token", replace(TRUTH, text=" jury")),
        ("words before", replace(TRUTH, before=(" jury", " judge"))),
    ],
)
def test_one_thing_that_differs_makes_one_claim_false(kind: str, other: Token) -> None:
    verdicts = judge(read_claims(explain(TRUTH, random.Random(0))), other)
    assert [name for name, true in verdicts.items() if not true] == [kind]


def test_texts_have_three_paragraphs_of_which_the_last_names_the_token() -> None:
    paragraphs = explain(TRUTH, random.Random(0)).split("\n\n")
    assert len(paragraphs) == 3
    assert paragraphs[-1].startswith('Final token " court" is a noun')


def test_what_is_not_said_is_not_judged() -> None:
    assert judge(read_claims("A text about music."), TRUTH) == {"topic": False}
    assert judge(read_claims("Nothing to see."), TRUTH) == {}


def test_of_several_topics_the_last_counts() -> None:
    assert read_claims("Notes about music.\n\nmore about the sea is likely").topic == "the sea"


@given(st.text())
def test_any_text_can_be_read(text: str) -> None:
    assert isinstance(read_claims(text), Claims)
