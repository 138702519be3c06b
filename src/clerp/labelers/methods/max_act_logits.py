"""Peak words, next words, promoted tokens, then whole texts: the first that shares something.

The method is Neuronpedia's `np_max-act-logits`, which shows the top examples alone and 24 tokens of
text on each side of all ten peaks. The words are clerp's own, and so are the markers, the ids, the
way to abstain and the choice of examples.
"""

from clerp.labelers.methods.choice import choose_examples
from clerp.labelers.methods.data import Value, mark_peak, write_promoted, write_words
from clerp.labelers.methods.method import Question, make_question
from clerp.labelers.request import LabelRequest

N_EXAMPLES = 8
TEXT_EVERY = 2
"""Every second example has its text: one costs as much as six more examples by their words. With
these figures a prompt stays below 700 tokens."""
REACH = 24

_TASK = """\
You name features of a language model. You see examples of one feature, strongest first.

Take the first of these that nearly all share:
1. peaks, the words it fires on: the word, its stem form or class. Texas; -tion; digits
2. next, the words after them: say + word or class. say Austin; say a capital
3. promoted, tokens it makes likelier: as in 2.
4. texts, its peak written <<so>>: the theme or construction. US geography; forward reference"""


class MaxActLogits:
    """The default method; see the module."""

    name = "max-act-logits"
    revision = 1
    task = _TASK

    def build(self, request: LabelRequest) -> Question:
        """Show the words of eight examples and the texts of four."""
        choice = choose_examples(request.evidence, N_EXAMPLES, request.activations)
        data: dict[str, Value] = {
            **write_words(choice.shown),
            "promoted": write_promoted(request.evidence.promoted),
            "texts": {
                example.id: mark_peak(example, REACH) for example in choice.shown[::TEXT_EVERY]
            },
        }
        return make_question(self, request, choice.shown, data)
