"""A text cut into words and marks, and where in it something can be planted."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple
from zlib import crc32

from clerp.errors import UsageError
from clerp.testing.planting.word_lists import read_grammar

MIN_SLOTS = 50
"""Fewest content words that could be replaced in a text worth planting in."""

_CELL = re.compile(
    r"'(?:s|t|re|ve|m|ll|d)\b| ?[^\W\d_]+| ?\d{1,4}| ?(?:[^\w\s]|_)+|\s+(?!\S)|\s", re.IGNORECASE
)
_MARKS = frozenset(",.;:!?")
_LONG_WORD = 7
_SHORTEST_PIECE = 3
_SPLIT_SHARE = 3


class Place(NamedTuple):
    """A cell of a text."""

    document: int
    cell: int


@dataclass(frozen=True, slots=True, eq=False)
class Text:
    """Documents as cells: a word with the space before it, a number, a run of marks or of space."""

    documents: tuple[tuple[str, ...], ...]
    anywhere: tuple[Place, ...]
    """All cells but white space and the first of a document."""
    slots: tuple[Place, ...]
    """Content words in small letters with nothing but a space or a mark at either side."""
    function_words: tuple[Place, ...]
    """Function words with nothing but a space or a mark at either side."""
    marks: tuple[Place, ...]
    """Punctuation marks that end a stretch of text."""
    occurrences: dict[str, list[Place]]
    """By content word, its slots."""
    vocabulary: tuple[str, ...]
    """Distinct tokens with a letter."""

    def cell(self, place: Place, shift: int = 0) -> str:
        """Return the cell some cells after a place; `""` outside of the document."""
        cells, at = self.documents[place.document], place.cell + shift
        return cells[at] if 0 <= at < len(cells) else ""


def read_text(documents: Sequence[str]) -> Text:
    """Cut documents; their order means nothing, and repeated ones count once.

    Raises:
        UsageError: The text is too small to plant in.
    """
    cells = tuple(cut_cells(document) for document in sorted(set(documents)))
    function_words = _find_function_words(cells)
    places: dict[str, list[Place]] = defaultdict(list)
    for place, kind in _classify(cells, function_words):
        places[kind].append(place)
    if len(places["slot"]) < MIN_SLOTS:
        raise UsageError(
            f"the text has {len(places['slot'])} words that could be replaced",
            remedy=f"Give at least {MIN_SLOTS}; 30,000 words are enough for all kinds",
        )
    return Text(
        documents=cells,
        anywhere=tuple(places["anywhere"]),
        slots=tuple(places["slot"]),
        function_words=tuple(places["function word"]),
        marks=tuple(places["mark"]),
        occurrences=_list_occurrences(cells, places["slot"]),
        vocabulary=_list_vocabulary(cells),
    )


def cut_cells(text: str) -> tuple[str, ...]:
    """Cut a text into cells; joined they give it back."""
    return tuple(_CELL.findall(text))


@lru_cache(maxsize=65536)
def word_of(cell: str) -> str:
    """Return the word or mark of a cell in small letters, without the space before it."""
    return cell.strip().lower()


@lru_cache(maxsize=65536)
def split_cell(cell: str) -> tuple[str, ...]:
    """Part a cell into tokens: one in three long words has two, as rarer words have under BPE.

    Which words are parted, and where, depends on the word alone.
    """
    word = word_of(cell)
    if len(word) < _LONG_WORD or not word.isalpha():
        return (cell,)
    number = crc32(word.encode())
    if number % _SPLIT_SHARE:
        return (cell,)
    choices = len(word) - 2 * _SHORTEST_PIECE + 1
    at = len(cell) - len(word) + _SHORTEST_PIECE + number // _SPLIT_SHARE % choices
    return cell[:at], cell[at:]


def _find_function_words(documents: Sequence[Sequence[str]]) -> frozenset[str]:
    english = read_grammar().all_words
    counts = Counter(word for cells in documents for word in map(word_of, cells) if word.isalpha())
    if sum(counts[word] for word in english) >= counts.total() / 5:
        return english
    # Not in English: the most frequent words of any language are its function words.
    by_frequency = sorted(counts, key=lambda word: (-counts[word], word))
    return frozenset(by_frequency[:50])


def _classify(
    documents: Sequence[Sequence[str]], function_words: frozenset[str]
) -> Iterator[tuple[Place, str]]:
    for number, cells in enumerate(documents):
        # Whether a stretch begins at a cell, or the document is over.
        begins = [*(cell[0].isspace() for cell in cells), True, True]
        for at, cell in enumerate(cells[1:], start=1):
            if cell.isspace():
                continue
            place = Place(number, at)
            yield place, "anywhere"
            if cell in _MARKS and begins[at + 1]:
                yield place, "mark"
            # A word ends at a space or a mark: `os` of `os.path` does not.
            ends = begins[at + 1] or (cells[at + 1] in _MARKS and begins[at + 2])
            if not ends or cell[0] != " " or not cell[1:].isalpha():
                continue
            if cell[1:].lower() in function_words:
                yield place, "function word"
            elif len(cell) > _SHORTEST_PIECE and cell[1:].islower():
                yield place, "slot"


def _list_occurrences(
    documents: Sequence[Sequence[str]], slots: Sequence[Place]
) -> dict[str, list[Place]]:
    occurrences: dict[str, list[Place]] = defaultdict(list)
    for place in slots:
        occurrences[documents[place.document][place.cell][1:]].append(place)
    return dict(sorted(occurrences.items()))


def _list_vocabulary(documents: Sequence[Sequence[str]]) -> tuple[str, ...]:
    cells = {cell for cells in documents for cell in cells}
    tokens = {token for cell in cells for token in split_cell(cell)}
    return tuple(sorted(token for token in tokens if any(map(str.isalpha, token))))
