"""Data as plugins are given it, from plain tuples of tokens."""

import hashlib
from collections.abc import Sequence

import numpy as np

from clerp.correlation import Score
from clerp.evidence import ActivationExample, FeatureEvidence
from clerp.feature import FeatureId
from clerp.graph import LogitEdge
from clerp.labelers import LabelRequest
from clerp.router import Role, Route, Tier

FEATURE = FeatureId(3, 7)
"""Whose evidence it is where a test does not say."""

_TIERS: dict[Role, Tier] = {"input": 1, "output": 1, "cross": 2, "obscure": 3, "artefact": 3}


def make_example(
    tokens: Sequence[str],
    *,
    peak: int = 1,
    activation: float = 1.0,
    id: str = "0.0",  # noqa: A002 - the field's name
) -> ActivationExample:
    """Make an example that is active at one token: `peak`, or the last one of a shorter text."""
    peak = min(peak, len(tokens) - 1)
    activations = np.zeros(len(tokens), dtype=np.float32)
    activations[peak] = activation
    return ActivationExample(id, tuple(tokens), activations, peak)


def make_evidence(
    texts: Sequence[Sequence[str]],
    *,
    lower: Sequence[Sequence[str]] = (),
    peak: int = 1,
    promoted: Sequence[str] = (),
    suppressed: Sequence[str] = (),
    feature: FeatureId = FEATURE,
) -> FeatureEvidence:
    """Make evidence of a feature.

    Args:
        texts: Tokens of the top examples, strongest first. Their ids are `0.0`, `0.1`, ...
        lower: Tokens of examples of a lower quantile, strongest first; ids `1.0`, `1.1`, ...
        peak: Index of the token at which every example peaks.
        promoted: Promoted tokens.
        suppressed: Suppressed tokens.
        feature: Whose evidence it is.

    Returns:
        Evidence with activations from above 0 to 1 and a digest that depends on all of the above.
    """
    content = [[list(text) for text in part] for part in (texts, lower, [promoted, suppressed])]
    n = len(texts) + len(lower)
    places = [f"0.{i}" for i in range(len(texts))] + [f"1.{i}" for i in range(len(lower))]
    examples = tuple(
        make_example(text, peak=peak, activation=(n - i) / n, id=place)
        for i, (place, text) in enumerate(zip(places, (*texts, *lower), strict=True))
    )
    return FeatureEvidence(
        feature=feature,
        top=examples[: len(texts)],
        lower=examples[len(texts) :],
        set_aside=(),
        promoted=tuple(promoted),
        suppressed=tuple(suppressed),
        promoted_from="unknown",
        act_min=0.0,
        act_max=1.0,
        density=None,
        digest=hashlib.sha256(repr((content, peak, feature)).encode()).hexdigest(),
    )


def make_route(evidence: FeatureEvidence, role: Role = "input") -> Route:
    """Make a route to the tier that labels this role; the role's own channel has a score."""
    n = len(evidence.top)
    scores = {role: Score(0.5, 0.5, n)} if role in ("input", "output", "cross") else {}
    return Route(evidence.feature, role, _TIERS[role], scores, "medium", n, f"told to be {role}")


def make_request(
    evidence: FeatureEvidence, role: Role = "input", *, logit_edges: Sequence[LogitEdge] = ()
) -> LabelRequest:
    """Make what a labeler is given."""
    return LabelRequest(evidence, make_route(evidence, role), tuple(logit_edges))
