"""The default rule: what a reader looks at, weighed as careful readers weigh it.

A linear rule over `Signals` (multinomial logistic regression). Its weights are data, in
`calibrated.json`; `graphs/smollm2-135m/fit_rule.py` fits them on annotated features of the sample's
`work` part, on planted features and on random directions of the sample's model. Nothing in it reads
the layer, or other features.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from clerp.evidence import FeatureEvidence
from clerp.labels import Confidence
from clerp.ordinary.loading import SHIPPED, load_contexts, load_ordinary
from clerp.ordinary.passages import load_passages
from clerp.plugins import Embedder
from clerp.router.artefacts import MIN_EXAMPLES, find_artefact
from clerp.router.breadth import BreadthMeter
from clerp.router.duplicates import drop_near_duplicates
from clerp.router.reasons import describe, list_steps
from clerp.router.route import TIERS, Role, Route, Tier
from clerp.router.rule import Rule, in_chunks
from clerp.router.signals import Signals, measure_all
from clerp.router.strangeness import Strangeness, measure_drift, measure_strangeness
from clerp.router.weights import (
    ROLES,
    find_chances,
    is_fitted_with,
    lead_of_nothing,
    load_weights,
    name_weights,
    weigh,
)
from clerp.router.window_scores import show_scores
from clerp.router.yardstick import load_yardstick, name_text
from clerp.windows import Window

# Log odds over the runner-up.
_CLEAR, _NEAR_TIE = 2.0, 0.7


def name_null(null: str = SHIPPED) -> dict[str, str]:
    """Name the ordinary text that features are compared with, and the fitted rule, by digests."""
    return {
        "passages": load_passages().name,
        "text": name_text(null),
        "rule": name_weights(),
    }


@dataclass(frozen=True, slots=True)
class CalibratedRule(Rule):
    """The role with the greatest log odds, if nothing would rarely lead as far.

    The threshold is `--alpha`, the chance that a feature planted with nothing leaves `obscure`.
    Examples that nearly repeat stronger ones do not count.
    """

    null: str = SHIPPED
    """Ordinary text, as `load_ordinary` takes it."""

    def route(
        self, evidence: Iterable[FeatureEvidence], windows: Sequence[Window], embedder: Embedder
    ) -> Iterator[Route]:
        """Route features by their signals, as `Rule.route`.

        Raises:
            MissingEvidenceError: There are no ordinary contexts for this embedder.
        """
        meter: BreadthMeter | None = None
        for chunk in in_chunks(evidence):
            meter = meter or BreadthMeter(load_yardstick(embedder, self.null))
            distinct = [replace(k, top=drop_near_duplicates(k.top).examples) for k in chunk]
            decided = list(self._route_distinct(distinct, meter, is_fitted_with(embedder)))
            shown = show_scores(decided, distinct, windows, embedder)
            for known, route in zip(chunk, shown, strict=True):
                yield _tell_repeats(route, len(known.top))

    def note_text(self, evidence: Sequence[FeatureEvidence], embedder: Embedder) -> tuple[str, ...]:
        """Warn of text that is far from ordinary text, as `Rule.note_text`."""
        text, contexts = load_ordinary(self.null), load_contexts(embedder, self.null)
        notes = tuple(measure_drift(evidence, text, contexts).tell())
        if is_fitted_with(embedder):
            return notes
        return (
            *notes,
            f"the rule was fitted with {load_weights().embedder}, not {embedder.name}: roles are "
            "less sure, and how often nothing would get one is not known",
        )

    def _route_distinct(
        self, evidence: Sequence[FeatureEvidence], meter: BreadthMeter, is_fitted: bool
    ) -> Iterator[Route]:
        yardstick = meter.yardstick
        for known, signals in zip(evidence, measure_all(evidence, yardstick), strict=True):
            if few := _find_shortage(known):
                yield Route(known.feature, "artefact", 3, {}, "high", signals.n, few)
                continue
            strangeness = measure_strangeness(signals.places, yardstick.text)
            route = self._decide(known, signals, _tell_doubt(strangeness, is_fitted), is_fitted)
            yield replace(route, breadth=meter.measure(route.role, known.lower, signals))

    def _decide(
        self, known: FeatureEvidence, signals: Signals, doubt: str, is_fitted: bool
    ) -> Route:
        odds = weigh(signals)
        cutoff = max(0.0, lead_of_nothing(signals.n, self.threshold)) if is_fitted else 0.0
        role = choose_role(odds, cutoff)
        runner_up, margin = _find_runner_up(role, odds, cutoff)
        confidence = _lower(_grade(margin)) if doubt else _grade(margin)
        tier = TIERS[role]
        escalates = confidence == "low" and tier < 3
        routed = _next_tier(tier) if escalates else tier
        chances = find_chances(odds, signals.n) if is_fitted else None
        reason = f"{describe(role, signals)}{doubt}; next is {runner_up}, {margin:.1f} behind"
        return Route(
            feature=known.feature,
            role=role,
            tier=routed,
            scores={},
            confidence=confidence,
            n_examples=signals.n,
            reason=reason,
            escalated_from=tier if escalates else None,
            steps=tuple(list_steps(role, routed, odds, cutoff, signals)),
            runner_up=runner_up,
            margin=round(margin, 3),
            p=chances.nothing if chances else None,
            p_direction=chances.direction if chances else None,
        )


def _find_shortage(known: FeatureEvidence) -> str | None:
    # Whether a feature is another kind of artefact, all that was read of it has told.
    return find_artefact(known) if len(known.top) < MIN_EXAMPLES else None


def _tell_repeats(route: Route, n_top: int) -> Route:
    n_repeats = n_top - route.n_examples
    if not n_repeats:
        return route
    told = f"{n_repeats} of {n_top} examples nearly repeat stronger ones and do not count"
    if not route.steps:
        return replace(route, n_repeats=n_repeats, reason=f"{route.reason}; {told}")
    return replace(route, n_repeats=n_repeats, steps=(route.steps[0], told, *route.steps[1:]))


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


def _lower(confidence: Confidence) -> Confidence:
    return "medium" if confidence == "high" else "low"


def _tell_doubt(strangeness: Strangeness, is_fitted: bool) -> str:
    """Say why a route is less sure than its margin; nothing where it is not."""
    if strangeness.is_strange:
        return (
            f"; less sure, for ordinary text does not know {strangeness.unknown:.0%} of its words"
        )
    return "" if is_fitted else "; less sure, for the rule was fitted with another embedder"


def _next_tier(tier: Tier) -> Tier:
    return 2 if tier == 1 else 3
