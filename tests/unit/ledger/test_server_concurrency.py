"""Runs that write to one server at the same moment."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from tests.unit.ledger.databases import add_trigger, ask, connect
from tests.unit.ledger.records import SET, make_answer, make_item, queue

from clerp.errors import LedgerBusyError
from clerp.ledger import Claim, Ledger, Taken, engine, open_ledger
from clerp.ledger.queue_changes import Wanted, find_changes
from clerp.ledger.record import NOTHING_SHOWN

KEYS = [f"{number:02}" for number in range(30)]


@pytest.fixture
def slow_url(server_url: str) -> str:
    """A ledger in which each row takes its time, so that two who write at once do meet."""
    open_ledger(server_url).close()
    with connect(server_url) as connection:
        for table in ("answers", "leases", "queue"):
            add_trigger(connection, f"BEFORE INSERT ON {table}", "PERFORM pg_sleep(0.01)")
    return server_url


def do_both(first: Callable[[Ledger], Any], second: Callable[[Ledger], Any], url: str) -> list[Any]:
    """Do two things at once, each with a connection of its own; return what came of them."""
    together = Barrier(2)

    def act(what: Callable[[Ledger], Any]) -> Any:
        with open_ledger(url) as ledger:
            together.wait(30)
            return what(ledger)

    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(act, (first, second)))


def claim_all(keys: Sequence[str], owner: str) -> Callable[[Ledger], dict[str, object]]:
    def claim(ledger: Ledger) -> dict[str, object]:
        with ledger.writing() as writes:
            return dict(zip(keys, writes.claim_all(keys, owner, 60.0), strict=True))

    return claim


def record_all(keys: Sequence[str], text: str) -> Callable[[Ledger], dict[str, str]]:
    def record(ledger: Ledger) -> dict[str, str]:
        with ledger.writing() as writes:
            kept = writes.record_answers([make_answer(key, text=text) for key in keys])
        return {answer.key: answer.text for answer in kept}

    return record


def test_claims_in_opposite_orders_do_not_wait_for_each_other(slow_url: str):
    ada, bob = do_both(claim_all(KEYS, "ada"), claim_all(KEYS[::-1], "bob"), slow_url)
    for key in KEYS:
        assert {type(ada[key]), type(bob[key])} == {Claim, Taken}


def test_answers_in_opposite_orders_do_not_wait_for_each_other(slow_url: str):
    one, other = do_both(record_all(KEYS, "one"), record_all(KEYS[::-1], "other"), slow_url)
    assert one == other
    assert set(one) == set(KEYS)


def test_one_who_claims_what_another_one_answers_gets_the_answer_or_waits(slow_url: str):
    with open_ledger(slow_url) as ledger:
        claim_all(KEYS, "ada")(ledger)
    claimed, recorded = do_both(claim_all(KEYS[::-1], "bob"), record_all(KEYS, "one"), slow_url)
    assert set(recorded.values()) == {"one"}
    assert not any(isinstance(outcome, Claim) for outcome in claimed.values())
    assert ask(slow_url, "SELECT count(*) FROM leases") == [(0,)]


def test_two_queues_in_opposite_orders_are_both_kept(slow_url: str):
    items = [make_item(number, ("dallas",)) for number in range(20)]
    others = [make_item(number, ("oakland",)) for number in range(10, 30)]
    do_both(
        lambda ledger: queue(ledger, *items),
        lambda ledger: queue(ledger, *others[::-1], graphs=("oakland",)),
        slow_url,
    )
    with open_ledger(slow_url) as ledger:
        queued = {item.key.feature.index: item.graphs for item in ledger.queued()}
    assert queued == {
        number: (*(("dallas",) * (number < 20)), *(("oakland",) * (number >= 10)))
        for number in range(30)
    }


def await_waiting(url: str, n: int) -> None:
    """Wait until so many wait for somebody else's lock."""
    until = time.monotonic() + 30
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    while ask(url, f"{waiting} AND datname = current_database()") != [(n,)]:
        assert time.monotonic() < until
        time.sleep(0.01)


def test_a_feature_is_not_dropped_while_another_run_comes_to_want_it(server_url: str):
    with open_ledger(server_url) as ours, open_ledger(server_url) as theirs:
        queue(ours, make_item(1))
        wanted = Wanted.of([make_item(1, ("oakland",))], SET, ["oakland"], "run", NOTHING_SHOWN)
        with ThreadPoolExecutor(1) as pool:
            with ours._transaction(writes=True) as connection:
                find_changes(connection, wanted).write(connection)
                dropping: Future[None] = pool.submit(queue, theirs)
                await_waiting(server_url, 1)
            dropping.result(60)
        assert ours.queued() == [make_item(1, ("oakland",))]


def test_a_queue_can_be_read_while_another_run_changes_it(server_url: str):
    with open_ledger(server_url) as ours, open_ledger(server_url) as theirs:
        queue(ours, make_item(1))
        wanted = Wanted.of([make_item(2)], SET, ["dallas"], "run", NOTHING_SHOWN)
        with ours._transaction(writes=True) as connection:
            find_changes(connection, wanted).write(connection)
            assert theirs.queued() == [make_item(1)]
        assert theirs.queued() == [make_item(2)]


def test_who_finds_a_key_locked_for_too_long_may_try_again(
    server_url: str, monkeypatch: pytest.MonkeyPatch
):
    with open_ledger(server_url) as ours:
        monkeypatch.setattr(engine, "BUSY_TIMEOUT_SECONDS", 0.05)
        with open_ledger(server_url) as theirs:
            with ours.writing() as writes:
                writes.claim("k", "ada", 60.0)
                with pytest.raises(LedgerBusyError, match="has locked the ledger"):
                    theirs.claim("k", "bob", 60.0)
            assert isinstance(theirs.claim("k", "bob", 60.0), Taken)


def test_two_who_wait_for_each_other_are_told_that_the_ledger_is_locked(server_url: str):
    with open_ledger(server_url) as ours, open_ledger(server_url) as theirs:
        ours.record_answer(make_answer("seed"))

        def take(ledger: Ledger, first: str, then: str, together: Barrier) -> object:
            try:
                with ledger.writing() as writes:
                    writes.claim(first, "ada", 60.0)
                    together.wait(30)
                    return writes.claim(then, "ada", 60.0)
            except LedgerBusyError as busy:
                return busy

        together = Barrier(2)
        with ThreadPoolExecutor(2) as pool:
            told = [
                pool.submit(take, ours, "a", "b", together),
                pool.submit(take, theirs, "b", "a", together),
            ]
            outcomes = [one.result(60) for one in told]
        assert {type(outcome) for outcome in outcomes} == {Claim, LedgerBusyError}


def test_a_lease_runs_out_by_the_clock_of_the_server(server_url: str):
    with open_ledger(server_url) as ledger:
        lease = ledger.claim("k", "ada", 60.0)
        with connect(server_url) as connection:
            now = connection.exec_driver_sql("SELECT extract(epoch FROM now())").scalar_one()
        assert isinstance(lease, Claim)
        assert float(now) + 30.0 < lease.until <= float(now) + 60.0
