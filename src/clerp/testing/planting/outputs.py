"""Kinds of the role `output`: what follows the peaks has something in common."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from clerp.testing.planting.passages import Passage, cut, gather, vary
from clerp.testing.planting.plan import Plan, Task, too_small
from clerp.testing.planting.text import Place, split_cell
from clerp.testing.planting.word_lists import read_classes

_MAX_REPEATS = 3
_FEWEST = 5
"""Occurrences of a word that is put elsewhere: rarer ones would stand out of any text."""


def plan_next_word(task: Task) -> Plan:
    """Plan one word after peaks that are all different, where it stands or substituted."""
    occurrences = task.text.occurrences
    if task.draws.happens(0.5):
        for word in task.order(
            word for word, places in occurrences.items() if len(places) >= task.n
        ):
            passages = _gather_before(task, occurrences[word])
            if len(passages) == task.n:
                return _plan(word, passages)
    word = next(
        task.order(word for word, places in occurrences.items() if len(places) >= _FEWEST), None
    )
    if word is None:
        raise too_small("one next word", task.n)
    passages = task.check(_gather_before(task, task.text.slots), f"the next word {word!r}")
    return _plan(word, [passage.change({1: f" {word}"}) for passage in passages])


def plan_next_class(task: Task) -> Plan:
    """Substitute members of a class after peaks that are all different."""
    classes = {
        c.name: c.members
        for c in read_classes()
        if c.place != "mark" and _MAX_REPEATS * len(c.members) >= task.n
    }
    name = next(task.order(classes), None)
    if name is None:
        raise too_small("a next class", task.n)
    members = list(task.draws.shuffle(classes[name]))
    passages = task.check(_gather_before(task, task.text.slots), f"a next {name}")
    return Plan(
        answer=name,
        passages=tuple(
            passage.change({1: f" {members[i % len(members)]}"})
            for i, passage in enumerate(passages)
        ),
        words=frozenset(map(str.lower, members)),
        follows=tuple(f" {member}" for member in members),
    )


def _gather_before(task: Task, places: Sequence[Place]) -> list[Passage]:
    """Gather passages that peak just before places, at words and marks all different."""

    def make(place: Place) -> Passage | None:
        peak = Place(place.document, place.cell - 1)
        if peak.cell < 1 or task.text.cell(peak).isspace():
            return None
        return cut(task.text, peak)

    limits = replace(vary(task.n), peak=1, next=task.n)
    return gather(task.text, task.draws.shuffle(places), task.n, limits, make=make)


def _plan(word: str, passages: Iterable[Passage]) -> Plan:
    return Plan(word, tuple(passages), frozenset([word]), follows=_spell_variants(word))


def _spell_variants(word: str) -> tuple[str, ...]:
    """List the tokens by which a model that expects a word is known to promote it."""
    variants = (
        f" {word}",
        word,
        f" {word.capitalize()}",
        word.capitalize(),
        f" {word.upper()}",
        word.upper(),
    )
    return tuple(dict.fromkeys(split_cell(variant)[0] for variant in variants))
