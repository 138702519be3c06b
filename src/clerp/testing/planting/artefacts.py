"""The artefact `sequence start`: peaks at the first token of a sequence, whatever it is."""

from clerp.testing.planting.passages import WINDOW, Passage, gather
from clerp.testing.planting.plan import Plan, Task
from clerp.testing.planting.text import Place, split_cell

_MARKERS = ("<|endoftext|>", "<bos>", "")


def plan_sequence_start(task: Task) -> Plan:
    """Plan windows that begin anywhere, each peaking on its first token or after a marker."""
    marker = task.draws.pick(_MARKERS)
    before = (marker,) if marker else ()

    def make(place: Place) -> Passage | None:
        cells = task.text.documents[place.document]
        first = cells[place.cell : place.cell + WINDOW]
        # The first token of a word in two pieces would not be its peak, which is the last.
        whole = len(split_cell(first[0])) == 1
        return Passage(place, (*before, *first), len(before)) if whole else None

    places = task.draws.shuffle(task.text.anywhere)
    passages = gather(task.text, places, task.n, make=make)
    return Plan("sequence start", task.check(passages, "a sequence start"), frozenset())
