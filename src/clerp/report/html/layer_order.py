"""Whether input features come early, cross features in the middle and output features late.

The hypothesis is that of the score-then-label protocol: early layers read tokens, middle layers
abstract, late layers write. Its measure is how much deeper the features of one role lie than those
of another of the same graph (`clerp.report.html.strata`). Intervals are over graphs, since the
features of a graph do not vary by themselves; chances are those of roles dealt anew among the
features of each graph. Matched for density the same is done within graph and band of density, for
features that fire often lie in other layers and get other roles.
"""

from collections import defaultdict
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from clerp.report.html.distinct import DistinctFeature
from clerp.report.html.strata import (
    Interval,
    Stratum,
    adjust,
    deal,
    make_stratum,
    measure_difference,
    resample,
)
from clerp.router import Role

OrderedRole = Literal["input", "cross", "output"]

ORDER: tuple[OrderedRole, ...] = ("input", "cross", "output")
"""From early to late, as the hypothesis has it."""
ALPHA = 0.05
BANDS = 5
"""Of density, with as many features each."""
MIN_GRAPHS = 2
FEW_GRAPHS = 6
"""With fewer the interval is rough."""

_PAIRS: tuple[tuple[OrderedRole, OrderedRole], ...] = (
    ("input", "output"),
    ("input", "cross"),
    ("cross", "output"),
)


@dataclass(frozen=True, slots=True)
class RoleDepth:
    """Where the features of a role lie, as depths from 0 to 1."""

    role: OrderedRole
    n: int
    mean: float
    low: float
    """First quartile."""
    median: float
    high: float
    """Third quartile."""
    by_graph: tuple[float, ...]
    """Mean of each graph that has such features."""


@dataclass(frozen=True, slots=True)
class Contrast:
    """How much deeper the features of one role lie than those of another of the same graph."""

    earlier: OrderedRole
    later: OrderedRole
    n_earlier: int
    n_later: int
    difference: float | None
    """In shares of the depth; None where no graph has features of both roles."""
    n_graphs: int = 0
    """Those that have features of both."""
    interval: Interval | None = None
    """Over graphs; None without a test."""
    p: float | None = None
    """One-sided: of no difference, against `later` being deeper; None without a test, which takes
    `MIN_GRAPHS` graphs with features of both."""
    p_adjusted: float | None = None

    @property
    def is_supported(self) -> bool:
        """Whether graphs say so beyond chance."""
        return self.p_adjusted is not None and self.p_adjusted <= ALPHA

    @property
    def verdict(self) -> str:
        """What a test says, or why there is none."""
        if self.p is None:
            return "one graph alone" if self.n_graphs else "not told"
        return "supported" if self.is_supported else "not supported"


@dataclass(frozen=True, slots=True)
class LayerOrder:
    """What the graphs say of the hypothesis."""

    depths: tuple[RoleDepth, ...]
    """Of the roles that there are, from early to late."""
    contrasts: tuple[Contrast, ...]
    matched: tuple[Contrast, ...]
    """The same within bands of density; empty without a test, or where no density is known."""
    untested: str
    """Why nothing is tested; empty where it is."""

    @property
    def has_several(self) -> bool:
        """Whether features of several graphs have one role."""
        return any(len(depth.by_graph) > 1 for depth in self.depths)


def measure_layer_order(
    features: Sequence[DistinctFeature], n_graphs: int, rules: frozenset[str]
) -> LayerOrder:
    """Hold the order of roles over layers against the hypothesis.

    Args:
        features: Each once; of a graph are those that have it as home.
        n_graphs: Of which they come.
        rules: Names of the rules that gave the roles.
    """
    untested = _refuse(n_graphs, rules)
    contrasts = _contrast_all(features, [f.home for f in features], is_tested=not untested)
    dense = [f for f in features if f.density is not None and f.outcome.route.role in ORDER]
    matched = () if untested or not dense else _contrast_all(dense, _match(dense), is_tested=True)
    return LayerOrder(
        depths=tuple(_describe(features)),
        contrasts=contrasts,
        matched=matched,
        untested=untested,
    )


def _refuse(n_graphs: int, rules: frozenset[str]) -> str:
    if "layer" in rules:
        return "the rule layer gave the roles by their layers, so that a test would go in circles"
    if n_graphs < MIN_GRAPHS:
        return "it is one graph, which is described here; several are tested"
    return ""


def _describe(features: Sequence[DistinctFeature]) -> Iterator[RoleDepth]:
    for role in ORDER:
        depths: defaultdict[int, list[float]] = defaultdict(list)
        for feature in features:
            if feature.outcome.route.role == role:
                depths[feature.home].append(feature.depth)
        if depths:
            yield _describe_role(role, [depths[home] for home in sorted(depths)])


def _describe_role(role: OrderedRole, by_graph: Sequence[Sequence[float]]) -> RoleDepth:
    pooled = np.concatenate([np.array(depths) for depths in by_graph])
    low, median, high = (float(depth) for depth in np.quantile(pooled, (0.25, 0.5, 0.75)))
    means = tuple(float(np.mean(depths)) for depths in by_graph)
    return RoleDepth(role, len(pooled), float(pooled.mean()), low, median, high, means)


def _match(dense: Sequence[DistinctFeature]) -> list[tuple[int, int]]:
    """Put each feature into the stratum of its graph and band of density."""
    densities = np.array([f.density for f in dense], dtype=np.float64)
    edges = np.quantile(densities, np.arange(1, BANDS) / BANDS)
    bands = np.searchsorted(edges, densities, side="left")
    return [(f.home, int(band)) for f, band in zip(dense, bands, strict=True)]


def _contrast_all(
    features: Sequence[DistinctFeature], strata: Sequence[Hashable], *, is_tested: bool
) -> tuple[Contrast, ...]:
    contrasts = [_contrast(features, strata, *pair, is_tested=is_tested) for pair in _PAIRS]
    chances = [c.p for c in contrasts if c.p is not None]
    adjusted = iter(adjust(chances))
    return tuple(c if c.p is None else replace(c, p_adjusted=next(adjusted)) for c in contrasts)


def _contrast(
    features: Sequence[DistinctFeature],
    strata: Sequence[Hashable],
    earlier: OrderedRole,
    later: OrderedRole,
    *,
    is_tested: bool,
) -> Contrast:
    roles: list[Role] = [f.outcome.route.role for f in features]
    told = [s for s in _stratify(features, strata, earlier, later) if s.weight > 0]
    contrast = Contrast(
        earlier=earlier,
        later=later,
        n_earlier=roles.count(earlier),
        n_later=roles.count(later),
        difference=measure_difference(told) if told else None,
        n_graphs=len({stratum.cluster for stratum in told}),
    )
    if not is_tested or contrast.n_graphs < MIN_GRAPHS:
        return contrast
    return replace(contrast, p=deal(told), interval=resample(told))


def _stratify(
    features: Sequence[DistinctFeature],
    strata: Sequence[Hashable],
    earlier: OrderedRole,
    later: OrderedRole,
) -> list[Stratum]:
    members: defaultdict[Hashable, list[DistinctFeature]] = defaultdict(list)
    for feature, stratum in zip(features, strata, strict=True):
        if feature.outcome.route.role in (earlier, later):
            members[stratum].append(feature)
    return [
        make_stratum(
            found[0].home,
            np.array([f.depth for f in found]),
            np.array([f.outcome.route.role == later for f in found]),
        )
        for found in members.values()
    ]
