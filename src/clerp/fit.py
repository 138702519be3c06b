"""Whether a label fits the words that its feature fires on in a graph.

A label describes the feature's strongest examples. Most nodes of a graph fire far below them, often
on words that the label does not name.
"""

from collections.abc import Sequence

import numpy as np

from clerp.evidence import ActivationExample, FeatureEvidence
from clerp.graph import FeatureNode
from clerp.outcome import LabeledFeature
from clerp.word_counts import PeakContext, normalise, read_peaks

# Rules whose labels stand for the words that were counted, and for no others.
_WORD_RULES = ("one word", "forms of one word", "phrase", "commonest words")


def find_misfits(
    labeled: LabeledFeature,
    evidence: FeatureEvidence,
    nodes: Sequence[FeatureNode],
    prompt_tokens: Sequence[str],
) -> tuple[str, ...] | None:
    """Find the nodes that fire on a word, or end of a phrase, which the label does not name.

    It names those on which the examples behind it peak.

    Args:
        labeled: An outcome of any kind.
        evidence: Of the same feature.
        nodes: Its occurrences in one graph.
        prompt_tokens: The prompt of that graph, readable.

    Returns:
        Ids of the nodes that do not fit, or None where that cannot be told: no label, a label of
        another role than `input`, one that names a class or a piece of words or that no counted
        words stand behind, or a graph without its prompt.
    """
    label = labeled.label
    counted = label is not None and labeled.details.get("rule") in _WORD_RULES
    if label is None or labeled.route.role != "input" or not counted:
        return None
    if not all(0 <= node.ctx_idx < len(prompt_tokens) for node in nodes):
        return None
    named = read_peaks([example for example in evidence.top if example.id in label.evidence])
    n_before = _count_shared(named) if labeled.details["rule"] == "phrase" else 0
    words = {_read_end(context, n_before) for context in named}
    return tuple(
        node.node_id
        for node in nodes
        if _read_end(_read_prompt(prompt_tokens, node.ctx_idx), n_before) not in words
    )


def _count_shared(contexts: Sequence[PeakContext]) -> int:
    """Count the words before the peak that all examples of a phrase share."""
    shared = 0
    for nearest in zip(*(reversed(context.before) for context in contexts), strict=False):
        if len(set(map(normalise, nearest))) > 1:
            break
        shared += 1
    return shared


def _read_end(context: PeakContext, n_before: int) -> tuple[str, ...]:
    before = context.before[len(context.before) - n_before :] if n_before else ()
    return tuple(map(normalise, (*before, context.word)))


def _read_prompt(tokens: Sequence[str], position: int) -> PeakContext:
    silent = np.zeros(len(tokens), dtype=np.float32)
    (context,) = read_peaks([ActivationExample("prompt", tuple(tokens), silent, position)])
    return context
