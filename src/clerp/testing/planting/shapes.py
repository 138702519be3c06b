"""Where the words of a class fit in a text."""

from clerp.testing.planting.passages import Passage, cut, gather, vary, vary_not
from clerp.testing.planting.plan import Task
from clerp.testing.planting.text import Place, Text, word_of
from clerp.testing.planting.word_lists import Shape, read_grammar


def gather_slots(task: Task, shape: Shape) -> list[Passage]:
    """Gather passages whose peak can be replaced by a word of a shape.

    Where the text has too few, as one in another language has, any content word will do.

    Returns:
        As many as the task asks for, or none.
    """
    text = task.text
    everywhere = text.marks if shape == "mark" else text.slots

    def make(place: Place) -> Passage | None:
        return cut(text, place) if _fits(text, place, shape) else None

    attempts = ((vary, make), (vary, None), (vary_not, None))
    for allow, fit in attempts:
        places = task.draws.shuffle(everywhere)
        passages = gather(text, places, task.n, allow(task.n), make=fit)
        if len(passages) == task.n:
            return passages
    return []


def _fits(text: Text, place: Place, shape: Shape) -> bool:
    grammar = read_grammar()
    before, after = word_of(text.cell(place, -1)), word_of(text.cell(place, 1))
    determined = before in grammar.determiners
    ends = not after.isalpha() or after in grammar.all_words
    if shape == "noun":
        return ends and (determined or before in grammar.prepositions)
    if shape == "name":
        return ends and before in grammar.prepositions
    if shape == "modifier":
        return determined and not ends
    return True
