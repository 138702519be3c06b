"""Random draws that are the same in every version of Python."""

import random
from collections.abc import Iterator, Sequence
from typing import TypeVar

_Item = TypeVar("_Item")


class Draws:
    """Draws from one seed.

    Python promises that `random.Random(seed).random()` stays what it is and promises nothing of
    `choice`, `sample` and `shuffle`, so all draws here are made of `random()`.
    """

    def __init__(self, seed: str) -> None:
        self._random = random.Random(seed).random

    def between(self, low: float, high: float) -> float:
        """Draw a number from `low` on and below `high`."""
        return low + (high - low) * self._random()

    def integer(self, low: int, high: int) -> int:
        """Draw an integer; both ends may come."""
        return low + int((high - low + 1) * self._random())

    def happens(self, probability: float) -> bool:
        """Say yes with a probability."""
        return self._random() < probability

    def pick(self, items: Sequence[_Item]) -> _Item:
        """Draw one item."""
        return items[self.integer(0, len(items) - 1)]

    def shuffle(self, items: Sequence[_Item]) -> Iterator[_Item]:
        """Yield all items in random order; only as many draws are made as items are taken."""
        left = list(items)
        while left:
            place = self.integer(0, len(left) - 1)
            left[place], left[-1] = left[-1], left[place]
            yield left.pop()

    def sample(self, items: Sequence[_Item], n: int) -> list[_Item]:
        """Draw n different items, or all of them in random order where there are fewer."""
        return [item for _, item in zip(range(n), self.shuffle(items), strict=False)]
