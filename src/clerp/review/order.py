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

    Of each feature a few bits are kept, so that a queue of many costs little memory.

    Args:
        annotator: The one.
        by_role: Whether a role is all that is asked for.
    """

    def __init__(self, annotator: str, *, by_role: bool) -> None:
        self._annotator = annotator
        self._by_role = by_role
        self._n_judges: dict[str, int] = {}
        self._own: set[str] = set()
        self._ever: set[str] = set()
        self._skipped: set[str] = set()
        self._decided: set[str] = set()
        self.named: set[str] = set()
        """Features whose name people agreed on."""

    def update(self, standings: Sequence[StandingEntry], verdicts: Mapping[str, Verdict]) -> None:
        """Take in what changed: all standings and verdicts on the features that did."""
        changed = {standing.item for standing in standings}
        self._n_judges.update(dict.fromkeys(changed, 0))
        for standing in standings:
            self._n_judges[standing.item] += self._is_done(standing)
            if standing.annotator == self._annotator:
                _put(standing.item, self._own, belongs=self._is_done(standing))
                _put(standing.item, self._ever, belongs=standing.has_judged)
                _put(standing.item, self._skipped, belongs=standing.is_skipped)
        for item in changed:
            verdict = verdicts.get(item)
            _put(item, self._decided, belongs=verdict is not None)
            _put(item, self.named, belongs=verdict is not None and bool(verdict.label))

    def has_own(self, item: str) -> bool:
        """Say whether this person has judged a feature."""
        return item in self._own

    def ever_judged(self, item: str) -> bool:
        """Say whether this person ever judged a feature, also where she took that back."""
        return item in self._ever

    def is_skipped(self, item: str) -> bool:
        """Say whether this person put a feature off."""
        return item in self._skipped

    def list_finished(self, terms: ReviewTerms) -> set[str]:
        """Return the features of which this person's judgement is not wanted any more."""
        # Under earlier terms more may have been wanted than are now.
        full = {i for i in self._decided if self._n_judges[i] >= terms.count_wanted(i)}
        return self._own | full

    def _is_done(self, standing: StandingEntry) -> bool:
        return bool(standing.role if self._by_role else standing.judgement)


def _put(item: str, group: set[str], *, belongs: bool) -> None:
    (group.add if belongs else group.discard)(item)
