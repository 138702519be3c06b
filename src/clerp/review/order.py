"""The queue in order, and how far people have come with it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate
from math import fsum

from clerp.ledger.decision import VerdictState
from clerp.ledger.review_reads import QueueEntry, StandingEntry

_PARTS = 2**32


@dataclass(frozen=True, slots=True)
class Overlap:
    """Which features more than one person judges, blind to the others."""

    part: float = 0.0
    """Of all features, 0 to 1; drawn by their keys, so that it is the same ones for everybody."""
    annotators: int = 2
    """How many judge each of them."""

    def count_wanted(self, item: str) -> int:
        """Return how many people should judge a feature."""
        return self.annotators if self.has(item) else 1

    def has(self, item: str) -> bool:
        """Say whether a feature is one of them."""
        return int(item[:8], 16) < self.part * _PARTS


@dataclass(frozen=True, eq=False)
class QueueOrder:
    """Features of the queue, those first to which a label would add most."""

    entries: Sequence[QueueEntry]
    cover: float
    """Part of influence, 0 to 1, that names beyond doubt should cover."""

    @cached_property
    def places(self) -> Mapping[str, int]:
        """Place of every feature, from 0."""
        return {entry.item: place for place, entry in enumerate(self.entries)}

    @cached_property
    def total(self) -> float:
        """Influence that goes through the features."""
        return fsum(entry.share for entry in self.entries)

    @cached_property
    def covered(self) -> float:
        """Influence of the features times the certainty of their labels, before any review."""
        return fsum(entry.share * (1 - entry.uncertainty) for entry in self.entries)

    @cached_property
    def n_within(self) -> int:
        """How many features have to be judged until names cover what they should.

        Where no graph tells influence, all of them.
        """
        if self.total <= 0:
            return len(self.entries)
        missing = self.cover * self.total - self.covered
        added = accumulate(entry.share * entry.uncertainty for entry in self.entries)
        # Sums of floats: the last feature may fall short of the whole by an ulp.
        reached = (n for n, sum_ in enumerate(added, 1) if sum_ >= missing - 1e-9)
        return 0 if missing <= 0 else next(reached, len(self.entries))


@dataclass(frozen=True, eq=False)
class Judged:
    """What people have judged, as one of them sees it."""

    annotator: str
    standings: Sequence[StandingEntry]
    verdicts: Mapping[str, VerdictState]
    by_role: bool
    """Whether a role is all that is asked for."""
    own: Mapping[str, StandingEntry] = field(init=False)
    counts: Mapping[str, int] = field(init=False)
    """How many people have judged a feature."""

    def __post_init__(self) -> None:
        own = {s.item: s for s in self.standings if s.annotator == self.annotator}
        counts: dict[str, int] = {}
        for standing in self.standings:
            if self.is_done(standing):
                counts[standing.item] = counts.get(standing.item, 0) + 1
        object.__setattr__(self, "own", own)
        object.__setattr__(self, "counts", counts)

    def is_done(self, standing: StandingEntry) -> bool:
        """Say whether a person has judged what is asked for."""
        return bool(standing.role if self.by_role else standing.judgement)

    def has_own(self, item: str) -> bool:
        """Say whether this person has judged a feature."""
        return item in self.own and self.is_done(self.own[item])

    def needs(self, item: str, overlap: Overlap) -> bool:
        """Say whether this person's judgement of a feature is still wanted."""
        return not self.has_own(item) and self.counts.get(item, 0) < overlap.count_wanted(item)

    def is_skipped(self, item: str) -> bool:
        """Say whether this person put a feature off."""
        return item in self.own and self.own[item].is_skipped
