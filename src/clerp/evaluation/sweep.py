"""What the protocol's windows, threshold, embedder and number of examples change.

The protocol leaves all four open. Each window is scored once for each embedder and number of
examples; thresholds are applied to the stored scores. Whether a feature is an artefact hardly
depends on the four (with few examples some features begin with the first token of a text in more
or less than half of them), so agreement without artefacts shows more clearly what they change.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from jaxtyping import Float, Int

from clerp.errors import UsageError
from clerp.evaluation.measures import (
    MEASURES,
    ROLES,
    Figures,
    Metric,
    encode,
    tally,
)
from clerp.evaluation.resampling import LEVEL, draw_features
from clerp.evaluation.roles import check_evidence
from clerp.evaluation.stored_scores import Channels, Routed, StoredScores, score_windows
from clerp.evaluation.targets import Target, list_firmest
from clerp.evaluation.thresholds import Plateau, find_plateau
from clerp.evaluation.truth import AnnotatedFeature
from clerp.evidence import EvidenceGap, FeatureEvidence
from clerp.feature import FeatureId
from clerp.kappa import measure_kappa
from clerp.plugins import Embedder
from clerp.progress import Progress, ReportProgress, ignore_progress
from clerp.router import RULES, TIERS
from clerp.windows import DEFAULT_WINDOWS, Window

_DEFAULT = Channels(*DEFAULT_WINDOWS)
_DEFAULT_THRESHOLD = RULES["protocol"].threshold

INPUTS = (_DEFAULT.input, Window("input", 0, 0), Window("input", -2, 0))
OUTPUTS = (_DEFAULT.output, Window("output", 1, 1), Window("output", 1, 4))
CROSSES = (_DEFAULT.cross, Window("cross", -16, 16))
# Scores of long windows are low: nearly all that matters to them lies below .1.
_LOW = (0.01, 0.025, 0.05, 0.075)
THRESHOLDS = tuple(sorted({_DEFAULT_THRESHOLD, *_LOW, *(step / 20 for step in range(2, 17))}))
N_EXAMPLES = (5, 10, 20)


@dataclass(frozen=True, slots=True)
class Setting:
    """One way to set up the protocol."""

    embedder: str
    input: str
    """Window: `-1:0`."""
    output: str
    cross: str
    n_examples: int
    """Top examples of each feature, as far as it has so many."""
    threshold: float
    is_default: bool
    """What the rule `protocol` does by itself with up to 20 examples, whatever the embedder."""


@dataclass(frozen=True, slots=True)
class SweepRow:
    """What a setting leads to."""

    setting: Setting
    tiers: tuple[float, float, float]
    """Share of features in tiers 1, 2 and 3."""
    agreement: Mapping[Metric, float]
    without_artefacts: Mapping[Metric, float]
    """The same without features that annotators call artefacts; empty where all are."""
    n_windows: int
    """Windows to embed: input and output of every feature that is no artefact, cross of those
    where both are low. Each distinct text is embedded once, so the embedder sees fewer."""
    seconds: float
    """To cut, embed and score them, as measured: cross in proportion to its windows, without
    loading the embedder."""


@dataclass(frozen=True, slots=True)
class BestThreshold:
    """The threshold with the highest kappa for an embedder, number of examples and windows."""

    setting: Setting
    plateau: Plateau
    plateau_without_artefacts: Plateau | None
    """Of the kappa without artefacts, whose best threshold may be another one."""


@dataclass(frozen=True, slots=True)
class SweepReport:
    """Every setting, in the order of embedder, examples, windows and threshold."""

    target: str
    """The roles that agreement is with: `truth`, or `both passes` where they agree."""
    n_target: int
    n_features: int
    """Features that tier shares and cost are of."""
    level: float
    """Share of resamples that lies between the ends of an interval."""
    rows: tuple[SweepRow, ...]
    best: tuple[BestThreshold, ...]
    """In the order of embedder, examples and windows."""


def sweep_protocol(
    known: Sequence[FeatureEvidence | EvidenceGap],
    truth: Sequence[AnnotatedFeature],
    embedders: Sequence[Embedder],
    progress: ReportProgress = ignore_progress,
) -> SweepReport:
    """Route features by every setting of the protocol and compare with annotated roles.

    Args:
        known: Evidence of at least the features of the truth.
        truth: Features to route and score.
        embedders: Which to try; each is asked for every window and number of examples once.
        progress: Is told how far the scores of features are.

    Raises:
        UsageError: There is nothing to score, or the two passes agree on no feature.
        EvidenceError: A feature to score has no evidence.
    """
    # In an order of their own, for resamples are drawn by place.
    scored = sorted(truth, key=lambda annotated: annotated.feature)
    check_evidence(known, scored)
    targets = list_firmest(scored)
    if not targets:
        raise UsageError(
            "the two passes agree on no feature", remedy="Give roles that are agreed on"
        )
    by_feature = {k.feature: k for k in known if isinstance(k, FeatureEvidence)}
    evidence = {annotated.feature: by_feature[annotated.feature] for annotated in scored}
    judges = [_prepare(target, list(evidence)) for target in targets]
    tried = [
        _try_thresholds(stored, Channels(*windows), judges)
        for stored in _score_each(list(evidence.values()), embedders, progress)
        for windows in product(INPUTS, OUTPUTS, CROSSES)
    ]
    return SweepReport(
        target=targets[0].name,
        n_target=len(targets[0].features),
        n_features=len(evidence),
        level=LEVEL,
        rows=tuple(row for rows, _ in tried for row in rows),
        best=tuple(best for _, best in tried),
    )


def _score_each(
    evidence: Sequence[FeatureEvidence], embedders: Sequence[Embedder], report: ReportProgress
) -> Iterator[StoredScores]:
    total = len(embedders) * len(N_EXAMPLES) * len(evidence)
    report(Progress("score", 0, total))
    for number, (embedder, n) in enumerate(product(embedders, N_EXAMPLES), start=1):
        yield score_windows(evidence, n, (*INPUTS, *OUTPUTS, *CROSSES), embedder)
        report(Progress("score", number * len(evidence), total))


@dataclass(frozen=True, slots=True, eq=False)
class _Judge:
    """A target, ready to be held against the roles of many settings."""

    places: Int[np.ndarray, " feature"]
    """Of its features among all."""
    truth: Int[np.ndarray, " feature"]
    weights: Float[np.ndarray, "draw feature"]

    def measure(self, roles: Int[np.ndarray, " everything"]) -> Mapping[Metric, float]:
        """Measure agreement."""
        confusion = tally(self.truth, roles[self.places], self.weights[:1])
        return {metric: float(measure(confusion)[0]) for metric, measure in MEASURES.items()}

    def resample(self, roles: Int[np.ndarray, " everything"]) -> Figures:
        """Measure kappa on the features themselves and on their resamples."""
        return measure_kappa(tally(self.truth, roles[self.places], self.weights))


def _prepare(target: Target, features: Sequence[FeatureId]) -> _Judge:
    places = {feature: place for place, feature in enumerate(features)}
    return _Judge(
        places=np.array([places[feature] for feature in target.features]),
        truth=encode(target.roles),
        weights=draw_features(len(target.features)),
    )


def _try_thresholds(
    stored: StoredScores, channels: Channels, judges: Sequence[_Judge]
) -> tuple[list[SweepRow], BestThreshold]:
    routed = [stored.route(channels, threshold) for threshold in THRESHOLDS]
    rows = [
        _make_row(_describe(stored, channels, threshold), found, judges)
        for threshold, found in zip(THRESHOLDS, routed, strict=True)
    ]
    plateau, *without = [
        find_plateau(THRESHOLDS, np.array([judge.resample(found.roles) for found in routed]))
        for judge in judges
    ]
    setting = rows[THRESHOLDS.index(plateau.threshold)].setting
    return rows, BestThreshold(setting, plateau, without[0] if without else None)


def _make_row(setting: Setting, routed: Routed, judges: Sequence[_Judge]) -> SweepRow:
    agreement, *without = [judge.measure(routed.roles) for judge in judges]
    return SweepRow(
        setting=setting,
        tiers=_share_tiers(routed.roles),
        agreement=agreement,
        without_artefacts=without[0] if without else {},
        n_windows=routed.n_windows,
        seconds=routed.seconds,
    )


def _share_tiers(roles: Int[np.ndarray, " feature"]) -> tuple[float, float, float]:
    tiers = np.array([TIERS[role] for role in ROLES])[roles]
    first, second, third = (float((tiers == tier).mean()) for tier in (1, 2, 3))
    return first, second, third


def _describe(stored: StoredScores, channels: Channels, threshold: float) -> Setting:
    as_default = channels == _DEFAULT and threshold == _DEFAULT_THRESHOLD
    return Setting(
        embedder=stored.embedder,
        input=_write(channels.input),
        output=_write(channels.output),
        cross=_write(channels.cross),
        n_examples=stored.n_examples,
        threshold=threshold,
        is_default=as_default and stored.n_examples == N_EXAMPLES[-1],
    )


def _write(window: Window) -> str:
    return f"{window.start}:{window.stop}"
