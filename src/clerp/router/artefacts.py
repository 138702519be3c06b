"""Features whose examples say nothing about a meaning, whatever they look like."""

from collections.abc import Sequence

from clerp.evidence import FeatureEvidence
from clerp.tokens import is_special

MIN_EXAMPLES = 5
MAX_DENSITY = 0.1
"""A feature that fires on more than this share of all tokens says nothing about any of them."""
_MOST = 0.5


def find_artefact(evidence: FeatureEvidence) -> str | None:
    """Return why a feature's examples say nothing about a meaning, or None.

    The reasons are `too few examples`, `dense` and `sequence start`, with figures.
    """
    n = len(evidence.top)
    if n < MIN_EXAMPLES:
        return f"too few examples: {n} usable, {MIN_EXAMPLES} needed"
    if evidence.density is not None and evidence.density > MAX_DENSITY:
        return f"dense: fires on {evidence.density:.0%} of all tokens"
    at_start = sum(_peaks_at_start(e.tokens, e.peak) for e in evidence.top)
    if at_start > _MOST * n:
        return f"sequence start: peaks on the first token of the text in {at_start} of {n} examples"
    return None


def _peaks_at_start(tokens: Sequence[str], peak: int) -> bool:
    return all(is_special(token) for token in tokens[:peak])
