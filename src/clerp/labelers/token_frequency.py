"""Tier 1: names from counted words, without a model."""

from collections.abc import Sequence

from clerp.errors import UsageError
from clerp.evidence import FeatureEvidence
from clerp.labelers.agreement import METHOD
from clerp.labelers.peak_words import name_input
from clerp.labelers.request import LabelRequest
from clerp.labelers.said_words import name_output
from clerp.labelers.witnesses import count_tokens
from clerp.labels import Abstention, Label
from clerp.word_counts import WordCount, count_words, read_following, read_peaks, read_word
from clerp.word_names import name_word

_MAX_HINT_CHARS = 120
# Three parts of three words of this length, with what stands between them, fill a hint.
_SHORT_WORD_CHARS = 11
_N_HINTED = 3


class TokenFrequencyLabeler:
    """Name input features by their peak words and output features by what they lead to.

    Counting activation-weighted words is the method of the field's quick look at a feature; the
    order of the questions (peak token, next token, promoted tokens) follows Neuronpedia's
    `np_max-act-logits` prompt. Confidence of an input name: high from 80 % of activation in 8
    examples and a fifth of those at lower activations, medium from 50 % in 4, else low; wide
    classes are medium at most, so are lists, which are low where none of their words has half of
    the activation. Of an output name: by the same figures where examples and another witness
    speak for it, at least medium with all three, medium with promoted tokens and edges, low with
    one.

    Args:
        argument: Must be empty; the labeler has no settings.

    Raises:
        UsageError: An argument was given.
    """

    name = METHOD

    def __init__(self, argument: str = "") -> None:
        if argument:
            raise UsageError(
                f"the labeler {METHOD!r} takes no argument, got {argument!r}",
                remedy=f"Write {METHOD}",
            )

    async def label(self, request: LabelRequest) -> Label | Abstention:
        """Name a feature of role `input` or `output`; decline every other role."""
        match request.route.role:
            case "input":
                return name_input(request.evidence)
            case "output":
                return name_output(request.evidence, request.logit_edges)
            case _:
                return Abstention(METHOD, "tier 1 names only input and output features")


def hint(evidence: FeatureEvidence) -> str:
    """Show what a feature is about where it has no label.

    Returns:
        `peak words | next words | promoted tokens`, up to three each, at most 120 characters.
    """
    contexts = read_peaks(evidence.top)
    parts = [
        _name_all(count_words(contexts, read_word)),
        _name_all(count_words(contexts, read_following)),
        _name_all(count_tokens(evidence.promoted)),
    ]
    line = _join(parts)
    return line if len(line) <= _MAX_HINT_CHARS else _join([_clip(names) for names in parts])


def _name_all(counts: Sequence[WordCount]) -> list[str]:
    return list(dict.fromkeys(name_word(count.word) for count in counts))[:_N_HINTED]


def _clip(names: list[str]) -> list[str]:
    return [n if len(n) <= _SHORT_WORD_CHARS else f"{n[: _SHORT_WORD_CHARS - 1]}…" for n in names]


def _join(parts: list[list[str]]) -> str:
    return " | ".join(", ".join(names) or "none" for names in parts)
