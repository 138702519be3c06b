"""What changed between two runs over the same graph."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from clerp.correlation import Score
from clerp.errors import UsageError
from clerp.feature import FeatureId
from clerp.outcome import LabeledFeature
from clerp.report.html.recorded import RecordedGraph, RecordedRun
from clerp.report.summary import share_by_feature

Aspect = Literal["label", "role", "tier", "status", "scores"]
ASPECTS: tuple[Aspect, ...] = ("label", "role", "tier", "status", "scores")


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting that the runs do not share."""

    name: str
    before: str | None
    """None where it is not set; so is `after`."""
    after: str | None


@dataclass(frozen=True, slots=True)
class Difference:
    """One aspect of a feature before and after."""

    aspect: Aspect
    before: str | None
    """None where there is none; so is `after`."""
    after: str | None


@dataclass(frozen=True, slots=True)
class ChangedFeature:
    """A feature about which the runs differ."""

    feature: FeatureId
    share: float | None
    differences: tuple[Difference, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """What changed from one run to another."""

    before: str
    """Name of the other graph."""
    run_before: str
    run_after: str
    is_same_graph: bool
    """All that labelling reads is equal in both files."""
    settings: tuple[Setting, ...]
    n_shared: int
    """Features that both runs tell of."""
    only_before: int
    only_after: int
    labels_gained: int
    labels_lost: int
    labels_changed: int
    """Those that have one in both runs, and another."""
    by_aspect: Mapping[Aspect, int]
    changed: tuple[ChangedFeature, ...]
    """Most influence first."""


def compare_runs(before: RecordedGraph, after: RecordedGraph) -> Comparison:
    """Compare two labelled files of one graph.

    Raises:
        UsageError: They have no feature in common.
    """
    old = {outcome.feature: outcome for outcome in before.outcomes}
    new = {outcome.feature: outcome for outcome in after.outcomes}
    shared = sorted(old.keys() & new.keys())
    if not shared:
        raise UsageError(
            f"{before.graph.name} and {after.graph.name} have no feature in common",
            remedy="Compare two labelled files of the same graph",
        )
    shares = share_by_feature(after.graph)
    changed = [
        ChangedFeature(feature, shares.get(feature), differences)
        for feature in shared
        if (differences := tuple(_list_differences(old[feature], new[feature])))
    ]
    had = {feature for feature in shared if old[feature].label is not None}
    has = {feature for feature in shared if new[feature].label is not None}
    by_aspect: dict[Aspect, int] = {
        aspect: sum(any(d.aspect == aspect for d in c.differences) for c in changed)
        for aspect in ASPECTS
    }
    gained, lost = len(has - had), len(had - has)
    return Comparison(
        before=before.graph.name,
        run_before=before.run.run_id,
        run_after=after.run.run_id,
        is_same_graph=before.graph.digest == after.graph.digest,
        settings=tuple(_list_settings(before.run, after.run)),
        n_shared=len(shared),
        only_before=len(old) - len(shared),
        only_after=len(new) - len(shared),
        labels_gained=gained,
        labels_lost=lost,
        labels_changed=by_aspect["label"] - gained - lost,
        by_aspect=by_aspect,
        changed=tuple(sorted(changed, key=lambda c: (-(c.share or 0.0), c.feature))),
    )


def list_settings(run: RecordedRun) -> dict[str, str | None]:
    """List what decided about a run, by name, as text; None where a setting is not set."""
    named = {
        **run.configuration,
        "clerp": run.clerp_version,
        "examples": run.source,
        "embedder": run.embedder,
        **{f"null {name}": value for name, value in run.null.items()},
    }
    return {name: None if value in (None, "") else str(value) for name, value in named.items()}


def _list_settings(before: RecordedRun, after: RecordedRun) -> Iterator[Setting]:
    old, new = list_settings(before), list_settings(after)
    for name in dict.fromkeys((*old, *new)):
        was, now = old.get(name), new.get(name)
        if was != now:
            yield Setting(name, was, now)


def _list_differences(before: LabeledFeature, after: LabeledFeature) -> Iterator[Difference]:
    old, new = _describe(before), _describe(after)
    for aspect in ASPECTS:
        if old[aspect] != new[aspect]:
            yield Difference(aspect, old[aspect], new[aspect])


def _describe(labeled: LabeledFeature) -> dict[Aspect, str | None]:
    return {
        "label": labeled.label.text if labeled.label else None,
        "role": labeled.route.role,
        "tier": str(labeled.route.tier),
        "status": labeled.status.replace("_", " "),
        "scores": _write_scores(labeled.route.scores),
    }


def _write_scores(scores: Mapping[str, Score]) -> str | None:
    return ", ".join(f"{channel} {_write(score)}" for channel, score in scores.items()) or None


def _write(score: Score) -> str:
    return f"{score.raw:.4f}" if score.z is None else f"z {score.z:.2f}"
