"""Stretches of a text around a peak: cut out, changed, gathered so that no two are alike."""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from clerp.testing.planting.text import Place, Text, split_cell, word_of

WINDOW = 49
"""Tokens of an example."""
REACH = 8
"""How many tokens at either side of a peak belong to its context."""
_APART = 16


@dataclass(frozen=True, slots=True)
class Spelled:
    """The tokens of a passage."""

    tokens: tuple[str, ...]
    peak: int


@dataclass(frozen=True, slots=True)
class Passage:
    """Cells around a peak, as they stand in the text or changed."""

    place: Place
    cells: tuple[str, ...]
    peak: int

    def word(self, shift: int = 0) -> str:
        """Return the word or mark some cells from the peak; `""` outside."""
        at = self.peak + shift
        return word_of(self.cells[at]) if 0 <= at < len(self.cells) else ""

    @property
    def around(self) -> frozenset[str]:
        """Words and marks of the context, the peak's among them."""
        first = max(self.peak - REACH, 0)
        return frozenset(map(word_of, self.cells[first : self.peak + REACH + 1]))

    def change(self, cells: Mapping[int, str]) -> "Passage":
        """Put other cells, by their distance from the peak."""
        changed = list(self.cells)
        for shift, cell in cells.items():
            changed[self.peak + shift] = cell
        return replace(self, cells=tuple(changed))

    def spell(self) -> Spelled:
        """Part the cells into tokens; the peak is the last token of its cell.

        Returns:
            `WINDOW` tokens with the peak in the middle, or off it near the ends of a document.
        """
        before = [token for cell in self.cells[: self.peak] for token in split_cell(cell)]
        tokens = [*before, *split_cell(self.cells[self.peak])]
        peak = len(tokens) - 1
        tokens += [token for cell in self.cells[self.peak + 1 :] for token in split_cell(cell)]
        start = max(min(peak - WINDOW // 2, len(tokens) - WINDOW), 0)
        return Spelled(tuple(tokens[start : start + WINDOW]), peak - start)

    @property
    def context(self) -> str:
        """Text of the tokens around the peak, which no two examples of a feature share."""
        spelled = self.spell()
        first = max(spelled.peak - REACH, 0)
        return "".join(spelled.tokens[first : spelled.peak + REACH + 1])


@dataclass(frozen=True, slots=True)
class Limits:
    """How many passages may have the same word at a place, at most."""

    peak: int
    previous: int
    next: int
    second: int
    """Of the word after the next."""


def vary(n: int) -> Limits:
    """Return the limits under which the words around n peaks say little."""
    return Limits(peak=n, previous=max(2, n // 3), next=max(2, n // 5), second=max(2, n // 3))


def vary_not(n: int) -> Limits:
    """Return limits that let n passages agree in whatever they like."""
    return Limits(n, n, n, n)


def cut(text: Text, place: Place) -> Passage:
    """Cut out the cells around a place: as many as a window can need."""
    cells = text.documents[place.document]
    first = max(place.cell - WINDOW, 0)
    return Passage(place, cells[first : place.cell + WINDOW], place.cell - first)


def gather(
    text: Text,
    places: Iterable[Place],
    n: int,
    limits: Limits | None = None,
    *,
    make: Callable[[Place], Passage | None] | None = None,
    beside: Sequence[Passage] = (),
) -> list[Passage]:
    """Gather passages of different contexts, far from each other and from many documents.

    Args:
        text: Where they come from.
        places: Of the peaks, in the order in which to try them.
        n: How many to gather.
        limits: How much they may agree; as much as they like where none is given.
        make: Makes a passage of a place, or None where it does not fit. Default: cuts it out.
        beside: Passages of the same feature.

    Returns:
        n passages, or fewer where there are not more.
    """
    gathering = _Gathering(n, limits or vary_not(n), make or partial(cut, text), beside)
    share = max(2, math.ceil(3 * n / len(text.documents)))
    late = gathering.fill(places, per_document=share)
    gathering.fill(late, per_document=n)
    return gathering.passages


class _Gathering:
    def __init__(
        self,
        n: int,
        limits: Limits,
        make: Callable[[Place], Passage | None],
        beside: Sequence[Passage],
    ) -> None:
        self.passages: list[Passage] = []
        self._n = n
        self._limits = limits
        self._make = make
        self._places = [passage.place for passage in beside]
        self._contexts = {passage.context for passage in beside}
        self._documents: Counter[int] = Counter()
        self._words: Counter[tuple[str, str]] = Counter()

    def fill(self, places: Iterable[Place], *, per_document: int) -> list[Place]:
        """Take passages until there are enough.

        Returns:
            The places that were passed over because of their document.
        """
        passed_over: list[Place] = []
        for place in places:
            if len(self.passages) == self._n:
                break
            if self._documents[place.document] >= per_document:
                passed_over.append(place)
            elif self._is_free(place) and (passage := self._make(place)):
                self._take(passage)
        return passed_over

    def _is_free(self, place: Place) -> bool:
        return all(
            place.document != other.document or abs(place.cell - other.cell) >= _APART
            for other in self._places
        )

    def _take(self, passage: Passage) -> None:
        limits = {
            ("peak", passage.word()): self._limits.peak,
            ("previous", passage.word(-1)): self._limits.previous,
            ("next", passage.word(1)): self._limits.next,
            ("second", passage.word(2)): self._limits.second,
        }
        context = passage.context
        if context in self._contexts or any(self._words[k] >= n for k, n in limits.items()):
            return
        self._contexts.add(context)
        self._words.update(limits.keys())
        self._documents[passage.place.document] += 1
        self._places.append(passage.place)
        self.passages.append(passage)
