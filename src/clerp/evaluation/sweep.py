"""What the protocol's windows, threshold, embedder and number of examples change.

The protocol leaves all four open. Each window is scored once for each embedder and number of
examples; thresholds are applied to the stored scores.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from jaxtyping import Int

from clerp.errors import UsageError
from clerp.evaluation.measures import MEASURES, ROLES, Metric, encode, tally
from clerp.evaluation.roles import check_evidence
from clerp.evaluation.stored_scores import Channels, StoredScores, score_windows
from clerp.evaluation.targets import Target, choose_firmest
from clerp.evaluation.truth import AnnotatedFeature
from clerp.evidence import EvidenceGap, FeatureEvidence
from clerp.feature import FeatureId
from clerp.plugins import Embedder
from clerp.progress import Progress, ReportProgress, ignore_progress
from clerp.router import RULES, TIERS
from clerp.windows import DEFAULT_WINDOWS, Window

_DEFAULT = Channels(*DEFAULT_WINDOWS)
_DEFAULT_THRESHOLD = RULES["protocol"].threshold

INPUTS = (_DEFAULT.input, Window("input", 0, 0), Window("input", -2, 0))
OUTPUTS = (_DEFAULT.output, Window("output", 1, 1), Window("output", 1, 4))
CROSSES = (_DEFAULT.cross, Window("cross", -16, 16))
THRESHOLDS = tuple(sorted({_DEFAULT_THRESHOLD, *(step / 20 for step in range(2, 17))}))
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
    """What the rule `protocol` does by itself, whatever the embedder."""


@dataclass(frozen=True, slots=True)
class SweepRow:
    """What a setting leads to."""

    setting: Setting
    tiers: tuple[float, float, float]
    """Share of features in tiers 1, 2 and 3."""
    agreement: Mapping[Metric, float]
    n_windows: int
    """Windows to embed: input and output of every feature that is no artefact, cross of those
    where both are low. Each distinct text is embedded once, so the embedder sees fewer."""
    seconds: float
    """To cut, embed and score them, as measured: cross in proportion to its windows, without
    loading the embedder."""


@dataclass(frozen=True, slots=True)
class SweepReport:
    """Every setting, in the order of embedder, examples, windows and threshold."""

    target: str
    """The roles that agreement is with: `truth`, or `both passes` where they agree."""
    n_target: int
    n_features: int
    """Features that tier shares and cost are of."""
    rows: tuple[SweepRow, ...]


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
    check_evidence(known, truth)
    target = choose_firmest(truth)
    if target is None:
        raise UsageError(
            "the two passes agree on no feature", remedy="Give roles that are agreed on"
        )
    by_feature = {k.feature: k for k in known if isinstance(k, FeatureEvidence)}
    evidence = {annotated.feature: by_feature[annotated.feature] for annotated in truth}
    rows = (
        row
        for stored in _score_each(list(evidence.values()), embedders, progress)
        for row in _try_settings(stored, target, list(evidence))
    )
    return SweepReport(target.name, len(target.features), len(evidence), tuple(rows))


def _score_each(
    evidence: Sequence[FeatureEvidence], embedders: Sequence[Embedder], report: ReportProgress
) -> Iterator[StoredScores]:
    total = len(embedders) * len(N_EXAMPLES) * len(evidence)
    report(Progress("score", 0, total))
    for number, (embedder, n) in enumerate(product(embedders, N_EXAMPLES), start=1):
        yield score_windows(evidence, n, (*INPUTS, *OUTPUTS, *CROSSES), embedder)
        report(Progress("score", number * len(evidence), total))


def _try_settings(
    stored: StoredScores, target: Target, features: Sequence[FeatureId]
) -> Iterator[SweepRow]:
    places = {feature: place for place, feature in enumerate(features)}
    at_target = np.array([places[feature] for feature in target.features])
    truth, once = encode(target.roles), np.ones((1, len(target.roles)))
    for windows in product(INPUTS, OUTPUTS, CROSSES):
        channels = Channels(*windows)
        for threshold in THRESHOLDS:
            routed = stored.route(channels, threshold)
            confusion = tally(truth, routed.roles[at_target], once)
            yield SweepRow(
                setting=_describe(stored, channels, threshold),
                tiers=_share_tiers(routed.roles),
                agreement={m: float(measure(confusion)[0]) for m, measure in MEASURES.items()},
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
