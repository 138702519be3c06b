"""One person at the queue: what comes next, what is shown of it, and what is decided."""

import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from math import inf
from statistics import median
from typing import Literal, cast, get_args

from clerp.errors import ConflictError, LedgerBusyError, UnknownItemError, UsageError
from clerp.labels import check_label, clean_comment
from clerp.ledger import Ledger, QueueItem
from clerp.ledger.decision import (
    JUDGEMENTS,
    Act,
    Decision,
    GivenRole,
    Verdict,
    find_standings,
    list_disputed,
)
from clerp.ledger.queue import hash_key
from clerp.ledger.review_reads import NamedFeature, QueueFilter, ReviewReads, StandingEntry
from clerp.ledger.terms import ReviewTerms
from clerp.review.agreement import RoleAgreement, measure_agreement
from clerp.review.item import DisputedItem, ListedItem, Place, ReviewItem, Sight
from clerp.review.names import NamesInUse
from clerp.review.order import Judged, QueueOrder, QueueProgress
from clerp.review.reading import build_item
from clerp.router import Role

Task = Literal["labels", "roles"]

_N_PACES = 20
_LONGEST_PACE = 600.0
"""Seconds; who takes longer was away."""
_NAMES_SECONDS = 10.0
"""For which names in use are not read again."""
MAX_COMMENT = 2_000
"""Characters."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What one person is asked, and of which features."""

    annotator: str
    task: Task = "labels"
    """`roles`: only the role is asked for."""
    is_blind: bool = False
    """Nothing of what clerp proposes is shown of a feature before it is judged, also where the
    ledger's terms would show it."""
    wanted: QueueFilter = field(default_factory=QueueFilter)
    cover: float = 0.8
    """Part of influence, 0 to 1, that names beyond doubt should cover in the end."""
    guideline: str = ""
    """Shown beside every feature."""


class ReviewSession:
    """One person at the queue of a ledger. Everything decided is on disk when a method returns."""

    def __init__(
        self,
        ledger: Ledger,
        choice: Choice,
        *,
        now: Callable[[], float] = time.time,
        make_uid: Callable[[], str] = lambda: uuid.uuid4().hex,
    ) -> None:
        self.choice = choice
        self._ledger = ledger
        self._now = now
        self._make_uid = make_uid
        self._counts: dict[str, int] | None = None
        self._terms = ReviewTerms()
        self._order = QueueOrder((), choice.cover)
        self._judged = Judged(choice.annotator, by_role=choice.task == "roles")
        self._progress = QueueProgress(self._order, self._judged, self._terms)
        self._proposals_seen: set[str] = set()
        self._names = NamesInUse(())
        self._names_until = -inf
        self._names_counts: dict[str, int] | None = None
        self._paces: Sequence[float] = ()

    @property
    def annotator(self) -> str:
        """Who decides."""
        return self.choice.annotator

    @property
    def task(self) -> Task:
        """What is asked."""
        return self.choice.task

    @property
    def is_blind(self) -> bool:
        """Whether proposals are held back."""
        return self.choice.is_blind or self._terms.is_blind

    @property
    def guideline(self) -> str:
        """What to judge by."""
        return self.choice.guideline

    def find_next(self, after: str | None = None) -> str | None:
        """Return the feature to judge next; skipped ones come after all others.

        Features that somebody else has open are left to her, as long as there are others.

        Args:
            after: One that is not wanted again now.

        Raises:
            LedgerError: The ledger could not be read or written.
        """
        with self._ledger.reading_review() as reads:
            self._refresh(reads)
            elsewhere = reads.list_looked_at(self.annotator)
        held = {item for item in elsewhere if not self._terms.is_shared(item)}

        def put_off(item: str) -> tuple[bool, bool]:
            return item in held, self._judged.is_skipped(item)

        waiting = (item for item in self._progress.list_open() if item != after)
        # Nearly always the first: of a long queue no more is looked at.
        best = next((item for item in waiting if put_off(item) == (False, False)), None)
        others = (item for item in self._progress.list_open() if item != after)
        last = after if after is not None and self._progress.is_open(after) else None
        return best or min(others, key=put_off, default=last)

    def find_neighbour(self, item: str, step: int) -> str | None:
        """Return the feature so many places further on in the queue, judged or not.

        Raises:
            LedgerError: The ledger could not be read.
        """
        with self._ledger.reading_review() as reads:
            self._refresh(reads)
        place = self._order.places.get(item, -1) + step
        return self._order.entries[place].item if 0 <= place < len(self._order.entries) else None

    def show(self, item: str) -> ReviewItem:
        """Return all that the person may see of a feature, which is not offered to others now.

        Raises:
            UnknownItemError: It is not in the queue.
            LedgerError: The ledger could not be read or written.
        """
        with self._ledger.reading_review() as reads:
            self._refresh(reads)
            shown = self._build(reads, item)
        if self._terms.is_shared(item) or self._judged.has_own(item):
            return shown
        # A courtesy: while somebody else writes, the page can be read all the same.
        with suppress(LedgerBusyError), self._ledger.reviewing() as writes:
            is_alone = writes.look_at(shown.key, self.annotator)
            shown = replace(shown, is_open_elsewhere=not is_alone)
        return shown

    def place(self, item: str) -> Place:
        """Say where a feature is in the queue, and how far the person has come.

        Raises:
            LedgerError: The ledger could not be read.
        """
        with self._ledger.reading_review() as reads:
            self._refresh(reads)
        pace = median(self._paces) if self._paces else None
        n_open = self._progress.n_open
        return Place(
            position=self._order.places.get(item, -1) + 1,
            n_items=self._order.n_within,
            n_judged=self._order.n_within - n_open,
            share_named=self._progress.share_named,
            seconds_left=None if pace is None else pace * n_open,
        )

    def decide(
        self,
        item: str,
        *,
        act: Act,
        seen: int,
        label: str = "",
        role: GivenRole = "",
        comment: str = "",
        seconds: float | None = None,
        sight: Sight | None = None,
    ) -> Decision:
        """Record what the person decided.

        Terms may have changed since the feature was shown: whether the decision was made blind
        depends on what was on screen, then or earlier in this session.

        Args:
            item: Which feature.
            act: What was done; undoing is `undo`'s affair.
            seen: `ReviewItem.seen` of what was looked at.
            label: For `edit`; for `accept` the one that was shown.
            role: For `role`; may come with `accept` and `edit`.
            comment: In one's own words.
            seconds: Since the feature was shown.
            sight: `ReviewItem.sight` of what was looked at; by default what the terms show now.

        Returns:
            What is on record now, its label and comment cleaned.

        Raises:
            UsageError: The act lacks what it needs.
            ConflictError: Somebody decided since, or clerp proposes another label.
            UnknownItemError: The feature is not in the queue.
            LedgerError: The ledger could not be written.
        """
        with self._ledger.reading_review() as reads:
            self._refresh(reads)
            queued = self._find(reads, item)
            verdict = reads.find_verdict(item)
        saw_proposal = self._saw_proposal(item, sight)
        hides_others = self._hides(item) and not (sight and sight.others)
        given = _check_role(act, role)
        says = act in JUDGEMENTS or bool(given)
        decision = Decision(
            uid=self._make_uid(),
            key=queued.key,
            annotator=self.annotator,
            act=act,
            made_at=self._tell_time(),
            label=_check_label(act, label, queued.label if saw_proposal else ""),
            role=given,
            comment=_check_comment(act, comment),
            proposal=queued.label,
            is_blind=not saw_proposal,
            is_settling=says and not hides_others and self._is_of_others(verdict),
            seconds=None if seconds is None else min(max(seconds, 0.0), _LONGEST_PACE),
            n_wanted=self._terms.count_wanted(item),
        )
        with self._ledger.reviewing() as writes:
            of = self.annotator if hides_others else None
            return writes.decide(decision, seen=seen, of=of)

    def undo(self) -> str | None:
        """Take the person's last decision back.

        Returns:
            The feature that it was about; None where there is none.

        Raises:
            LedgerError: The ledger could not be written.
        """
        with self._ledger.reviewing() as writes:
            taken = writes.undo(self.annotator, uid=self._make_uid(), made_at=self._tell_time())
        return None if taken is None else hash_key(taken.key)

    def redo(self) -> str | None:
        """Take the person's last `undo` back, if nothing was decided since; as `undo`."""
        with self._ledger.reviewing() as writes:
            taken = writes.redo(self.annotator, uid=self._make_uid(), made_at=self._tell_time())
        return None if taken is None else hash_key(taken.key)

    def list_items(self, *, limit: int, offset: int) -> list[ListedItem]:
        """List features in the order of the queue.

        Raises:
            LedgerError: The ledger could not be read.
        """
        with self._ledger.reading_review() as reads:
            self._refresh(reads)
            chosen = [entry.item for entry in self._order.entries[offset : offset + limit]]
            standings = reads.list_standings(items=chosen)
            own = {s.item: s for s in standings if s.annotator == self.annotator}
            return [self._list(i, row, own.get(i)) for i, row in self._pair(reads, chosen)]

    def has_item(self, item: str) -> bool:
        """Say whether a feature is in the queue.

        Raises:
            LedgerError: The ledger could not be read.
        """
        with self._ledger.reading_review() as reads:
            return reads.find_item(item) is not None

    def count_items(self) -> int:
        """Return how many features `list_items` lists.

        Raises:
            LedgerError: The ledger could not be read.
        """
        with self._ledger.reading_review() as reads:
            self._refresh(reads)
        return len(self._order.entries)

    def list_disputes(self) -> list[DisputedItem]:
        """List the features about which people disagree, and who says what.

        Those that this person has not judged yet are left out, so that she stays blind to others.

        Raises:
            LedgerError: The ledger could not be read.
        """
        with self._ledger.reading_review() as reads:
            self._refresh(reads)
            chosen = sorted(item for item in reads.list_disputed() if not self._hides(item))
            return [
                _describe_dispute(item, row, reads.list_decisions(item))
                for item, row in self._pair(reads, chosen)
            ]

    def suggest(self, typed: str, limit: int = 8) -> list[str]:
        """List labels in use that hold what was typed, most used first.

        Raises:
            LedgerError: The ledger could not be read.
        """
        with self._ledger.reading_review() as reads:
            self._refresh(reads)
        return self._names.complete(typed, limit)

    def agreement(self) -> list[RoleAgreement]:
        """Measure how far people agree on roles.

        Raises:
            LedgerError: The ledger could not be read.
        """
        with self._ledger.reading_review() as reads:
            return measure_agreement(reads.list_all_decisions())

    def _refresh(self, reads: ReviewReads) -> None:
        """Read again what others may have changed since it was read."""
        counts = dict(reads.read_counts())
        if counts != self._counts:
            self._read_anew(reads, counts)
        self._refresh_names(reads, counts)

    def _read_anew(self, reads: ReviewReads, counts: dict[str, int]) -> None:
        known = self._counts or {}
        terms = reads.read_terms()
        if terms != self._terms:
            # What may be suggested now is another question.
            self._names_until = -inf
        self._terms = terms
        if self._counts is None or counts.get("queue") != known.get("queue"):
            entries = reads.list_entries(self.choice.wanted)
            self._order = QueueOrder(tuple(entries), self.choice.cover)
        since = known.get("decisions", 0)
        standings, verdicts = reads.list_standings(since=since), reads.list_verdicts_by_item(since)
        changed = self._judged.update(standings, verdicts)
        if (self._progress.order, self._progress.terms) != (self._order, terms):
            self._progress = QueueProgress(self._order, self._judged, terms)
        else:
            self._progress.update(changed)
        # Of what was judged it does not matter any more: the rest is few, however long the queue.
        seen = self._proposals_seen
        self._proposals_seen = {item for item in seen if not self._judged.ever_judged(item)}
        self._paces = reads.list_paces(self.annotator, _N_PACES)
        self._counts = counts

    def _refresh_names(self, reads: ReviewReads, counts: dict[str, int]) -> None:
        # Names help, and a few that are new may be missing for a while: reading thousands takes
        # longer than all the rest.
        if counts != self._names_counts and self._now() >= self._names_until:
            self._names_counts = counts
            told = [(f, self._tell_name(f)) for f in reads.list_named()]
            self._names = NamesInUse([(f, name) for f, name in told if name])
            self._names_until = self._now() + _NAMES_SECONDS

    def _build(self, reads: ReviewReads, item: str) -> ReviewItem:
        built = build_item(
            reads,
            self._find(reads, item),
            item,
            annotator=self.annotator,
            hides_proposal=self._hides_proposal(item),
            hides_others=self._hides(item),
            names=self._names,
            tell_name=self._tell_name,
        )
        if built.sight.proposal:
            self._proposals_seen.add(item)
        return built

    def _tell_name(self, feature: NamedFeature) -> str:
        """Return the name of a feature, as far as the person may know it; else nothing."""
        if feature.decided is not None and not self._hides(feature.item):
            return feature.decided
        return "" if self._hides_proposal(feature.item) else feature.proposed

    def _find(self, reads: ReviewReads, item: str) -> QueueItem:
        found = reads.find_item(item)
        if found is None:
            raise UnknownItemError(
                "the queue has no such feature", remedy="Open the list, and choose one from there"
            )
        return found

    def _hides_proposal(self, item: str) -> bool:
        return self.is_blind and not self._judged.ever_judged(item)

    def _hides(self, item: str) -> bool:
        """Say whether the person must not see yet what others decided."""
        is_shared = self._terms.is_shared(item) or self.is_blind
        return is_shared and not self._judged.ever_judged(item)

    def _saw_proposal(self, item: str, sight: Sight | None) -> bool:
        if item in self._proposals_seen or self._judged.ever_judged(item):
            return True
        return sight.proposal if sight else not self._hides_proposal(item)

    def _is_of_others(self, verdict: Verdict | None) -> bool:
        # While too few have judged, who changes her mind settles nothing.
        return verdict is not None and set(verdict.annotators) != {self.annotator}

    def _pair(self, reads: ReviewReads, items: Sequence[str]) -> list[tuple[str, QueueItem]]:
        return [(hash_key(row.key), row) for row in reads.find_items(items)]

    def _list(self, item: str, row: QueueItem, own: StandingEntry | None) -> ListedItem:
        is_open = not self._hides_proposal(item)
        if is_open:
            self._proposals_seen.add(item)
        return ListedItem(
            item=item,
            feature=str(row.key.feature),
            role=row.role if is_open else "",
            tier=row.tier if is_open else None,
            reason=row.reason if is_open else "",
            label=row.label if is_open else "",
            share=row.share,
            judgement=own.judgement if own else "",
            is_skipped=own is not None and own.is_skipped,
            is_flagged=own is not None and own.is_flagged,
        )

    def _tell_time(self) -> datetime:
        return datetime.fromtimestamp(self._now(), UTC).replace(tzinfo=None)


def _describe_dispute(item: str, row: QueueItem, made: Sequence[Decision]) -> DisputedItem:
    return DisputedItem(item, str(row.key.feature), list_disputed(made), find_standings(made))


def _check_label(act: Act, label: str, proposed: str) -> str:
    if act == "accept":
        if not proposed:
            raise UsageError("there is no label to accept", remedy="Give one, or reject")
        if label != proposed:
            raise ConflictError(
                f"clerp calls the feature {proposed!r} since the page was opened",
                remedy="Look at the feature again before deciding",
            )
        return check_label(label)
    return check_label(label) if act == "edit" else ""


def _check_role(act: Act, role: str) -> GivenRole:
    if act == "role" and not role:
        raise UsageError("no role is given", remedy=f"One of: {', '.join(get_args(Role))}")
    if role not in ("", *get_args(Role)):
        raise UsageError(
            f"there is no role {role!r}", remedy=f"One of: {', '.join(get_args(Role))}"
        )
    return cast(Role, role) if act in ("accept", "edit", "reject", "role") else ""


def _check_comment(act: Act, comment: str) -> str:
    cleaned = clean_comment(comment)
    if act == "comment" and not cleaned:
        raise UsageError("the comment is empty", remedy="Write one")
    if len(cleaned) > MAX_COMMENT:
        raise UsageError(
            f"the comment has {len(cleaned)} characters", remedy=f"At most {MAX_COMMENT} are kept"
        )
    return cleaned
