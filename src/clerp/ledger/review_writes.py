"""What people decide, inside a transaction that somebody else commits."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from datetime import datetime

import sqlalchemy as sa

from clerp.errors import ConflictError, ReviewError
from clerp.ledger.clock import tell_time
from clerp.ledger.counters import count_change
from clerp.ledger.decision import (
    Act,
    Decision,
    Standing,
    Verdict,
    find_standings,
    find_verdict,
)
from clerp.ledger.decision_rows import read_decision, write_decision
from clerp.ledger.engine import keep_others_from
from clerp.ledger.queue import hash_key, write_key
from clerp.ledger.record import FeatureKey
from clerp.ledger.renewals import make_renewals
from clerp.ledger.tables import DECISIONS, INSERTS, LEASES, QUEUE, STANDINGS, VERDICTS
from clerp.ledger.terms import ReviewTerms, read_terms, write_terms

LOOK_SECONDS = 600.0
"""For which nobody else is offered a feature that one person has opened."""
_LOOK = "review "

_BY_FEATURE = (
    sa.select(DECISIONS)
    .where(DECISIONS.c.feature_key == sa.bindparam("asked"))
    .order_by(DECISIONS.c.number)
)
_BY_PERSON = (
    sa.select(DECISIONS)
    .where(DECISIONS.c.annotator == sa.bindparam("asked"))
    # What was imported is not what was done last.
    .order_by(DECISIONS.c.made_at.desc(), DECISIONS.c.id.desc())
)
_LAST_OF_PERSON = sa.select(sa.func.max(DECISIONS.c.made_at)).where(
    DECISIONS.c.annotator == sa.bindparam("asked")
)
_APPEND = {
    name: make(DECISIONS)
    .on_conflict_do_nothing(index_elements=[DECISIONS.c.feature_key, DECISIONS.c.number])
    .returning(DECISIONS.c.number)
    for name, make in INSERTS.items()
}


_MARK_CHANGED = (
    sa.update(STANDINGS)
    .where(STANDINGS.c.feature_key == sa.bindparam("touched"))
    .values(changed=sa.bindparam("count"))
)
_RENEW_STANDING = make_renewals(STANDINGS)
_RENEW_VERDICT = make_renewals(VERDICTS)


_Find = Callable[[Iterator[Decision]], Decision | None]


class ReviewWrites:
    """An open transaction for decisions; nothing of it is kept until it is committed."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection
        self._dialect = connection.dialect.name
        self._touched: set[str] = set()
        self._has_news = False

    def decide(self, decision: Decision, *, seen: int, of: str | None = None) -> Decision:
        """Add a decision, unless there is a later one than the person has seen.

        Args:
            decision: What was decided.
            seen: Number of the last decision about the feature that the person saw, 0 for none.
            of: Whose decisions the person sees; by default everybody's.

        Returns:
            The decision with its number.

        Raises:
            ConflictError: There is a later one; nothing was added.
        """
        while True:
            made = self.list_decisions(decision.key)
            own = decision.annotator if of is None else of
            visible = [d for d in made if d.annotator == own or (of is None and d.is_said)]
            if visible and visible[-1].number > seen:
                raise _report_conflict(visible, seen)
            numbered = self._append_to(made, decision)
            if self._append(numbered):
                self._bring_up_to_date([*made, numbered])
                return numbered

    def undo(self, annotator: str, *, uid: str, made_at: datetime) -> Decision | None:
        """Take back a person's last decision that holds.

        Args:
            annotator: Who.
            uid: Of the decision that this is itself.
            made_at: In UTC, without a zone.

        Returns:
            The decision that was taken back; None where there is none.
        """
        return self._take_back(_find_last_act, annotator, "undo", uid, made_at)

    def redo(self, annotator: str, *, uid: str, made_at: datetime) -> Decision | None:
        """Take back a person's last undo, if she has decided nothing since; as `undo`."""
        return self._take_back(_find_last_undo, annotator, "redo", uid, made_at)

    def add(self, decisions: Sequence[Decision]) -> None:
        """Add decisions of one feature that another ledger holds, none of which is here.

        Raises:
            ReviewError: One has the uid of a decision about another feature.
        """
        self._check_uids([d.uid for d in decisions])
        made = self.list_decisions(decisions[0].key)
        start = made[-1].number + 1 if made else 1
        numbered = [replace(d, number=n) for n, d in enumerate(decisions, start)]
        self._connection.execute(sa.insert(DECISIONS), [write_decision(d) for d in numbered])
        self._bring_up_to_date([*made, *numbered])

    def keep_others_out(self) -> None:
        """Let nobody else decide until this ends, so that what is not here stays away."""
        keep_others_from(self._connection, DECISIONS)

    def read_terms(self) -> ReviewTerms:
        """Return what the people who review agreed on."""
        return read_terms(self._connection)

    def agree_on(self, terms: ReviewTerms) -> None:
        """Set what holds for everybody from now on; what was decided before stays as it is."""
        write_terms(self._connection, terms)
        self._has_news = True

    def finish(self) -> None:
        """Let readers know of what changed. Last of all: others who decide wait from here on."""
        if not (self._touched or self._has_news):
            return
        count = count_change(self._connection, "decisions")
        if self._touched:
            self._connection.execute(
                _MARK_CHANGED, [{"touched": item, "count": count} for item in sorted(self._touched)]
            )

    def is_queued(self, key: FeatureKey) -> bool:
        """Say whether a run has seen a feature."""
        found = sa.select(QUEUE.c.feature_key).where(QUEUE.c.feature_key == hash_key(key))
        return self._connection.execute(found).first() is not None

    def look_at(self, key: FeatureKey, annotator: str, *, now: float | None = None) -> bool:
        """Keep a feature from being offered to others for `LOOK_SECONDS`.

        Returns:
            False where somebody else looks at it.
        """
        moment = tell_time(self._connection) if now is None else now
        name = _LOOK + hash_key(key)
        stale = sa.or_(LEASES.c.owner == annotator, LEASES.c.until <= moment)
        self._connection.execute(sa.delete(LEASES).where(LEASES.c.key.startswith(_LOOK), stale))
        looked = (
            INSERTS[self._dialect](LEASES)
            .on_conflict_do_nothing(index_elements=[LEASES.c.key])
            .returning(LEASES.c.key)
        )
        lease = {"key": name, "owner": annotator, "until": moment + LOOK_SECONDS}
        return self._connection.execute(looked, lease).scalar() is not None

    def _take_back(
        self, find: _Find, annotator: str, act: Act, uid: str, made_at: datetime
    ) -> Decision | None:
        rows = self._connection.execute(_BY_PERSON, {"asked": annotator}).mappings()
        target = find(read_decision(row) for row in rows)
        rows.close()
        if target is None:
            return None
        taking = Decision(uid, target.key, annotator, act, made_at, target=target.uid)
        while True:
            made = self.list_decisions(target.key)
            numbered = self._append_to(made, taking)
            if self._append(numbered):
                self._bring_up_to_date([*made, numbered])
                return target

    def _append(self, decision: Decision) -> bool:
        insert = _APPEND[self._dialect]
        return self._connection.execute(insert, write_decision(decision)).scalar() is not None

    def _check_uids(self, uids: Sequence[str]) -> None:
        taken = sa.select(DECISIONS.c.uid).where(DECISIONS.c.uid.in_(uids))
        uid = self._connection.execute(taken).scalars().first()
        if uid is not None:
            raise ReviewError(
                f"the uid {uid!r} is that of a decision about another feature",
                remedy="Nothing was added. Give it another one",
            )

    def list_decisions(self, key: FeatureKey) -> list[Decision]:
        """List all decisions about a feature, first to last."""
        rows = self._connection.execute(_BY_FEATURE, {"asked": hash_key(key)}).mappings()
        return [read_decision(row) for row in rows]

    def _append_to(self, made: Sequence[Decision], decision: Decision) -> Decision:
        # Of people whose clocks differ, who decides later does not do so earlier by the time; nor
        # is what one of them decides next earlier than what she decided before, of whatever
        # feature. Imports come in any order.
        person = {"asked": decision.annotator}
        own = self._connection.execute(_LAST_OF_PERSON, person).scalar()
        times = (decision.made_at, *(d.made_at for d in made), *filter(None, (own,)))
        number = made[-1].number + 1 if made else 1
        return replace(decision, number=number, made_at=max(times))

    def _bring_up_to_date(self, decisions: Sequence[Decision]) -> None:
        """Work out where people stand on a feature, and what that comes to."""
        self._touched.add(hash_key(decisions[0].key))
        key = decisions[0].key
        for standing in find_standings(decisions):
            self._keep_standing(key, standing)
        verdict = find_verdict(decisions)
        self._keep_verdict(key, verdict)
        agreed = verdict is not None and verdict.label is not None
        marked = sa.update(QUEUE).where(QUEUE.c.feature_key == hash_key(key))
        self._connection.execute(marked.values(decided=agreed))

    def _keep_standing(self, key: FeatureKey, standing: Standing) -> None:
        row = asdict(standing) | {"feature_key": hash_key(key), "changed": 0}
        del row["comments"]
        self._connection.execute(_RENEW_STANDING[self._dialect], row)

    def _keep_verdict(self, key: FeatureKey, verdict: Verdict | None) -> None:
        if verdict is None:
            gone = sa.delete(VERDICTS).where(VERDICTS.c.feature_key == hash_key(key))
            self._connection.execute(gone)
            return
        row = write_key(key) | asdict(verdict) | {"annotators": list(verdict.annotators)}
        self._connection.execute(_RENEW_VERDICT[self._dialect], row)


def _find_last_act(latest_first: Iterator[Decision]) -> Decision | None:
    gone: set[str] = set()
    for decision in latest_first:
        if decision.act in ("undo", "redo"):
            gone |= set() if decision.uid in gone else {decision.target}
        elif decision.uid not in gone:
            return decision
    return None


def _find_last_undo(latest_first: Iterator[Decision]) -> Decision | None:
    gone: set[str] = set()
    for decision in latest_first:
        if decision.uid in gone:
            continue
        if decision.act == "redo":
            gone.add(decision.target)
        else:
            return decision if decision.act == "undo" else None
    return None


def _report_conflict(visible: Sequence[Decision], seen: int) -> ConflictError:
    newer = [d for d in visible if d.number > seen]
    if not newer:
        return ConflictError("the feature was decided otherwise than this page knows")
    last = newer[-1]
    said = f"{last.act} {last.label!r}" if last.label else last.act
    return ConflictError(
        f"{last.annotator} decided meanwhile: {said}",
        remedy="Look at the feature again before deciding",
    )
