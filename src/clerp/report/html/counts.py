"""How many features have which outcome, and why some have no label."""

import math
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from clerp.outcome import LabeledFeature
from clerp.report.html.distinct import DistinctFeature
from clerp.report.rows import percent
from clerp.report.summary import STATUSES, TIERS

MAX_REASONS = 15
"""Reasons for one outcome that are told apart."""

_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_QUOTED = re.compile(r"'[^']*'")


@dataclass(frozen=True, slots=True)
class CountRow:
    """Features of one tier by status."""

    tier: str
    by_status: tuple[int, ...]
    total: int
    share: str


@dataclass(frozen=True, slots=True)
class ReasonRow:
    """Why features have no label."""

    outcome: str
    reason: str
    features: int
    share: str


def count_tiers(features: Sequence[DistinctFeature]) -> Iterator[CountRow]:
    """Count features by tier and status, then all of them."""
    for tier in TIERS:
        yield _count_row(str(tier), [f for f in features if f.outcome.route.tier == tier])
    yield _count_row("all", features)


def _count_row(name: str, features: Sequence[DistinctFeature]) -> CountRow:
    statuses = [feature.outcome.status for feature in features]
    counts = tuple(statuses.count(status) for status in STATUSES)
    return CountRow(name, counts, len(features), percent(_add_shares(features)))


def list_reasons(features: Sequence[DistinctFeature]) -> Iterator[ReasonRow]:
    """Count why features have no label; reasons that differ in a number or a word are one."""
    by_outcome: Mapping[str, defaultdict[str, list[DistinctFeature]]] = {
        name: defaultdict(list) for name in ("failed", "abstained", "artefact", "to review")
    }
    for feature in features:
        if feature.outcome.label is None and feature.outcome.status != "reviewed":
            outcome = feature.outcome
            by_outcome[_name_outcome(outcome)][_generalise(outcome.reason)].append(feature)
    for name, by_reason in by_outcome.items():
        ordered = sorted(by_reason, key=lambda reason: (-len(by_reason[reason]), reason))
        for reason in ordered[:MAX_REASONS]:
            yield _make_reason(name, reason, by_reason[reason])
        rest = [feature for reason in ordered[MAX_REASONS:] for feature in by_reason[reason]]
        if rest:
            yield _make_reason(name, f"{len(ordered) - MAX_REASONS} other reasons", rest)


def _make_reason(outcome: str, reason: str, features: Sequence[DistinctFeature]) -> ReasonRow:
    return ReasonRow(outcome, reason, len(features), percent(_add_shares(features)))


def _name_outcome(outcome: LabeledFeature) -> str:
    if outcome.status == "failed":
        return "failed"
    if outcome.route.role == "artefact":
        return "artefact"
    return "abstained" if outcome.status == "abstained" else "to review"


def _generalise(reason: str) -> str:
    return _QUOTED.sub("'…'", _NUMBER.sub("n", reason)) or "no reason is on record"


def _add_shares(features: Iterable[DistinctFeature]) -> float | None:
    shares = [feature.share for feature in features]
    known = [share for share in shares if share is not None]
    return math.fsum(known) if known and len(known) == len(shares) else None
