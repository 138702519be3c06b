"""Verbalizers that break one rule each."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from clerp.testing import ContractError, check_verbalizer
from clerp.verbalizers import Verbalization

GOOD = Verbalization("a capital", 0.8)
Say = Callable[[np.ndarray[Any, Any]], Any]


class FakeVerbalizer:
    name = "fake"

    def __init__(self, say: Say = lambda directions: [GOOD] * len(directions)) -> None:
        self._say = say

    async def verbalize(self, directions: np.ndarray[Any, Any]) -> Any:
        return self._say(directions)


def test_a_verbalizer_that_keeps_the_contract_passes():
    check_verbalizer(FakeVerbalizer(), d_model=8)


def normalise_in_place(directions: np.ndarray[Any, Any]) -> Any:
    directions /= 2
    return [GOOD] * len(directions)


@pytest.mark.parametrize(
    ("say", "message"),
    [
        (lambda _: [GOOD], "given 3 directions, returned 1 verbalizations"),
        (lambda directions: ["a capital"] * len(directions), "returns Verbalization objects"),
        (lambda directions: [Verbalization("", 0.5)] * len(directions), "said ''"),
        (lambda directions: [Verbalization("a", 1.5)] * len(directions), "similarity 1.5"),
        (lambda directions: [Verbalization("a", float("nan"))] * len(directions), "nan"),
        (normalise_in_place, "changed them"),
        (lambda directions: [GOOD] * len(directions) + [directions[0]][:0], "raised IndexError"),
        (lambda _: None, "raised TypeError"),
    ],
)
def test_a_broken_rule_is_named(say: Say, message: str):
    with pytest.raises(ContractError, match=message):
        check_verbalizer(FakeVerbalizer(say), d_model=8)


def test_what_is_no_verbalizer_is_told_so():
    with pytest.raises(ContractError, match="object is no verbalizer"):
        check_verbalizer(object(), d_model=8)
