"""What a kind plants: the passages that carry it, and how to tell those that do not."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from clerp.errors import UsageError
from clerp.testing.planting.draws import Draws
from clerp.testing.planting.passages import Passage
from clerp.testing.planting.text import Text


@dataclass(frozen=True, slots=True)
class Plan:
    """What one feature is made of."""

    answer: str
    passages: tuple[Passage, ...]
    """Those that carry the plant."""
    words: frozenset[str]
    """Words of the plant, in small letters; no random promoted token is one."""
    follows: tuple[str, ...] = ()
    """Tokens that the feature promotes because they follow its peaks."""
    needs_all: bool = False
    """Whether it takes all the words around a peak to carry the plant, or one of them."""

    def is_carried_by(self, passage: Passage) -> bool:
        """Say whether a passage carries the plant, or comes so near that nobody could tell."""
        found = self.words & passage.around
        return bool(found) and (not self.needs_all or found == self.words)


@dataclass(frozen=True, slots=True)
class Task:
    """What a planner is given."""

    text: Text
    draws: Draws
    n: int
    """How many passages shall carry the plant."""
    taken: frozenset[str]
    """Answers that other features have; they come last."""

    def order(self, answers: Iterable[str]) -> Iterator[str]:
        """Yield answers in random order, those not taken before the others."""
        listed = sorted(answers)
        yield from self.draws.shuffle([answer for answer in listed if answer not in self.taken])
        yield from self.draws.shuffle([answer for answer in listed if answer in self.taken])

    def check(self, passages: Sequence[Passage], what: str) -> tuple[Passage, ...]:
        """Return the passages.

        Raises:
            UsageError: They are too few.
        """
        if len(passages) < self.n:
            raise too_small(what, self.n)
        return tuple(passages)


Planner = Callable[[Task], Plan]


def too_small(what: str, n: int) -> UsageError:
    """Make the error of a text that does not hold what a kind needs."""
    return UsageError(
        f"the text has too few places for {n} different contexts of {what}",
        remedy="Give more text, or ask for fewer examples",
    )
