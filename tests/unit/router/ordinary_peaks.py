"""Features whose peaks stand in ordinary text, with told words at and around them."""

from collections.abc import Sequence
from functools import cache

from clerp.evidence import FeatureEvidence
from clerp.feature import FeatureId
from clerp.ordinary.passages import WIDTH, load_passages
from clerp.testing import make_evidence

PEAK = WIDTH // 2
FEATURE = FeatureId(3, 7)


@cache
def _plain_passages() -> tuple[tuple[str, ...], ...]:
    """Passages with words of one token around the middle, so that one can be replaced alone."""
    near = slice(PEAK - 2, PEAK + 5)
    return tuple(
        tokens
        for tokens in load_passages().tokens
        if all(token[:1] == " " and token[1:].isalpha() for token in tokens[near])
    )


def place_words(
    *tokens: str | Sequence[str],
    n: int = 10,
    at: int = 0,
    seed: int = 0,
    promoted: Sequence[str] = (),
    feature: FeatureId = FEATURE,
) -> FeatureEvidence:
    """Make a feature that peaks in the middle of passages, with tokens put in their place.

    Args:
        tokens: From the place on: one for all examples, or one for each of the first ones.
        n: Examples.
        at: Where the first token stands, counted from the peak.
        seed: Other numbers take other passages.
        promoted: Promoted tokens.
        feature: Whose evidence it is.
    """
    plain = _plain_passages()
    texts = [list(plain[(seed * 40 + i) % len(plain)]) for i in range(n)]
    for place, told in enumerate(tokens, PEAK + at):
        each = [told] * n if isinstance(told, str) else told
        for text, token in zip(texts, each, strict=False):
            text[place] = token
    return make_evidence(texts, peak=PEAK, promoted=promoted, feature=feature)
