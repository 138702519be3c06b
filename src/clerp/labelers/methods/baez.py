"""What a natural language autoencoder says at the strongest examples, and how strongly each fires.

The method is that of enricobottazzi/autointerp_baez (2026): the explanations of the top examples,
each with its activation as a whole number from 1 to 10, and a language model that says what they
share. `baez` takes the explanations whole, `baez_last` their last paragraphs; who makes the request
cuts them. The words are clerp's own, and so are the markers, the ids and the way to abstain. In its
author's test, of 40 features, neither did much better than chance: what comes of it is a proposal
for a person and never a label.
"""

import math
from dataclasses import dataclass

from clerp.errors import LabelerError
from clerp.evidence import ActivationExample
from clerp.labelers.methods.choice import list_held_out
from clerp.labelers.methods.method import Question, make_question
from clerp.labelers.request import LabelRequest

SCALE = 10
MAX_CHARS = 2_000
"""Of one explanation; two hundred tokens are about eight hundred."""
MAX_DESCRIPTIONS = 10

_TASK = """\
You name features of a language model: directions that fire on some tokens. Another model \
described the whole state at places where one feature fires; it makes mistakes and quotes what \
was never there. descriptions: by example id [text, activation], from 1 to 10, its most here.

Name what the texts with high numbers share and those with low ones lack: a word, its stem form \
or its class (Texas; -tion; digits). If it is what comes next: say + word or class (say Austin; \
say a capital). Else the theme or construction (US geography; forward reference). What only one \
text says is no name, nor is the kind of document that all speak of. Abstain rather than guess."""


@dataclass(frozen=True, slots=True)
class Baez:
    """A name from what an NLA said; see the module."""

    name: str = "baez"
    revision: int = 1

    @property
    def task(self) -> str:
        """What the data is and what to name in it."""
        return _TASK

    def build(self, request: LabelRequest) -> Question:
        """Show what was said, of the strongest first.

        Examples on which labels are scored are left out.

        Raises:
            LabelerError: Nothing was said of the feature's examples.
        """
        known = _list_shown(request)
        said = [d for d in request.descriptions if d.example in known and d.activation > 0]
        if not said:
            raise LabelerError(
                f"{self.name} makes a name of what an NLA says, and of "
                f"{request.evidence.feature} nothing was said",
                remedy="Name an NLA with --nla, or use another --method",
            )
        ranked = sorted(said, key=lambda d: (-d.activation, d.example))[:MAX_DESCRIPTIONS]
        strongest = ranked[0].activation
        descriptions = {
            d.example: (d.text[:MAX_CHARS], _scale(d.activation, strongest)) for d in ranked
        }
        shown = tuple(known[d.example] for d in ranked)
        return make_question(self, request, shown, {"descriptions": descriptions})


def _list_shown(request: LabelRequest) -> dict[str, ActivationExample]:
    held_out = set(list_held_out(request.evidence))
    examples = (*request.evidence.top, *request.evidence.lower)
    return {example.id: example for example in examples if example.id not in held_out}


def _scale(activation: float, strongest: float) -> int:
    # Rounded up, as the method does: whoever fires is at least 1.
    return min(SCALE, max(1, math.ceil(SCALE * activation / strongest)))
