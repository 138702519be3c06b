"""Two people who decide, take back and exchange what they decided, in whatever order."""

import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from itertools import count
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from tests.unit.ledger.records import SET, make_item
from tests.unit.review.fold import Kept, check_fold, read_decisions, read_standings

from clerp.errors import ConflictError, UsageError
from clerp.ledger import FeatureKey, Ledger, open_ledger
from clerp.ledger.decision import Act, GivenRole, drop_undone, find_standings
from clerp.ledger.queue import hash_key
from clerp.ledger.terms import ReviewTerms
from clerp.review.exchange import Imported, export_decisions, import_decisions
from clerp.review.session import Choice, ReviewSession, Task

pytestmark = pytest.mark.slow

PEOPLE = ("ada", "bob")
ITEMS = [
    *(make_item(n, share=0.1 * n, graphs=("dallas", "oakland")) for n in (1, 2)),
    make_item(3, status="labeled", label="US geography", uncertainty=0.5, graphs=("dallas",)),
]
KEYS = [hash_key(item.key) for item in ITEMS]
NOON = datetime(2026, 1, 2, 12)

_people = st.sampled_from(PEOPLE)
_items = st.sampled_from(KEYS)
_acts: st.SearchStrategy[Act] = st.sampled_from(
    ("accept", "edit", "reject", "role", "skip", "flag", "comment")
)
_roles: st.SearchStrategy[GivenRole] = st.sampled_from(("", "input", "cross"))
_labels = st.sampled_from(("Texas", "texas", "Austin", "US geography", "\u200b", ""))
_comments = st.sampled_from(("", "why", "=1+1\n'"))
_forms = st.sampled_from(("jsonl", "csv"))
_tasks: st.SearchStrategy[Task] = st.sampled_from(("labels", "roles"))
_choices = st.builds(
    Choice,
    st.just(""),
    task=_tasks,
    is_blind=st.booleans(),
    cover=st.just(1.0),
)
_terms = st.builds(
    ReviewTerms,
    overlap=st.sampled_from((0.0, 0.5, 1.0)),
    annotators=st.sampled_from((2, 3)),
    is_blind=st.booleans(),
)


@dataclass(frozen=True)
class Desk:
    """A ledger at which both people sit."""

    ledger: Ledger
    sessions: dict[str, ReviewSession]

    @staticmethod
    def set_up(
        choice: Choice, terms: ReviewTerms, make_uid: Callable[[], str], now: Callable[[], float]
    ) -> "Desk":
        ledger = open_ledger(":memory:")
        with ledger.reviewing() as writes:
            writes.agree_on(terms)
        sessions = {
            person: ReviewSession(
                ledger,
                Choice(person, choice.task, choice.is_blind, cover=choice.cover),
                # One of the clocks is behind.
                now=lambda late=late: now() - late,
                make_uid=make_uid,
            )
            for person, late in zip(PEOPLE, (0.0, 500.0), strict=True)
        }
        return Desk(ledger, sessions)

    def queue(self, items: list[int], graph: str) -> None:
        chosen = [ITEMS[i] for i in items]
        self.ledger.queue_features(chosen, transcoders=SET, graphs=[graph], run_id="run")

    def list_queued(self) -> set[str]:
        return {row.item for row in self.sessions["ada"].list_items(limit=9, offset=0)}


class ReviewMachine(RuleBasedStateMachine):
    """Rules that the ledger here and, by files, another one live through."""

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.folder = Path(self.stack.enter_context(tempfile.TemporaryDirectory()))
        self.uids = count()
        self.moment = 1_000.0

    @initialize(choice=_choices, terms=_terms)
    def sit_down(self, choice: Choice, terms: ReviewTerms) -> None:
        self.desks = [self._set_up(choice, terms) for _ in range(2)]
        self.here, self.there = self.desks
        self.known: list[Kept] = [{}, {}]
        for desk in self.desks:
            desk.queue([0, 1, 2], "dallas")

    def _set_up(self, choice: Choice, terms: ReviewTerms) -> Desk:
        desk = Desk.set_up(choice, terms, lambda: f"uid-{next(self.uids)}", lambda: self.moment)
        self.stack.enter_context(desk.ledger)
        return desk

    @rule(terms=_terms, elsewhere=st.booleans())
    def agree_on(self, terms: ReviewTerms, elsewhere: bool) -> None:
        with self.desks[elsewhere].ledger.reviewing() as writes:
            writes.agree_on(terms)

    def teardown(self) -> None:
        self.stack.close()

    @rule(
        person=_people,
        item=_items,
        act=_acts,
        label=_labels,
        role=_roles,
        comment=_comments,
        stale=st.integers(0, 3).map(lambda n: n == 0),
        elsewhere=st.integers(0, 3).map(lambda n: n == 0),
    )
    def decide(
        self,
        person: str,
        item: str,
        act: Act,
        label: str,
        role: GivenRole,
        comment: str,
        stale: bool,
        elsewhere: bool,
    ) -> None:
        desk = self.desks[elsewhere]
        if item not in desk.list_queued():
            return
        session = desk.sessions[person]
        seen = 0 if stale else session.show(item).seen
        before = self._count(desk)
        try:
            session.decide(item, act=act, seen=seen, label=label, role=role, comment=comment)
        except ConflictError:
            # Who has seen all meets nobody's later decision, but may mean another proposal.
            assert stale or act == "accept"
        except UsageError:
            assert act in ("accept", "edit", "role", "comment")
        else:
            before += 1
            made = session.show(item).history[-1]
            assert (made.annotator, made.act) == (person, act)
        assert self._count(desk) == before

    @rule(person=_people)
    def undo(self, person: str) -> None:
        self._take_back(self.here.sessions[person].undo)

    @rule(person=_people)
    def redo(self, person: str) -> None:
        self._take_back(self.here.sessions[person].redo)

    @rule(person=_people, n=st.integers(1, 4))
    def undo_and_redo(self, person: str, n: int) -> None:
        session = self.here.sessions[person]
        before = read_standings(self.here.ledger)
        undone = [item for _ in range(n) if (item := session.undo()) is not None]
        redone = [session.redo() for _ in undone]
        assert redone == undone[::-1]
        assert read_standings(self.here.ledger) == before

    @rule(seconds=st.sampled_from((1.0, 200.0)))
    def wait(self, seconds: float) -> None:
        self.moment += seconds

    @rule(person=_people, item=_items)
    def come_anew(self, person: str, item: str) -> None:
        session = self.here.sessions[person]
        anew = ReviewSession(self.here.ledger, session.choice, now=lambda: self.moment)
        assert session.find_next() == anew.find_next()
        assert session.place(item) == anew.place(item)
        assert session.list_disputes() == anew.list_disputes()

    @rule(
        items=st.lists(st.integers(0, 2), unique=True),
        graph=st.sampled_from(("dallas", "oakland")),
    )
    def run_anew(self, items: list[int], graph: str) -> None:
        self.here.queue([i for i in items if graph in ITEMS[i].graphs], graph)

    @rule(form=_forms, back=st.booleans())
    def exchange(self, form: str, back: bool) -> None:
        source, target = self.desks[::-1] if back else self.desks
        path = self.folder / f"review.{form}"
        export_decisions(source.ledger, path)
        left = _list_uids(source) - _list_uids(target)
        before = self._count(target)
        done = import_decisions(target.ledger, path, now=NOON)
        self._check_import(done, left, source, target)
        assert self._count(target) == before + done.added
        again = import_decisions(target.ledger, path, now=NOON)
        assert (again.added, again.conflicts) == (0, done.conflicts)

    def _check_import(self, done: Imported, left: set[str], source: Desk, target: Desk) -> None:
        missing = _list_uids(source) - _list_uids(target)
        assert len(missing) == sum(conflict.n_left_out for conflict in done.conflicts)
        assert done.added == len(left) - len(missing)
        for conflict in done.conflicts:
            assert _find_standing(source, conflict.feature, conflict.annotator) != _find_standing(
                target, conflict.feature, conflict.annotator
            )

    @invariant()
    def what_follows_from_decisions_does(self) -> None:
        for number, desk in enumerate(self.desks):
            kept = check_fold(desk.ledger)
            for key, made in self.known[number].items():
                assert kept[key][: len(made)] == made
            self.known[number] = kept

    @invariant()
    def nobody_is_asked_twice(self) -> None:
        for desk in self.desks:
            for person, session in desk.sessions.items():
                item = session.find_next()
                assert item is None or not _has_judged(desk, item, person)

    def _take_back(self, act: Callable[[], str | None]) -> None:
        before, held = self._count(self.here), _list_holding(self.here)
        taken = act()
        assert self._count(self.here) == before + (taken is not None)
        assert (_list_holding(self.here) != held) is (taken is not None)

    def _count(self, desk: Desk) -> int:
        return len(_list_uids(desk))


def _list_uids(desk: Desk) -> set[str]:
    return {made.uid for decisions in read_decisions(desk.ledger).values() for made in decisions}


def _list_holding(desk: Desk) -> set[str]:
    kept = read_decisions(desk.ledger).values()
    return {made.uid for decisions in kept for made in drop_undone(decisions)}


def _find_standing(desk: Desk, key: FeatureKey, person: str) -> object:
    made = read_decisions(desk.ledger).get(key, [])
    found = [s for s in find_standings(made) if s.annotator == person]
    return (found[0].judgement, found[0].label, found[0].role) if found else ("", "", "")


def _has_judged(desk: Desk, item: str, person: str) -> bool:
    by_role = desk.sessions[person].task == "roles"
    return any(
        bool(standing.role if by_role else standing.judgement)
        for key, made in read_decisions(desk.ledger).items()
        if hash_key(key) == item
        for standing in find_standings(made)
        if standing.annotator == person
    )


TestReviewMachine = ReviewMachine.TestCase
TestReviewMachine.settings = settings(
    max_examples=settings().max_examples // 5, stateful_step_count=30
)
