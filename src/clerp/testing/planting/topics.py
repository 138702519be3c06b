"""The kind `topic`: words of one topic on both sides of peaks that say nothing."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain, islice

from clerp.testing.planting.draws import Draws
from clerp.testing.planting.passages import REACH, Passage, cut, gather, vary
from clerp.testing.planting.plan import Plan, Task, too_small
from clerp.testing.planting.text import Place, split_cell
from clerp.testing.planting.word_lists import read_topics

_FEWEST, _MOST = 5, 7
_FEWEST_ON_A_SIDE = 2
_FUNCTION_WORDS = 0.75
_TRIES = 5
"""How often a place is tried: long words push others out of the context."""
_SPARE = 20
"""Places gathered beyond twice as many as are asked for, because some take no words."""


def plan_topic(task: Task) -> Plan:
    """Substitute words of a topic for content words near a peak, on both sides of it.

    The peak and its neighbours stay as they are, and no topic word is used again before nearly all
    the others were.
    """
    topics = read_topics()
    for topic in task.order(topics):
        words = frozenset(map(str.lower, topics[topic]))
        passages = _gather(task, topics[topic], words)
        # A text of the same topic has few places without its words.
        if len(passages) == task.n:
            return Plan(topic, tuple(passages), words)
    raise too_small("a topic", task.n)


def _gather(task: Task, topic: Sequence[str], words: frozenset[str]) -> list[Passage]:
    slots = frozenset(task.text.slots)

    def make(place: Place) -> Passage | None:
        passage = cut(task.text, place)
        return None if words & passage.around or not _has_room(slots, passage) else passage

    n = task.n
    limits = replace(vary(n), peak=max(2, n // 7))
    ready = gather(task.text, _order_peaks(task), _SPARE + 2 * n, limits, make=make)
    return list(islice(_sow(task.draws, topic, slots, ready), n))


def _order_peaks(task: Task) -> Iterator[Place]:
    """Three in four are function words, on which most features of a topic fire."""
    function_words = task.draws.shuffle(task.text.function_words)
    others = task.draws.shuffle(task.text.slots)
    while True:
        place = next(function_words if task.draws.happens(_FUNCTION_WORDS) else others, None)
        if place is None:
            break
        yield place
    yield from chain(function_words, others)


def _find_slots(slots: frozenset[Place], passage: Passage, step: int) -> list[int]:
    """Find the content words on one side of a peak, by their distance."""
    document, cell = passage.place
    return [s for s in _list_near(passage, step) if Place(document, cell + s) in slots]


def _has_room(slots: frozenset[Place], passage: Passage) -> bool:
    left, right = (len(_find_slots(slots, passage, step)) for step in (-1, 1))
    return min(left, right) >= _FEWEST_ON_A_SIDE and left + right >= _FEWEST


def _list_near(passage: Passage, step: int) -> list[int]:
    """List the cells of one side whose tokens lie within the context, without the peak's neighbour.

    Args:
        passage: Cells and peak.
        step: -1 for the left side, 1 for the right.

    Returns:
        Distances from the peak in cells, with the sign of the side.
    """
    tokens = len(split_cell(passage.cells[passage.peak])) - 1 if step < 0 else 0
    near: list[int] = []
    for distance in range(1, REACH + 1):
        at = passage.peak + step * distance
        if not 0 <= at < len(passage.cells):
            break
        tokens += len(split_cell(passage.cells[at]))
        if tokens > REACH:
            break
        near.append(step * distance)
    return near[1:]


def _sow(
    draws: Draws, words: Sequence[str], slots: frozenset[Place], ready: Sequence[Passage]
) -> Iterator[Passage]:
    uses: Counter[str] = Counter()
    for passage in ready:
        left, right = (_find_slots(slots, passage, step) for step in (-1, 1))
        for _ in range(_TRIES):
            shifts = _choose(draws, left, right)
            least_used = sorted(draws.shuffle(words), key=uses.__getitem__)[: len(shifts)]
            changed = passage.change({s: f" {w}" for s, w in zip(shifts, least_used, strict=True)})
            if {*shifts} <= {*_list_near(changed, -1), *_list_near(changed, 1)}:
                uses.update(least_used)
                yield changed
                break


def _choose(draws: Draws, left: Sequence[int], right: Sequence[int]) -> list[int]:
    """Choose places so that either side gets its share."""
    wanted = min(draws.integer(_FEWEST, _MOST), len(left) + len(right))
    fewest = max(_FEWEST_ON_A_SIDE, wanted - len(right))
    most = min(len(left), wanted - _FEWEST_ON_A_SIDE)
    n_left = draws.integer(fewest, most)
    return draws.sample(left, n_left) + draws.sample(right, wanted - n_left)
