"""Twenty excerpts with the parts highlighted on which the feature fires.

The method is the default explainer of EleutherAI's delphi (Paulo et al. 2024, Automatically
Interpreting Millions of Features in Large Language Models): excerpts of 32 tokens, and in them
highlighted what fires with more than six tenths of the excerpt's own maximum. The words are clerp's
own, and so are the markers, the ids, the way to abstain and the choice of examples, which reaches
below the top.
"""

from itertools import groupby

from clerp.evidence import ActivationExample
from clerp.labelers.methods.choice import choose_examples
from clerp.labelers.methods.data import MAX_CHARS_PER_TOKEN
from clerp.labelers.methods.method import Question, make_question
from clerp.labelers.request import LabelRequest

N_EXAMPLES = 20
REACH = 16
HIGHLIGHTED = 0.6
"""Part of an excerpt's greatest activation from which on a token is highlighted."""

_TASK = """\
You name features of a language model: directions that fire on some tokens. You see excerpts in \
which one feature fires, strongest first, by id; the parts on which it fires are written <<so>>.

Name what those parts have in common: a word, its stem form or its class (Texas; -tion; digits). \
If only what follows them is alike: say + word or class (say Austin; say a capital). Else the \
theme or construction that they stand in (US geography; forward reference)."""


class ActsTop20:
    """Excerpts alone, without promoted tokens; see the module."""

    name = "acts-top20"
    revision = 1
    task = _TASK

    def build(self, request: LabelRequest) -> Question:
        """Show twenty excerpts of up to 33 tokens."""
        choice = choose_examples(request.evidence, N_EXAMPLES, request.activations)
        excerpts = {example.id: _highlight(example) for example in choice.shown}
        return make_question(self, request, choice.shown, {"excerpts": excerpts})


def _highlight(example: ActivationExample) -> str:
    start = max(0, example.peak - REACH)
    near = range(start, min(len(example.tokens), example.peak + REACH + 1))
    least = HIGHLIGHTED * example.peak_activation
    runs = groupby(near, key=lambda i: bool(example.activations[i] > least))
    return "".join(_write_run(example, list(run), fires) for fires, run in runs)


def _write_run(example: ActivationExample, places: list[int], fires: bool) -> str:
    text = "".join(example.tokens[i] for i in places)[: MAX_CHARS_PER_TOKEN * len(places)]
    return f"<<{text}>>" if fires else text
