"""Whether a label fits the words that its feature fires on in a graph.

A label describes the feature's strongest examples. Most nodes of a graph fire far below them, often
on words that the label does not name.
"""

from collections.abc import Sequence

import numpy as np

from clerp.evidence import ActivationExample, FeatureEvidence
from clerp.graph import FeatureNode
from clerp.outcome import LabeledFeature
from clerp.word_counts import normalise, read_peaks

# Rules whose labels stand for the words that were counted, and for no others.
_WORD_RULES = ("one word", "forms of one word", "phrase", "commonest words")


def find_misfits(
    labeled: LabeledFeature,
    evidence: FeatureEvidence,
    nodes: Sequence[FeatureNode],
    prompt_tokens: Sequence[str],
) -> tuple[str, ...] | None:
    """Find the nodes that fire on a word which no example behind the label peaks on.

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
    named = [example for example in evidence.top if example.id in label.evidence]
    words = {normalise(context.word) for context in read_peaks(named)}
    return tuple(
        node.node_id for node in nodes if _read_word(prompt_tokens, node.ctx_idx) not in words
    )


def _read_word(tokens: Sequence[str], position: int) -> str:
    silent = np.zeros(len(tokens), dtype=np.float32)
    (context,) = read_peaks([ActivationExample("prompt", tuple(tokens), silent, position)])
    return normalise(context.word)
