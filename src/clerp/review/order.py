"""The queue in order, and how far people have come with it."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from math import fsum

import numpy as np
from jaxtyping import Float64, Int64

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
    def worth(self) -> Float64[np.ndarray, " entry"]:
        """Influence that a name beyond doubt would add, of each feature."""
        return np.array([e.share * e.uncertainty for e in self.entries], dtype=np.float64)

    @cached_property
    def n_within(self) -> int:
        """How many features have to be judged until names cover what they should.

        Where no graph tells influence, all of them.
        """
        if self.total <= 0:
            return len(self.entries)
        missing = self.cover * self.total - self.covered
        # Sums of floats: the last feature may fall short of the whole by an ulp.
        n_short = int((np.cumsum(self.worth) < missing - 1e-9).sum())
        return 0 if missing <= 0 else min(n_short + 1, len(self.entries))


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

    def update(
        self, standings: Iterable[StandingEntry], verdicts: Mapping[str, Verdict]
    ) -> Collection[str]:
        """Take in what changed: all standings and verdicts on the features that did.

        Returns:
            Those features.
        """
        changed: defaultdict[str, list[StandingEntry]] = defaultdict(list)
        for standing in standings:
            changed[standing.item].append(standing)
        for item, of_item in changed.items():
            self._states[item] = self._summarize(of_item, verdicts.get(item))
        return changed.keys()

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
        return state.is_own or (state.is_decided and state.n_judges >= terms.count_wanted(item))

    def is_named(self, item: str) -> bool:
        """Say whether people agreed on the name of a feature."""
        return self._find(item).is_named

    def list_touched(self) -> Collection[str]:
        """List the features about which anybody decided anything."""
        return self._states.keys()

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


class QueueProgress:
    """How far one person has come with the queue.

    A page asks for it again after every decision, so that only what changed is looked at.

    Args:
        order: The queue.
        judged: What was decided.
        terms: By which features are finished.
    """

    def __init__(self, order: QueueOrder, judged: Judged, terms: ReviewTerms) -> None:
        self.terms = terms
        self.order = order
        self._judged = judged
        self._finished = np.zeros(len(order.entries), dtype=np.bool_)
        self._named = np.zeros(len(order.entries), dtype=np.bool_)
        self.update(judged.list_touched())

    def update(self, changed: Iterable[str]) -> None:
        """Look again at features about which something was decided."""
        for item in changed:
            place = self.order.places.get(item)
            if place is not None:
                self._finished[place] = self._judged.is_finished(item, self.terms)
                self._named[place] = self._judged.is_named(item)

    @property
    def n_open(self) -> int:
        """How many features wait for this person, of those that have to be judged."""
        return int(self._list_open_places().size)

    @property
    def share_named(self) -> float | None:
        """Part of influence, 0 to 1, that goes through names beyond doubt; None without influence.

        Of features that nobody named clerp's labels count as far as they are certain.
        """
        if self.order.total <= 0:
            return None
        added = float(self.order.worth[self._named].sum())
        return (self.order.covered + added) / self.order.total

    def list_open(self) -> Iterator[str]:
        """List the features that wait for this person, in order."""
        places: list[int] = self._list_open_places().tolist()
        return (self.order.entries[place].item for place in places)

    def is_open(self, item: str) -> bool:
        """Say whether a feature waits for this person."""
        place = self.order.places.get(item, self.order.n_within)
        return place < self.order.n_within and not self._finished[place]

    def _list_open_places(self) -> Int64[np.ndarray, " place"]:
        return np.flatnonzero(~self._finished[: self.order.n_within])
