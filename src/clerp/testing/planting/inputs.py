"""Kinds of the role `input`: what the peaks have in common."""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from clerp.testing.planting.passages import Limits, Passage, cut, gather, vary, vary_not
from clerp.testing.planting.plan import Plan, Task, too_small
from clerp.testing.planting.shapes import gather_slots
from clerp.testing.planting.text import Place, word_of
from clerp.testing.planting.word_lists import read_classes, read_families

_ENDINGS = ("ing", "ed", "es", "ly", "s")
# Without -al, -able and -ment: they join `form` and `formal`, `state` and `statement`.
_SUFFIXES = (
    *("ations", "ation", "fully", "ively", "ions", "ness", "ers", "ful", "ion", "ive", "ors"),
    *("er", "or"),
)
_SHORTEST_STEM = 4
_MAX_REPEATS = 3
_PHRASE = range(2, 5)


def plan_word(task: Task) -> Plan:
    """Plan occurrences of one word, of several on whatever stands before and after it."""
    counts = {word: len(places) for word, places in task.text.occurrences.items()}
    words = [word for word, n in counts.items() if n >= task.n]
    for limits in (vary(task.n), vary_not(task.n)):
        for word in task.order(words):
            places = task.draws.shuffle(task.text.occurrences[word])
            passages = gather(task.text, places, task.n, limits)
            if len(passages) == task.n:
                return Plan(word, tuple(passages), frozenset([word]))
    raise too_small("one word", task.n)


def plan_family(task: Task) -> Plan:
    """Plan occurrences of at least three forms of a word, or substitute such forms."""
    families = _find_families(task.text.occurrences)
    limits = replace(vary(task.n), peak=math.ceil(task.n / 2))
    for shortest in task.order(families):
        forms = families[shortest]
        places = [place for form in forms for place in task.text.occurrences[form]]
        passages = gather(task.text, task.draws.shuffle(places), task.n, limits)
        shown = {passage.word() for passage in passages}
        if len(passages) == task.n and len(shown) >= min(3, task.n):
            return Plan(shortest, tuple(passages), frozenset(forms))
    return _substitute_family(task)


def plan_class(task: Task) -> Plan:
    """Substitute members of a class, each at most three times."""
    classes = {c.name: c for c in read_classes() if _MAX_REPEATS * len(c.members) >= task.n}
    for name in task.order(classes):
        word_class = classes[name]
        if passages := gather_slots(task, word_class.place):
            space = word_class.place != "mark"
            changed = _substitute(task, passages, word_class.members, space=space)
            return Plan(name, changed, frozenset(map(str.lower, word_class.members)))
    raise too_small("a class of words", task.n)


def plan_phrase(task: Task) -> Plan:
    """Plan occurrences of a phrase of two to four words, or substitute one."""
    recurring = _find_phrases(task) if task.draws.happens(0.5) else {}
    for phrase in task.order(recurring):
        places = task.draws.shuffle(recurring[phrase])
        passages = gather(task.text, places, task.n, _vary_phrase(task.n))
        if len(passages) == task.n:
            return _plan_phrase(phrase, passages)
    return _substitute_phrase(task)


def _find_families(occurrences: Mapping[str, Sequence[Place]]) -> dict[str, list[str]]:
    """Find words of one stem, by the shortest of them."""
    families: dict[str, list[str]] = defaultdict(list)
    for word, places in occurrences.items():
        if len(places) > 1:
            families[_stem(word)].append(word)
    return {min(forms, key=len): forms for forms in families.values() if len(forms) > 2}


def _stem(word: str) -> str:
    # Of short words a suffix is mostly a part: `station` is no form of `state`.
    for suffixes, shortest in ((_SUFFIXES, _SHORTEST_STEM + 1), (_ENDINGS, _SHORTEST_STEM)):
        for suffix in suffixes:
            stem = word.removesuffix(suffix)
            if stem != word and len(stem) >= shortest:
                return _trim(stem)
    return _trim(word)


def _trim(stem: str) -> str:
    """Undo what a suffix does to the end of a word: writ(e)-ing, plan(n)-ing, carr(y)-ied."""
    if stem[-1] in "eiy" and len(stem) > _SHORTEST_STEM:
        return stem[:-1]
    if stem[-1] == stem[-2:-1] and len(stem) > _SHORTEST_STEM:
        return stem[:-1]
    return stem


def _substitute_family(task: Task) -> Plan:
    families = {family.members[0]: family.members for family in read_families()}
    stem = next(task.order(families))
    passages = task.check(gather_slots(task, "word"), stem)
    changed = _substitute(task, passages, families[stem], space=True)
    return Plan(stem, changed, frozenset(families[stem]))


def _substitute(
    task: Task, passages: Iterable[Passage], members: Sequence[str], *, space: bool
) -> tuple[Passage, ...]:
    order = list(task.draws.shuffle(members))
    return tuple(
        passage.change({0: " " * space + order[i % len(order)]})
        for i, passage in enumerate(passages)
    )


def _find_phrases(task: Task) -> dict[str, list[Place]]:
    """Find phrases that recur often enough."""
    stretches: dict[tuple[str, ...], list[Place]] = defaultdict(list)
    for place in task.text.slots:
        cells, stop = task.text.documents[place.document], place.cell + 1
        for length in _PHRASE:
            stretches[cells[max(stop - length, 0) : stop]].append(place)
    named = {
        _read_phrase(task, places[0], len(cells)): places
        for cells, places in stretches.items()
        if len(places) >= task.n
    }
    return {phrase: places for phrase, places in named.items() if phrase}


def _read_phrase(task: Task, place: Place, length: int) -> str:
    """Return the phrase that ends at a place; `""` where there is none.

    A phrase has at least two content words: `the value` would be the word `value` again.
    """
    cells = [task.text.cell(place, shift) for shift in range(1 - length, 1)]
    words = [word_of(cell) for cell in cells]
    joined = all(cell[:1] == " " and cell[1:].isalpha() for cell in cells)
    content = {word for word in words if word in task.text.occurrences}
    return " ".join(words) if joined and len(content) > 1 else ""


def _substitute_phrase(task: Task) -> Plan:
    for length in task.draws.shuffle(_PHRASE):
        phrases = (_read_phrase(task, at, length) for at in task.draws.shuffle(task.text.slots))
        phrase = next((p for p in phrases if p and p not in task.taken), None)
        if phrase is None:
            continue
        passages = _put_phrase(task, phrase.split())
        if len(passages) == task.n:
            return _plan_phrase(phrase, passages)
    raise too_small("a phrase", task.n)


def _put_phrase(task: Task, words: Sequence[str]) -> list[Passage]:
    """Put a phrase in place of others of the same length."""
    cells = {shift: f" {word}" for shift, word in enumerate(words, start=1 - len(words))}

    def make(place: Place) -> Passage | None:
        if not _read_phrase(task, place, len(words)):
            return None
        return cut(task.text, place).change(cells)

    places = task.draws.shuffle(task.text.slots)
    return gather(task.text, places, task.n, _vary_phrase(task.n), make=make)


def _vary_phrase(n: int) -> Limits:
    return replace(vary(n), previous=n)


def _plan_phrase(phrase: str, passages: Sequence[Passage]) -> Plan:
    return Plan(phrase, tuple(passages), frozenset(phrase.split()), needs_all=True)
