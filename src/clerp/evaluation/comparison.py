"""Every rule against one target, on the same features and the same resamples."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from clerp.evaluation.measures import MEASURES, ROLES, Confusions, Figures, Metric, encode, tally
from clerp.evaluation.resampling import Estimate, draw_features, estimate
from clerp.evaluation.targets import Target
from clerp.router import Role

ALWAYS = "always input"
BASELINES = (ALWAYS, "layer", "tokens", "protocol", "air")
OTHER_PASS = "the other pass"


@dataclass(frozen=True, slots=True)
class Margin:
    """How far a rule is ahead of the best of the other baselines."""

    over: str
    """The baseline with the highest figure on all features; it stays the same in resamples."""
    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class RoleFigures:
    """One role of one rule."""

    support: int
    """Features that have this role in truth."""
    found: int
    """Features that the rule gives this role."""
    precision: float | None
    """None where the rule never gives the role."""
    recall: float | None
    """None where the role does not occur."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How one rule, or another reader, does against a target."""

    name: str
    is_baseline: bool
    figures: Mapping[Metric, Estimate]
    margins: Mapping[Metric, Margin]
    by_role: Mapping[Role, RoleFigures]
    confusion: Mapping[Role, Mapping[Role, int]]
    """By true role, then by found role."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """All rules against one target."""

    target: str
    without_artefacts: bool
    n: int
    """Features."""
    standings: tuple[Standing, ...]
    other_pass: Standing | None
    """A second reader of the same features, the line to compare rules with."""

    def find(self, name: str) -> Standing:
        """Return the standing of a rule.

        Raises:
            KeyError: There is none of this name.
        """
        return {standing.name: standing for standing in self.standings}[name]


def compare(target: Target, found: Mapping[str, Sequence[Role]]) -> Comparison:
    """Hold roles of several rules, features in the order of the target, against its roles."""
    entries = dict(found) if target.other is None else {**found, OTHER_PASS: target.other}
    weights, truth = draw_features(len(target.roles)), encode(target.roles)
    confusions = {name: tally(truth, encode(roles), weights) for name, roles in entries.items()}
    measured = {name: _measure(stack) for name, stack in confusions.items()}
    standings = {name: _describe(name, confusions[name][0], measured) for name in entries}
    return Comparison(
        target=target.name,
        without_artefacts=target.without_artefacts,
        n=len(target.roles),
        standings=tuple(standings[name] for name in found),
        other_pass=standings.get(OTHER_PASS),
    )


def _measure(confusions: Confusions) -> Mapping[Metric, Figures]:
    return {metric: measure(confusions) for metric, measure in MEASURES.items()}


def _describe(
    name: str,
    confusion: Float[np.ndarray, "true found"],
    measured: Mapping[str, Mapping[Metric, Figures]],
) -> Standing:
    return Standing(
        name=name,
        is_baseline=name in BASELINES,
        figures={metric: estimate(figures) for metric, figures in measured[name].items()},
        margins={metric: _find_margin(name, metric, measured) for metric in MEASURES},
        by_role={role: _describe_role(confusion, place) for place, role in enumerate(ROLES)},
        confusion={
            true: {found: int(confusion[i, j]) for j, found in enumerate(ROLES)}
            for i, true in enumerate(ROLES)
        },
    )


def _find_margin(
    name: str, metric: Metric, measured: Mapping[str, Mapping[Metric, Figures]]
) -> Margin:
    others = [baseline for baseline in BASELINES if baseline in measured and baseline != name]
    best = max(others, key=lambda baseline: float(measured[baseline][metric][0]))
    ahead = estimate(measured[name][metric] - measured[best][metric])
    return Margin(best, ahead.value, ahead.low, ahead.high)


def _describe_role(confusion: Float[np.ndarray, "true found"], place: int) -> RoleFigures:
    hits = int(confusion[place, place])
    support, found = int(confusion[place].sum()), int(confusion[:, place].sum())
    return RoleFigures(
        support=support,
        found=found,
        precision=hits / found if found else None,
        recall=hits / support if support else None,
    )
