"""Token by token, with the activation at each from 0 to 10.

The method is OpenAI's (Bills et al. 2023, Language models can explain neurons in language models):
five excerpts as pairs of token and activation, on a scale of whole numbers from 0 to 10. A token at
which the feature does not fire stands alone, without its 0. The words are clerp's own, and so are
the markers, the ids, the way to abstain and the choice of examples, which reaches below the top.
"""

import math

from clerp.evidence import ActivationExample
from clerp.labelers.methods.choice import choose_examples
from clerp.labelers.methods.data import MAX_WORD_CHARS
from clerp.labelers.methods.method import Question, make_question
from clerp.labelers.request import LabelRequest

N_EXAMPLES = 5
REACH = 16
SCALE = 10

_TASK = """\
You name features of a language model: directions that fire on some tokens. You see excerpts of \
one feature, strongest first, by id, as lists of tokens; where it fires stands [token, \
activation], from 1 to 10, its most here.

Name what it fires on, the strongest first: a word, its stem form or its class (Texas; -tion; \
digits). If only what follows is alike: say + word or class (say Austin; say a capital). Else the \
theme or construction (US geography; forward reference)."""


class TokenActPairs:
    """Tokens and activations, without promoted tokens; see the module."""

    name = "token-act-pairs"
    revision = 1
    task = _TASK

    def build(self, request: LabelRequest) -> Question:
        """Show five excerpts of up to 33 tokens."""
        choice = choose_examples(request.evidence, N_EXAMPLES, request.activations)
        strongest = max(example.peak_activation for example in choice.shown)
        excerpts = {example.id: _pair(example, strongest) for example in choice.shown}
        return make_question(self, request, choice.shown, {"excerpts": excerpts})


def _pair(example: ActivationExample, strongest: float) -> list[str | tuple[str, int]]:
    near = range(max(0, example.peak - REACH), min(len(example.tokens), example.peak + REACH + 1))
    tokens = ((example.tokens[i][:MAX_WORD_CHARS], float(example.activations[i])) for i in near)
    return [
        (token, _scale(activation, strongest)) if activation > 0 else token
        for token, activation in tokens
    ]


def _scale(activation: float, strongest: float) -> int:
    # Rounded up: whoever fires is at least 1, and most nodes of a graph fire low.
    return min(SCALE, math.ceil(SCALE * activation / strongest))
