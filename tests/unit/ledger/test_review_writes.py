"""Decisions on record: nothing is overwritten, nobody's decision is lost to another's."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from threading import Barrier

import pytest
from tests.unit.ledger.records import SET, make_item, queue

from clerp.errors import ConflictError
from clerp.feature import FeatureId
from clerp.ledger import FeatureKey, Ledger, open_ledger
from clerp.ledger.decision import Decision, Verdict
from clerp.ledger.queue import hash_key

KEY = make_item(7).key
ITEM = hash_key(KEY)
NOON = datetime(2026, 1, 2, 12)


def make(uid: str, annotator: str = "ada", label: str = "Texas", **more: object) -> Decision:
    return Decision(uid, KEY, annotator, "edit", NOON, label=label, **more)  # pyright: ignore[reportArgumentType]


def decide(ledger: Ledger, decision: Decision, seen: int, of: str | None = None) -> Decision:
    with ledger.reviewing() as writes:
        return writes.decide(decision, seen=seen, of=of)


def find_verdict(ledger: Ledger) -> Verdict | None:
    with ledger.reading_review() as reads:
        return reads.find_verdict(ITEM)


def list_decisions(ledger: Ledger) -> list[Decision]:
    with ledger.reading_review() as reads:
        return reads.list_decisions(ITEM)


def test_a_decision_comes_back_as_it_was_made(ledger: Ledger):
    made = decide(ledger, make("a", comment="two\nlines", seconds=3.5, is_blind=True), 0)
    assert made.number == 1
    assert list_decisions(ledger) == [made]


def test_a_decided_feature_leaves_the_queue_and_comes_back_with_an_undo(ledger: Ledger):
    queue(ledger, make_item(7), make_item(8))
    decide(ledger, make("a"), 0)
    assert [item.key.feature.index for item in ledger.queued()] == [8]
    with ledger.reviewing() as writes:
        taken = writes.undo("ada", uid="b", made_at=NOON)
    assert taken is not None
    assert taken.uid == "a"
    assert [item.key.feature.index for item in ledger.queued()] == [7, 8]
    assert find_verdict(ledger) is None
    with ledger.reviewing() as writes:
        writes.redo("ada", uid="c", made_at=NOON)
    assert find_verdict(ledger) == Verdict("agreed", "Texas", "", ("ada",))
    assert [d.act for d in list_decisions(ledger)] == ["edit", "undo", "redo"]


def test_of_many_who_decide_at_the_same_moment_all_are_recorded_one_after_the_other(
    ledger: Ledger, url: str
):
    n_people, n_each = 4, 10

    def comment(person: int) -> None:
        with open_ledger(url) as own:
            for n in range(n_each):
                said = replace(make(f"{person}-{n}", f"p{person}"), act="comment", label="")
                decide(own, said, n_people * n_each)

    with ThreadPoolExecutor(n_people) as pool:
        list(pool.map(comment, range(n_people)))
    made = list_decisions(ledger)
    assert [d.number for d in made] == list(range(1, n_people * n_each + 1))
    assert len({d.uid for d in made}) == n_people * n_each


def test_of_two_who_judge_at_the_same_moment_one_is_told(ledger: Ledger, url: str):
    meeting = Barrier(2)

    def judge(person: str) -> bool:
        with open_ledger(url) as own:
            meeting.wait(30)
            try:
                decide(own, make(person, person, person), 0)
            except ConflictError:
                return False
            return True

    with ThreadPoolExecutor(2) as pool:
        done = list(pool.map(judge, ("ada", "bob")))
    assert sorted(done) == [False, True]
    assert len(list_decisions(ledger)) == 1


def test_who_has_not_seen_the_last_decision_is_told_whose_it_is(ledger: Ledger):
    decide(ledger, make("a", "ada", "Texas"), 0)
    with pytest.raises(ConflictError, match="ada decided meanwhile: edit 'Texas'"):
        decide(ledger, make("b", "bob", "Austin"), 0)
    assert [d.uid for d in list_decisions(ledger)] == ["a"]


def test_who_is_blind_to_others_meets_no_conflict_with_them(ledger: Ledger):
    decide(ledger, make("a", "ada", "Texas"), 0, of="ada")
    made = decide(ledger, make("b", "bob", "Austin"), 0, of="bob")
    assert made.number == 2
    assert find_verdict(ledger) == Verdict("disputed", None, "", ("ada", "bob"))


def test_a_second_tab_meets_the_decision_of_the_first(ledger: Ledger):
    decide(ledger, make("a"), 0, of="ada")
    with pytest.raises(ConflictError):
        decide(ledger, make("b", label="Austin"), 0, of="ada")


def undo_each(ledger: Ledger, *uids: str) -> list[str]:
    """Undo as ada once for each uid; list what was taken back, empty where nothing was."""
    taken: list[str] = []
    for uid in uids:
        with ledger.reviewing() as writes:
            back = writes.undo("ada", uid=uid, made_at=NOON)
        taken.append(back.uid if back else "")
    return taken


def test_undo_takes_back_one_after_another_and_leaves_others_alone(ledger: Ledger):
    decide(ledger, make("a", label="one"), 0)
    decide(ledger, make("b", label="two"), 1)
    decide(ledger, make("x", "bob", "three", is_settling=True), 2)
    assert undo_each(ledger, "c", "d", "e") == ["b", "a", ""]
    assert find_verdict(ledger) == Verdict("agreed", "three", "", ("bob",))


def test_undo_takes_back_what_was_decided_last_whatever_came_with_an_import(ledger: Ledger):
    ahead = replace(make("a", "bob"), made_at=NOON + timedelta(hours=1))
    brought = replace(make("c"), key=make_item(8).key, made_at=NOON - timedelta(days=1))
    decide(ledger, ahead, 0)
    decide(ledger, make("b"), 1)
    with ledger.reviewing() as writes:
        writes.add([brought])
    decide(ledger, replace(make("d"), key=make_item(9).key), 0)
    assert undo_each(ledger, "e", "f", "g") == ["d", "b", "c"]


def test_no_decision_is_earlier_than_another_about_its_feature_whatever_came_with_an_import(
    ledger: Ledger,
):
    ahead = decide(ledger, replace(make("a", "bob"), made_at=NOON + timedelta(hours=1)), 0)
    with ledger.reviewing() as writes:
        writes.add([replace(make("b", "cy"), made_at=NOON - timedelta(days=1))])
    assert decide(ledger, make("c"), 2).made_at == ahead.made_at


def test_nothing_is_redone_after_a_new_decision(ledger: Ledger):
    decide(ledger, make("a", label="one"), 0)
    with ledger.reviewing() as writes:
        writes.undo("ada", uid="b", made_at=NOON)
    decide(ledger, make("c", label="two"), 2)
    with ledger.reviewing() as writes:
        assert writes.redo("ada", uid="d", made_at=NOON) is None


def test_a_decision_needs_no_run_that_saw_the_feature(ledger: Ledger):
    decide(ledger, make("a"), 0)
    with ledger.reading_review() as reads:
        assert reads.list_verdicts(SET) == {KEY: Verdict("agreed", "Texas", "", ("ada",))}


def test_a_feature_that_one_has_open_is_not_offered_to_others_for_a_while(ledger: Ledger):
    other = FeatureKey(SET, FeatureId(3, 8))
    with ledger.reviewing() as writes:
        assert writes.look_at(KEY, "ada", now=100.0)
        assert not writes.look_at(KEY, "bob", now=101.0)
    with ledger.reading_review() as reads:
        assert reads.list_looked_at("bob", now=101.0) == {ITEM}
        assert reads.list_looked_at("ada", now=101.0) == set()
    with ledger.reviewing() as writes:
        assert writes.look_at(other, "ada", now=102.0)
        assert writes.look_at(KEY, "bob", now=102.0)
        assert writes.look_at(other, "bob", now=100_000.0)
