"""The queue in order, and how far people have come with it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from math import fsum

from clerp.ledger.decision import Verdict
from clerp.ledger.review_reads import QueueEntry, StandingEntry
from clerp.ledger.terms import ReviewTerms


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


class Judged:
    """What people have judged, as one of them sees it.

    Args:
        annotator: The one.
        by_role: Whether a role is all that is asked for.
    """

    def __init__(self, annotator: str, *, by_role: bool) -> None:
        self._annotator = annotator
        self._by_role = by_role
        self._standings: dict[str, dict[str, StandingEntry]] = {}
        self.verdicts: dict[str, Verdict] = {}
        """By item."""

    def update(self, standings: Sequence[StandingEntry], verdicts: Mapping[str, Verdict]) -> None:
        """Take in what changed: all standings and verdicts on the features that did."""
        for standing in standings:
            self._standings.setdefault(standing.item, {})[standing.annotator] = standing
            self.verdicts.pop(standing.item, None)
        self.verdicts.update(verdicts)

    def find_own(self, item: str) -> StandingEntry | None:
        """Return where this person stands on a feature."""
        return self._standings.get(item, {}).get(self._annotator)

    def has_own(self, item: str) -> bool:
        """Say whether this person has judged a feature."""
        own = self.find_own(item)
        return own is not None and self._is_done(own)

    def ever_judged(self, item: str) -> bool:
        """Say whether this person ever judged a feature, also where she took that back."""
        own = self.find_own(item)
        return own is not None and own.has_judged

    def has_others(self, item: str) -> bool:
        """Say whether somebody else has judged a feature, or given it a role."""
        others = (
            s for s in self._standings.get(item, {}).values() if s.annotator != self._annotator
        )
        return any(standing.judgement or standing.role for standing in others)

    def is_skipped(self, item: str) -> bool:
        """Say whether this person put a feature off."""
        own = self.find_own(item)
        return own is not None and own.is_skipped

    def list_finished(self, terms: ReviewTerms) -> set[str]:
        """Return the features of which this person's judgement is not wanted any more."""
        return {
            item
            for item, standings in self._standings.items()
            if self.has_own(item)
            or sum(map(self._is_done, standings.values())) >= terms.count_wanted(item)
        }

    def _is_done(self, standing: StandingEntry) -> bool:
        return bool(standing.role if self._by_role else standing.judgement)
