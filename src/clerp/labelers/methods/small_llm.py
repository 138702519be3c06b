"""A better wording for a label of tier 1: "say Austin / Sacramento / Salem" to "say a capital".

The question is short enough for a small model on a laptop: the label that counting words gave, and
the words that it counted.
"""

from clerp.errors import LabelerError
from clerp.labelers.methods.choice import choose_examples
from clerp.labelers.methods.data import Value, write_promoted, write_words
from clerp.labelers.methods.method import Question, make_question
from clerp.labelers.request import LabelRequest
from clerp.labels import MAX_LABEL_CHARS

N_EXAMPLES = 10

_TASK = """\
You improve the name of a feature of a language model. proposal: the name that counting gave. \
peaks: words that the feature fires on. next: the words after them. promoted: tokens that it \
makes likelier.

If the words named in proposal are of one kind, name the kind: "Texas / Ohio" becomes "US \
states", "say Austin / Salem" becomes "say a capital". Keep a leading "say" or "avoid". If \
proposal is right as it is, repeat it."""


class SmallLlm:
    """Refines a label of tier 1; see the module."""

    name = "small-llm"
    revision = 1
    task = _TASK

    def build(self, request: LabelRequest) -> Question:
        """Show the proposal and the words of ten examples.

        Raises:
            LabelerError: The request has no proposal.
        """
        if request.proposal is None:
            raise LabelerError(
                f"{self.name} refines a label, and there is none for {request.evidence.feature}",
                remedy="Use another method for features that tier 1 did not name",
            )
        choice = choose_examples(request.evidence, N_EXAMPLES, request.activations)
        data: dict[str, Value] = {
            "proposal": request.proposal.text[:MAX_LABEL_CHARS],
            **write_words(choice.shown),
            "promoted": write_promoted(request.evidence.promoted),
        }
        return make_question(self, request, choice.shown, data)
