"""Routing rules against annotated roles."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from clerp.errors import EvidenceError, UsageError
from clerp.evaluation.comparison import ALWAYS, BASELINES, Comparison, compare
from clerp.evaluation.resampling import LEVEL, RESAMPLES, SEED
from clerp.evaluation.targets import list_targets
from clerp.evaluation.truth import AnnotatedFeature
from clerp.evidence import EvidenceGap, FeatureEvidence
from clerp.feature import FeatureId
from clerp.plugins import Embedder
from clerp.router import Role, Rule, find_rule, route_features
from clerp.windows import Window


@dataclass(frozen=True, slots=True)
class FeatureRoles:
    """One feature: what annotators and rules say."""

    layer: int
    index: int
    truth: tuple[Role, ...]
    """The settled role, or that of each pass."""
    found: Mapping[str, Role]
    """By rule."""


@dataclass(frozen=True, slots=True)
class RolesReport:
    """How often each rule is right, and how sure that is."""

    embedder: str
    windows: Mapping[str, str]
    """By channel: `-1:0`."""
    thresholds: Mapping[str, float]
    """By rule."""
    level: float
    """Share of resamples that lies between the ends of an interval."""
    resamples: int
    seed: int
    comparisons: tuple[Comparison, ...]
    """For each target with all features, then for each without artefacts."""
    features: tuple[FeatureRoles, ...]

    def find(self, target: str, *, without_artefacts: bool = False) -> Comparison:
        """Return the comparison with a target.

        Raises:
            KeyError: There is none of this name, or it has no features.
        """
        by_target = {(c.target, c.without_artefacts): c for c in self.comparisons}
        return by_target[target, without_artefacts]


def evaluate_roles(
    known: Sequence[FeatureEvidence | EvidenceGap],
    truth: Sequence[AnnotatedFeature],
    rules: Sequence[Rule],
    windows: Sequence[Window],
    embedder: Embedder,
) -> RolesReport:
    """Route features with several rules and compare the roles with those of annotators.

    The baselines (always `input`, and the rules `layer`, `tokens`, `protocol` and `air`) are always
    among what is compared; a rule that is given under such a name stands for it.

    Args:
        known: Evidence of every feature that is routed; a rule may draw on all of it.
        truth: Features to score, some or all of those.
        rules: What is compared.
        windows: As for `route_features`.
        embedder: As for `route_features`.

    Raises:
        UsageError: There is nothing to score.
        EvidenceError: A feature to score has no evidence, or a rule cannot calibrate with it.
    """
    # In an order of their own, for resamples are drawn by place.
    scored = sorted(truth, key=lambda annotated: annotated.feature)
    check_evidence(known, scored)
    entrants = {rule.name: rule for rule in (*map(find_rule, BASELINES[1:]), *rules)}
    found: dict[str, Mapping[FeatureId, Role]] = {ALWAYS: {k.feature: "input" for k in known}}
    for name, rule in entrants.items():
        routes = route_features(known, rule=rule, windows=windows, embedder=embedder)
        found[name] = {route.feature: route.role for route in routes}
    return RolesReport(
        embedder=embedder.name,
        windows={window.name: f"{window.start}:{window.stop}" for window in windows},
        thresholds={name: rule.threshold for name, rule in entrants.items()},
        level=LEVEL,
        resamples=RESAMPLES,
        seed=SEED,
        comparisons=tuple(
            compare(target, {name: [by[f] for f in target.features] for name, by in found.items()})
            for target in list_targets(scored)
        ),
        features=tuple(_list_roles(annotated, found) for annotated in scored),
    )


def check_evidence(
    known: Sequence[FeatureEvidence | EvidenceGap], truth: Sequence[AnnotatedFeature]
) -> None:
    """Refuse to score what could not be routed.

    Raises:
        UsageError: There is nothing to score.
        EvidenceError: A feature has no evidence.
    """
    if not truth:
        raise UsageError("there is no feature to score", remedy="Give at least one with its role")
    by_feature = {k.feature: k for k in known}
    for annotated in truth:
        evidence = by_feature.get(annotated.feature)
        if not isinstance(evidence, FeatureEvidence):
            reason = evidence.reason if evidence else "it was not read"
            raise EvidenceError(
                f"the feature {annotated.feature} has a role and no evidence: {reason}",
                remedy="Name evidence that holds it, or take it out of the roles",
            )


def _list_roles(
    annotated: AnnotatedFeature, found: Mapping[str, Mapping[FeatureId, Role]]
) -> FeatureRoles:
    return FeatureRoles(
        layer=annotated.layer,
        index=annotated.index,
        truth=annotated.roles,
        found={name: by_feature[annotated.feature] for name, by_feature in found.items()},
    )
