"""The default rule: what a reader looks at, weighed as careful readers weigh it.

A linear rule over `Signals` (multinomial logistic regression). Its weights are data, in
`calibrated.json`; `graphs/smollm2-135m/fit_rule.py` fits them on annotated features of the sample's
`work` part, on planted features and on random directions of the sample's model. Nothing in it reads
the layer, or other features.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from math import sqrt
from pathlib import Path
from types import MappingProxyType

import msgspec
import numpy as np

from clerp.correlation import Score, build_null, score_channel
from clerp.evidence import FeatureEvidence
from clerp.feature import FeatureId
from clerp.labels import Confidence
from clerp.ordinary.loading import SHIPPED
from clerp.ordinary.passages import load_passages
from clerp.plugins import Embedder
from clerp.router.route import TIERS, Role, Route, Tier
from clerp.router.rule import Rule
from clerp.router.signals import Signals, measure_all
from clerp.router.yardstick import load_yardstick, name_text
from clerp.windows import Window

_WEIGHTS = Path(__file__).with_name("calibrated.json")

_MOST = 20.0
"""Words more alike than this are no more of a class."""

_SHOWN = 24
"""Characters of a word in a sentence."""
_ALIKE = 4.0
"""From here on different words are said to be of one kind."""

# Log odds over the runner-up.
_CLEAR, _NEAR_TIE = 2.0, 0.7


def _root(value: float) -> float:
    """Keep the sign and take the root, so that no single signal outweighs all others."""
    return sqrt(value) if value >= 0 else -sqrt(-value)


INPUTS: Mapping[str, Callable[[Signals], float]] = MappingProxyType(
    {
        "function words": lambda s: s.function_share,
        "unexplained": lambda s: s.unexplained,
        "commonest peak": lambda s: s.top_share,
        "peak words": lambda s: _root(s.at_peak.bits),
        "peak class": lambda s: s.peak_class.bits,
        "peak coherence": lambda s: _root(s.peak_coherence),
        "peak coherence, unexplained": lambda s: s.unexplained * min(s.peak_coherence, _MOST),
        "next coherence": lambda s: _root(s.after_coherence),
        "next content coherence": lambda s: _root(s.content_coherence),
        "next capitals": lambda s: s.content_capitals,
        "next class share": lambda s: s.after_class.share,
        "promoted fit": lambda s: s.promoted_fit,
        "context, unexplained": lambda s: s.unexplained * _root(s.context),
        "context, function words": lambda s: s.function_share * _root(s.context),
        "context side, function words": lambda s: (
            s.function_share * (_root(s.context_after) - _root(s.context_before))
        ),
        "next words, function words": lambda s: s.function_share * _root(s.after.bits),
        "next class, function words": lambda s: s.function_share * s.after_class.bits,
        "next coherence, function words": lambda s: s.function_share * _root(s.after_coherence),
        "words before, function words": lambda s: s.function_share * _root(s.before.bits),
        "promoted fit, function words": lambda s: s.function_share * s.promoted_fit,
    }
)
"""What the rule weighs. Peaks on function words are weighed apart: they recur in any text."""

ROLES: tuple[Role, ...] = ("input", "output", "cross", "obscure")


class Weights(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The rule as it was fitted."""

    revision: int
    fitted_on: str
    """What the features were, and who judged them."""
    bias: dict[Role, float]
    weights: dict[str, dict[Role, float]]
    """By input."""
    lead_of_nothing: dict[str, dict[str, float]]
    """The lead over `obscure` that planted nothing exceeds with a probability, by the number of
    examples and the probability."""


@cache
def load_weights() -> Weights:
    """Read the fitted rule that comes with clerp."""
    return msgspec.json.decode(_WEIGHTS.read_bytes(), type=Weights)


def name_null(null: str = SHIPPED) -> dict[str, str]:
    """Name the ordinary text that features are compared with, and the fitted rule, by digests."""
    return {
        "passages": load_passages().name,
        "text": name_text(null),
        "rule": f"calibrated-{load_weights().revision}@{_digest_weights()}",
    }


def _digest_weights() -> str:
    return hashlib.sha256(_WEIGHTS.read_bytes()).hexdigest()[:12]


def read_inputs(signals: Signals) -> dict[str, float]:
    """Return what the rule weighs, by name."""
    return {name: read(signals) for name, read in INPUTS.items()}


@dataclass(frozen=True, slots=True)
class CalibratedRule(Rule):
    """The role with the greatest log odds, if nothing would rarely lead as far.

    The threshold is the chance that a feature planted with nothing leaves `obscure`.
    """

    null: str = SHIPPED
    """Ordinary text, as `load_ordinary` takes it."""

    def route(
        self, evidence: Sequence[FeatureEvidence], windows: Sequence[Window], embedder: Embedder
    ) -> list[Route]:
        """Route features by their signals, as `Rule.route`.

        Raises:
            MissingEvidenceError: There are no ordinary contexts for this embedder.
        """
        if not evidence:
            return []
        yardstick = load_yardstick(embedder, self.null)
        scores = score_windows(evidence, windows, embedder)
        return [
            self._decide(known, signals, scores[known.feature])
            for known, signals in zip(evidence, measure_all(evidence, yardstick), strict=True)
        ]

    def _decide(
        self, known: FeatureEvidence, signals: Signals, scores: Mapping[str, Score]
    ) -> Route:
        odds = weigh(signals)
        cutoff = max(0.0, lead_of_nothing(signals.n, self.threshold))
        role = choose_role(odds, cutoff)
        runner_up, margin = _find_runner_up(role, odds, cutoff)
        confidence = _grade(margin)
        tier = TIERS[role]
        escalates = confidence == "low" and tier < 3
        routed = _next_tier(tier) if escalates else tier
        return Route(
            feature=known.feature,
            role=role,
            tier=routed,
            scores=scores,
            confidence=confidence,
            n_examples=signals.n,
            reason=f"{describe(role, signals)}; next is {runner_up}, {margin:.1f} behind",
            escalated_from=tier if escalates else None,
            steps=tuple(_list_steps(role, routed, odds, cutoff, signals)),
            runner_up=runner_up,
            margin=round(margin, 3),
        )


def score_windows(
    evidence: Sequence[FeatureEvidence], windows: Sequence[Window], embedder: Embedder
) -> dict[FeatureId, dict[str, Score]]:
    """Score the protocol's windows against ordinary text; shown, but not what decides."""
    found: dict[FeatureId, dict[str, Score]] = {known.feature: {} for known in evidence}
    largest = max(len(known.top) for known in evidence)
    for window in windows:
        null = build_null(window, embedder, largest)
        for known, score in zip(
            evidence, score_channel(evidence, window, embedder, null), strict=True
        ):
            if score is not None:
                found[known.feature][window.name] = score
    return found


def weigh(signals: Signals) -> dict[Role, float]:
    """Return the log odds of every role, up to a constant."""
    fitted = load_weights()
    inputs = read_inputs(signals)
    return {
        role: round(
            fitted.bias[role] + sum(w[role] * inputs[name] for name, w in fitted.weights.items()), 6
        )
        for role in ROLES
    }


def lead_of_nothing(n: int, chance: float) -> float:
    """Return the lead over `obscure` that planted nothing exceeds with a chance.

    Interpolated in 1 / sqrt(n) and in the chance; outside the table, its end.
    """
    table = load_weights().lead_of_nothing
    sizes = sorted(table, key=int, reverse=True)
    leads = [_interpolate_chance(table[size], chance) for size in sizes]
    return float(np.interp(1 / sqrt(n), [1 / sqrt(int(size)) for size in sizes], leads))


def _interpolate_chance(leads: Mapping[str, float], chance: float) -> float:
    chances = sorted(leads, key=float)
    return float(np.interp(chance, [float(c) for c in chances], [leads[c] for c in chances]))


def choose_role(odds: Mapping[Role, float], cutoff: float) -> Role:
    """Return the best role that leads `obscure` by the cutoff; ties go to the first of `ROLES`."""
    roles: list[Role] = [role for role in ROLES if role != "obscure"]
    best: Role = max(roles, key=lambda role: odds[role])
    return best if odds[best] - odds["obscure"] >= cutoff else "obscure"


def _find_runner_up(role: Role, odds: Mapping[Role, float], cutoff: float) -> tuple[Role, float]:
    """Return the next role, and how far it is behind."""
    level: dict[Role, float] = {**odds, "obscure": odds["obscure"] + cutoff}
    others: list[Role] = [other for other in ROLES if other != role]
    runner_up: Role = max(others, key=lambda other: level[other])
    return runner_up, max(0.0, level[role] - level[runner_up])


def _grade(margin: float) -> Confidence:
    return "high" if margin >= _CLEAR else "medium" if margin >= _NEAR_TIE else "low"


def _next_tier(tier: Tier) -> Tier:
    return 2 if tier == 1 else 3


def describe(role: Role, signals: Signals) -> str:
    """Say what a role rests on, with the words that decided."""
    peaks = _list_words(signals.at_peak.words, signals.at_peak.share)
    nexts = _list_words(signals.after.words, signals.after.share)
    peak_class = _name_class(signals.peak_class.name, signals.peak_class.share)
    next_class = _name_class(signals.after_class.name, signals.after_class.share)
    topic = f"contexts alike beyond their peak words by z {signals.context:.1f}"
    if role == "input":
        kind = _name_kind(signals.peak_coherence)
        return f"the words up to the peak explain it: peaks {peaks}{peak_class}{kind}"
    if role == "output":
        kind = _name_kind(max(signals.after_coherence, signals.content_coherence))
        return (
            f"what follows explains it, beyond what such peaks have: next {nexts}{next_class}{kind}"
        )
    if role == "cross":
        return f"only the whole context explains it: {topic}; peaks {peaks}"
    return f"nothing explains enough of it: peaks {peaks}, next {nexts}, {topic}"


def _name_kind(coherence: float) -> str:
    return f", words of one kind (z {coherence:.1f})" if coherence >= _ALIKE else ""


def _list_words(words: Sequence[str], share: float) -> str:
    if not words:
        return "without a recurring word"
    shown = ", ".join(f"'{_show(word)}'" for word in words)
    return f"{shown} in {share:.0%}"


def _show(word: str) -> str:
    """Write a word of unknown origin on one line, whatever it holds."""
    visible = "".join(c if c.isprintable() else "⏎" if c == "\n" else "�" for c in word)
    return visible if len(visible) <= _SHOWN else f"{visible[:_SHOWN]}…"


def _name_class(name: str, share: float) -> str:
    return f", {name} in {share:.0%}" if name else ""


def _list_steps(
    role: Role, tier: Tier, odds: Mapping[Role, float], cutoff: float, signals: Signals
) -> Iterator[str]:
    yield "not an artefact"
    for candidate in ROLES:
        yield f"{candidate} {odds[candidate]:.1f}: {describe(candidate, signals)}"
    if cutoff > 0:
        yield f"a role must lead obscure by {cutoff:.1f}, as so few examples of nothing rarely do"
    yield f"so the role is {role}, tier {tier}"
