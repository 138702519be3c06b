"""The kind `construction`: one grammatical frame around words that all differ."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import dropwhile, islice
from typing import NamedTuple

from clerp.testing.planting.draws import Draws
from clerp.testing.planting.passages import WINDOW, Passage, gather, vary
from clerp.testing.planting.plan import Plan, Task
from clerp.testing.planting.text import Place, Text, cut_cells, split_cell, word_of
from clerp.testing.planting.word_lists import Frame, read_frames, read_grammar

_SLOT = re.compile(r"\{([cCdpegny])(\*?)\}")


class _Filled(NamedTuple):
    cells: tuple[str, ...]
    peak: int


def plan_construction(task: Task) -> Plan:
    """Put a frame into the text, its slots filled with words of the text that all differ."""
    frames = {frame.name: frame for frame in read_frames()}
    name = next(task.order(frames))
    constant = frozenset(map(word_of, cut_cells(_SLOT.sub("", frames[name].text)))) - {""}
    filling = _Filling(task, constant)

    def make(place: Place) -> Passage:
        return _insert(task.text, place, filling.fill(frames[name]))

    limits = replace(vary(task.n), peak=1)
    inside = [place for place in task.text.marks if task.text.cell(place) in (",", ";", ":")]
    passages = gather(task.text, task.draws.shuffle(inside), task.n, limits, make=make)
    if len(passages) < task.n:
        slots = task.draws.shuffle(task.text.slots)
        passages = gather(task.text, slots, task.n, limits, make=make)
    return Plan(name, task.check(passages, f"the frame {name}"), constant, needs_all=True)


class _Filling:
    """Fills the slots of frames; a content word comes again only after all the others."""

    def __init__(self, task: Task, constant: frozenset[str]) -> None:
        draws, grammar = task.draws, read_grammar()
        # Words of one token keep the frame where it is seen from the peak.
        known = {word for word, places in task.text.occurrences.items() if len(places) > 2}
        words = sorted(w for w in known - constant if len(split_cell(w)) == 1)
        content = _repeat(draws, words)
        self._fill: dict[str, Callable[[], str]] = {
            "c": content.__next__,
            "C": lambda: next(content).capitalize(),
            "d": lambda: draws.pick(grammar.determiners),
            "p": lambda: draws.pick(grammar.prepositions),
            "e": _repeat(draws, [w for w in words if w.endswith("ed")] or words).__next__,
            "g": _repeat(draws, [w for w in words if w.endswith("ing")] or words).__next__,
            "n": lambda: str(draws.integer(2, 99)),
            "y": lambda: str(draws.integer(1850, 2024)),
        }

    def fill(self, frame: Frame) -> _Filled:
        """Fill a frame; its peak is the slot with the star."""
        written, after, peak = " ", 0, 0
        for slot in _SLOT.finditer(frame.text):
            written += frame.text[after : slot.start()]
            if slot[2]:
                peak = len(cut_cells(written.rstrip()))
            written += self._fill[slot[1]]()
            after = slot.end()
        return _Filled(cut_cells(written + frame.text[after:]), peak)


def _repeat(draws: Draws, words: Sequence[str]) -> Iterator[str]:
    while True:
        yield from draws.shuffle(words)


def _insert(text: Text, place: Place, filled: _Filled) -> Passage:
    """Put a filled frame behind a place, instead of as many cells and the rest of a word."""
    cells = text.documents[place.document]
    start = place.cell + 1
    before = cells[max(start - WINDOW, 0) : start]
    rest = dropwhile(lambda cell: not cell[0].isspace(), cells[start + len(filled.cells) :])
    after = islice(rest, WINDOW)
    return Passage(place, (*before, *filled.cells, *after), len(before) + filled.peak)
