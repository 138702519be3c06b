"""Tokens as servers and evidence write them."""

import pytest

from clerp_nla.backends.tokens import is_same_token


@pytest.mark.parametrize(
    ("one", "other"),
    [(" Texas", "▁Texas"), (" Texas", "ĠTexas"), ("Texas", " Texas"), ("\n", "Ċ"), (" ", "▁")],
)
def test_ways_to_write_a_token_are_one(one: str, other: str):
    assert is_same_token(one, other)
    assert is_same_token(other, one)


@pytest.mark.parametrize(
    ("one", "other"),
    [(" Texas", " texas"), (" Par", " Paris"), (".", " Texas."), ("\n", " "), ("", "a"), ("a", "")],
)
def test_other_tokens_are_others(one: str, other: str):
    assert not is_same_token(one, other)
    assert not is_same_token(other, one)
