"""Scores to a route: which role the evidence supports, and which tier labels it.

Both rules take the protocol's steps: the stronger of input and output if it is high (tier 1), else
cross if that is (tier 2), else obscure (tier 3). They differ in what they measure. `protocol`
takes raw scores, for which one threshold cannot suit windows of different length; `calibrated`
takes z, the distance from windows drawn at random. Artefacts are recognised before any score.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal

from clerp.correlation import Score, build_null, score_channel
from clerp.errors import UsageError
from clerp.evidence import EvidenceGap, FeatureEvidence
from clerp.feature import FeatureId
from clerp.labels import Confidence
from clerp.plugins import Embedder
from clerp.tokens import is_special
from clerp.windows import Window

Role = Literal["input", "output", "cross", "obscure", "artefact"]
Tier = Literal[1, 2, 3]
Side = Literal["input", "output"]

MIN_EXAMPLES = 5
MAX_DENSITY = 0.1
"""A feature that fires on more than this share of all tokens says nothing about any of them."""
_MOST = 0.5

# Strength over threshold: what counts as far above it, and as hardly above it.
_CLEAR, _MARGINAL = 1.5, 1.15
_NEAR_TIE = 0.15


@dataclass(frozen=True, slots=True)
class Route:
    """The decision about one feature, with all that it rests on."""

    feature: FeatureId
    role: Role
    tier: Tier
    scores: Mapping[str, Score]
    """By channel: `input`, `output`, and `cross` where the first two are low."""
    confidence: Confidence
    n_examples: int
    reason: str
    """One readable sentence. For an artefact it starts with `sequence start`, `dense` or
    `too few examples`."""
    escalated_from: Tier | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """What is measured, and from where on it counts as high."""

    name: str
    measure: Literal["raw", "z"]
    threshold: float

    def strength(self, score: Score | None) -> float:
        """Return what the rule measures, minus infinity for a channel without a score."""
        value = None if score is None else (score.raw if self.measure == "raw" else score.z)
        return float("-inf") if value is None else value

    def is_high(self, score: Score | None) -> bool:
        """Say whether the score reaches the threshold."""
        return self.strength(score) >= self.threshold

    def describe(self, channel: str, score: Score | None) -> str:
        """Write `input z 8.1` or, for a channel without windows, `no output score`."""
        if score is None:
            return f"no {channel} score"
        value = self.strength(score)
        return f"{channel} z {value:.1f}" if self.measure == "z" else f"{channel} {value:.2f}"


RULES: Mapping[str, Rule] = MappingProxyType(
    {
        "calibrated": Rule("calibrated", "z", 3.0),
        "protocol": Rule("protocol", "raw", 0.35),
    }
)


def find_rule(name: str, threshold: float | None = None) -> Rule:
    """Return a rule by name, with its own threshold unless another is given.

    Raises:
        UsageError: There is no such rule, or confidence cannot be measured by the threshold.
    """
    if name not in RULES:
        raise UsageError(f"there is no rule {name!r}", remedy=f"Known: {', '.join(RULES)}")
    if threshold is None:
        return RULES[name]
    if not 0 < threshold < float("inf"):
        raise UsageError(
            f"the threshold {threshold:g} is not a number above 0",
            remedy=f"Give --threshold such a number; {name} has {RULES[name].threshold:g}",
        )
    return replace(RULES[name], threshold=threshold)


def route_features(
    known: Sequence[FeatureEvidence | EvidenceGap],
    *,
    rule: Rule,
    windows: Sequence[Window],
    embedder: Embedder,
) -> list[Route]:
    """Route every feature, in the order given.

    Raises:
        EvidenceError: The rule is calibrated and the evidence too small to calibrate with.
    """
    routes = {r.feature: r for r in _set_aside(known)}
    scorable = [k for k in known if isinstance(k, FeatureEvidence) and k.feature not in routes]
    by_name = {window.name: window for window in windows}

    def score(channel: str, evidence: Sequence[FeatureEvidence]) -> dict[FeatureId, Score | None]:
        if not evidence:
            return {}
        window = by_name[channel]
        null = build_null(scorable, window, embedder) if rule.measure == "z" else None
        scores = score_channel(evidence, window, embedder, null)
        return {k.feature: s for k, s in zip(evidence, scores, strict=True)}

    inputs, outputs = score("input", scorable), score("output", scorable)
    low = [
        k
        for k in scorable
        if not (rule.is_high(inputs[k.feature]) or rule.is_high(outputs[k.feature]))
    ]
    crosses = score("cross", low)
    for evidence in scorable:
        feature = evidence.feature
        routes[feature] = _decide(
            evidence, inputs[feature], outputs[feature], crosses.get(feature), rule
        )
    return [routes[k.feature] for k in known]


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


def _set_aside(known: Sequence[FeatureEvidence | EvidenceGap]) -> Iterator[Route]:
    for item in known:
        if isinstance(item, EvidenceGap):
            yield _unscored(item.feature, "obscure", f"no evidence: {item.reason}", 0)
        elif artefact := find_artefact(item):
            yield _unscored(item.feature, "artefact", artefact, len(item.top))


def _unscored(feature: FeatureId, role: Role, reason: str, n: int) -> Route:
    return Route(feature, role, 3, {}, "high", n, reason)


def _peaks_at_start(tokens: Sequence[str], peak: int) -> bool:
    return all(is_special(token) for token in tokens[:peak])


def _decide(
    evidence: FeatureEvidence,
    input_score: Score | None,
    output_score: Score | None,
    cross_score: Score | None,
    rule: Rule,
) -> Route:
    sides: dict[Side, Score | None] = {"input": input_score, "output": output_score}
    role, tier = _assign(sides, cross_score, rule)
    channels = {**sides, "cross": cross_score}
    scores = {channel: s for channel, s in channels.items() if s is not None}
    return Route(
        feature=evidence.feature,
        role=role,
        tier=tier,
        scores=scores,
        confidence=_judge(role, channels, rule),
        n_examples=len(evidence.top),
        reason=_explain(role, channels, rule),
    )


def _assign(
    sides: Mapping[Side, Score | None], cross: Score | None, rule: Rule
) -> tuple[Role, Tier]:
    stronger = _stronger(sides, rule)
    if rule.is_high(sides[stronger]):
        return stronger, 1
    return ("cross", 2) if rule.is_high(cross) else ("obscure", 3)


def _stronger(sides: Mapping[Side, Score | None], rule: Rule) -> Side:
    # A tie goes to the input: the peak itself is part of that window.
    return "output" if rule.strength(sides["output"]) > rule.strength(sides["input"]) else "input"


def _judge(role: Role, channels: Mapping[str, Score | None], rule: Rule) -> Confidence:
    """Grade the margin over the threshold and, for tier 1, over the other side."""
    above = {name: rule.strength(score) / rule.threshold for name, score in channels.items()}
    if role == "obscure":
        best = max(above.values())
        return "low" if best > 1 - _NEAR_TIE else "medium" if best > 1 / _CLEAR else "high"
    other = {"input": "output", "output": "input"}.get(role)
    lead = above[role] - above[other] if other else above[role]
    if above[role] < _MARGINAL or lead < _NEAR_TIE:
        return "low"
    return "high" if above[role] >= _CLEAR and lead >= _CLEAR - 1 else "medium"


def _explain(role: Role, channels: Mapping[str, Score | None], rule: Rule) -> str:
    measured = ", ".join(
        rule.describe(channel, score)
        for channel, score in channels.items()
        if score is not None or channel != "cross"
    )
    conclusion = {
        "input": "the words up to the peak are alike",
        "output": "the words after the peak are alike",
        "cross": "only the whole context is alike",
        "obscure": "no window is alike enough",
    }[role]
    return f"{conclusion}: {measured} (high from {rule.threshold:g})"
