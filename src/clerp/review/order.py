"""The queue in order, and how far people have come with it."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import accumulate, islice
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

    def list_within(self) -> Iterator[str]:
        """List the features that have to be judged, in order."""
        return (entry.item for entry in islice(self.entries, self.n_within))

    def is_within(self, item: str) -> bool:
        """Say whether a feature has to be judged."""
        return self.places.get(item, self.n_within) < self.n_within

    def measure_covered(self, named: Iterable[str]) -> float | None:
        """Return the part of influence, 0 to 1, that goes through names beyond doubt.

        Args:
            named: Features that people named; of all others clerp's labels count as far as they
                are certain.

        Returns:
            None without influence.
        """
        if self.total <= 0:
            return None
        places = (self.places[item] for item in named if item in self.places)
        chosen = (self.entries[place] for place in places)
        return (self.covered + fsum(e.share * e.uncertainty for e in chosen)) / self.total


@dataclass(frozen=True, slots=True)
class _State:
    """What was decided of one feature, as one person sees it."""

    n_judges: int
    is_own: bool
    was_own: bool
    is_skipped: bool
    is_decided: bool
    is_named: bool


@cache
def _share(state: _State) -> _State:
    """Return one object for all that are equal: thousands of features have the same few."""
    return state


_UNTOUCHED = _State(0, False, False, False, False, False)


class Judged:
    """What people have judged, as one of them sees it.

    A feature costs an entry of a dictionary, so that a queue of many takes little memory.

    Args:
        annotator: The one.
        by_role: Whether a role is all that is asked for.
    """

    def __init__(self, annotator: str, *, by_role: bool) -> None:
        self._annotator = annotator
        self._by_role = by_role
        self._states: dict[str, _State] = {}

    def update(self, standings: Iterable[StandingEntry], verdicts: Mapping[str, Verdict]) -> None:
        """Take in what changed: all standings and verdicts on the features that did."""
        changed: defaultdict[str, list[StandingEntry]] = defaultdict(list)
        for standing in standings:
            changed[standing.item].append(standing)
        for item, of_item in changed.items():
            self._states[item] = self._summarize(of_item, verdicts.get(item))

    def has_own(self, item: str) -> bool:
        """Say whether this person has judged a feature."""
        return self._find(item).is_own

    def ever_judged(self, item: str) -> bool:
        """Say whether this person ever judged a feature, also where she took that back."""
        return self._find(item).was_own

    def is_skipped(self, item: str) -> bool:
        """Say whether this person put a feature off."""
        return self._find(item).is_skipped

    def is_finished(self, item: str, terms: ReviewTerms) -> bool:
        """Say whether this person's judgement of a feature is not wanted any more."""
        state = self._find(item)
        # Under earlier terms more may have been wanted than are now.
        is_full = state.is_decided and state.n_judges >= terms.count_wanted(item)
        return state.is_own or is_full

    def list_touched(self) -> Iterator[str]:
        """List the features about which anybody decided anything."""
        return iter(self._states)

    def list_named(self) -> Iterator[str]:
        """List the features whose name people agreed on."""
        return (item for item, state in self._states.items() if state.is_named)

    def _find(self, item: str) -> _State:
        return self._states.get(item, _UNTOUCHED)

    def _summarize(self, standings: Sequence[StandingEntry], verdict: Verdict | None) -> _State:
        own = [standing for standing in standings if standing.annotator == self._annotator]
        return _share(
            _State(
                n_judges=sum(map(self._is_done, standings)),
                is_own=any(map(self._is_done, own)),
                was_own=any(standing.has_judged for standing in own),
                is_skipped=any(standing.is_skipped for standing in own),
                is_decided=verdict is not None,
                is_named=verdict is not None and bool(verdict.label),
            )
        )

    def _is_done(self, standing: StandingEntry) -> bool:
        return bool(standing.role if self._by_role else standing.judgement)
