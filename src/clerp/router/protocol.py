"""The score-then-label protocol as published.

The stronger of input and output if its raw score is high (tier 1), else cross if that is (tier 2),
else obscure (tier 3). One threshold serves windows of different length, which it cannot suit.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from clerp.correlation import Score, score_channel
from clerp.evidence import FeatureEvidence
from clerp.feature import FeatureId
from clerp.labels import Confidence
from clerp.plugins import Embedder
from clerp.router.route import Role, Route, Tier
from clerp.router.rule import Rule, in_chunks
from clerp.windows import Window

Side = Literal["input", "output"]

# Raw scores: what is far from the threshold, or from the other side, and what is hardly apart.
_FAR, _NEAR = 0.15, 0.05


@dataclass(frozen=True, slots=True)
class ProtocolRule(Rule):
    """Raw correlation scores, and from where on they count as high."""

    def route(
        self, evidence: Iterable[FeatureEvidence], windows: Sequence[Window], embedder: Embedder
    ) -> Iterator[Route]:
        """Route features by the scores of their windows, as `Rule.route`."""
        for chunk in in_chunks(evidence):
            yield from self._route(chunk, windows, embedder)

    def _route(
        self, evidence: Sequence[FeatureEvidence], windows: Sequence[Window], embedder: Embedder
    ) -> Iterator[Route]:
        by_name = {window.name: window for window in windows}

        def score(channel: str, chosen: Sequence[FeatureEvidence]) -> dict[FeatureId, Score | None]:
            if not chosen:
                return {}
            window = by_name[channel]
            scores = score_channel(chosen, window, embedder, null=None)
            return {k.feature: s for k, s in zip(chosen, scores, strict=True)}

        inputs, outputs = score("input", evidence), score("output", evidence)
        low = [
            k
            for k in evidence
            if not (self.is_high(inputs[k.feature]) or self.is_high(outputs[k.feature]))
        ]
        crosses = score("cross", low)
        for k in evidence:
            cross = crosses.get(k.feature)
            yield _decide(k, inputs[k.feature], outputs[k.feature], cross, self)

    def strength(self, score: Score | None) -> float:
        """Return the raw score, minus infinity for a channel without one."""
        return float("-inf") if score is None else score.raw

    def is_high(self, score: Score | None) -> bool:
        """Say whether the score reaches the threshold."""
        return self.strength(score) >= self.threshold


def _describe(channel: str, score: Score | None) -> str:
    return f"no {channel} score" if score is None else f"{channel} {score.raw:.2f}"


def _decide(
    evidence: FeatureEvidence,
    input_score: Score | None,
    output_score: Score | None,
    cross_score: Score | None,
    rule: ProtocolRule,
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
        steps=tuple(_list_steps(role, tier, channels, rule)),
    )


def _assign(
    sides: Mapping[Side, Score | None], cross: Score | None, rule: ProtocolRule
) -> tuple[Role, Tier]:
    stronger = _stronger(sides, rule)
    if rule.is_high(sides[stronger]):
        return stronger, 1
    return ("cross", 2) if rule.is_high(cross) else ("obscure", 3)


def _stronger(sides: Mapping[Side, Score | None], rule: ProtocolRule) -> Side:
    # A tie goes to the input: the peak itself is part of that window.
    return "output" if rule.strength(sides["output"]) > rule.strength(sides["input"]) else "input"


def _judge(role: Role, channels: Mapping[str, Score | None], rule: ProtocolRule) -> Confidence:
    """Grade the distance from the threshold and, for tier 1, from the other side."""
    above = {name: rule.strength(score) - rule.threshold for name, score in channels.items()}
    if role == "obscure":
        return _grade(-max(above.values()))
    other = {"input": "output", "output": "input"}.get(role)
    lead = above[role] - above[other] if other else above[role]
    return _grade(min(above[role], lead))


def _grade(distance: float) -> Confidence:
    # Scores are rounded to four digits; their differences are not.
    exact = round(distance, 4)
    return "high" if exact >= _FAR else "medium" if exact >= _NEAR else "low"


def _explain(role: Role, channels: Mapping[str, Score | None], rule: ProtocolRule) -> str:
    measured = ", ".join(
        _describe(channel, score)
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


def _list_steps(
    role: Role, tier: Tier, channels: Mapping[str, Score | None], rule: ProtocolRule
) -> Iterator[str]:
    yield "not an artefact"
    for channel, score in channels.items():
        if score is not None:
            verdict = "high" if rule.is_high(score) else "not high"
            yield f"{_describe(channel, score)} is {verdict} (from {rule.threshold:g})"
    yield f"so the role is {role}, tier {tier}"
