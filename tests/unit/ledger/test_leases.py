"""Who may ask for an answer, and for how long."""

import itertools
import multiprocessing
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.ledger.databases import ask
from tests.unit.ledger.lessees import claim_all, claim_and_hang
from tests.unit.ledger.records import make_answer

from clerp.errors import LedgerError
from clerp.ledger import (
    Answer,
    Claim,
    Ledger,
    Taken,
    open_ledger,
)
from clerp.ledger import writes as ledger_writes

SPAWN = multiprocessing.get_context("spawn")
ASKED = st.tuples(
    st.sampled_from(["claim", "renew", "release", "record"]),
    st.sampled_from(["k", "l"]),
    st.sampled_from(["ada", "bob"]),
    st.floats(0.0, 20.0),
)
EXAMPLES = itertools.count()
"""Each has keys of its own in a ledger that all share."""


def start(act: Callable[..., None], *given: object) -> tuple[BaseProcess, "Connection[Any, Any]"]:
    ours, theirs = SPAWN.Pipe()
    process = SPAWN.Process(target=act, args=(*given, theirs), daemon=True)
    process.start()
    theirs.close()
    return process, ours


def hear(said: "Connection[Any, Any]") -> Any:
    assert said.poll(60), "the other process says nothing"
    return said.recv()


def test_a_free_key_is_leased(ledger: Ledger):
    assert ledger.claim("k", "ada", 10.0, now=100.0) == Claim("k", "ada", 110.0)


@pytest.mark.parametrize("owner", ["bob", "ada"])
def test_a_leased_key_is_taken_for_everybody(ledger: Ledger, owner: str):
    ledger.claim("k", "ada", 10.0, now=100.0)
    assert ledger.claim("k", owner, 10.0, now=109.9) == Taken(110.0)


def test_a_lease_that_ran_out_is_taken_over(ledger: Ledger):
    ledger.claim("k", "ada", 10.0, now=100.0)
    assert ledger.claim("k", "bob", 10.0, now=110.0) == Claim("k", "bob", 120.0)
    assert not ledger.renew("k", "ada", 10.0, now=111.0)
    ledger.release("k", "ada")
    assert ledger.claim("k", "eve", 10.0, now=112.0) == Taken(120.0)


def test_a_renewed_lease_runs_out_later(ledger: Ledger):
    ledger.claim("k", "ada", 10.0, now=100.0)
    assert ledger.renew("k", "ada", 10.0, now=105.0)
    assert ledger.claim("k", "bob", 10.0, now=114.0) == Taken(115.0)


def test_a_released_key_is_free(ledger: Ledger):
    ledger.claim("k", "ada", 10.0, now=100.0)
    ledger.release("k", "ada")
    assert isinstance(ledger.claim("k", "bob", 10.0, now=101.0), Claim)


def test_an_answer_is_returned_and_never_leased(ledger: Ledger, url: str):
    ledger.claim("k", "ada", 10.0, now=100.0)
    ledger.record_answer(make_answer())
    assert ledger.claim("k", "bob", 10.0, now=101.0) == make_answer()
    assert not ledger.renew("k", "ada", 10.0, now=102.0)
    assert ask(url, "SELECT count(*) FROM leases") == [(0,)]


def test_an_answer_recorded_since_the_look_is_returned(ledger: Ledger):
    # Another process records between the look for an answer and the transaction of the lease.
    ledger.record_answer(make_answer())
    with ledger.writing() as opened:
        assert opened.claim("k", "ada", 10.0) == make_answer()
    with ledger.writing() as opened:
        assert not opened.renew("k", "ada", 10.0)


def test_two_groups_of_one_owner_in_one_tick_of_the_clock_have_one_lease(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(ledger_writes, "tell_time", lambda _: 100.0)
    with ledger.writing() as first:
        assert first.claim_all(["k", "k", "l"], "ada", 60.0) == [
            Claim("k", "ada", 160.0),
            Taken(160.0),
            Claim("l", "ada", 160.0),
        ]
    with ledger.writing() as second:
        assert second.claim_all(["k", "m"], "ada", 60.0) == [Taken(160.0), Claim("m", "ada", 160.0)]


def test_without_a_time_the_clock_of_the_database_counts(ledger: Ledger):
    ledger.claim("k", "ada", 1000.0)
    ledger.claim("l", "ada", -1.0)
    assert isinstance(ledger.claim("k", "bob", 10.0), Taken)
    assert isinstance(ledger.claim("l", "bob", 10.0), Claim)


def test_what_fails_inside_a_transaction_leaves_no_lease(ledger: Ledger):
    def claim_and_fail() -> None:
        with ledger.writing() as opened:
            opened.claim("k", "ada", 10.0, now=100.0)
            raise LedgerError("injected")

    with pytest.raises(LedgerError, match="injected"):
        claim_and_fail()
    assert isinstance(ledger.claim("k", "bob", 10.0, now=100.0), Claim)


@given(asked=st.lists(ASKED, max_size=30))
def test_a_key_has_one_holder_at_a_time(lasting: Ledger, asked: list[tuple[str, str, str, float]]):
    now = 0.0
    example = next(EXAMPLES)
    holders: dict[str, tuple[str, float]] = {}
    answered: set[str] = set()
    for act, letter, owner, passed in asked:
        key = f"{letter}{example}"
        now += passed
        holder, until = holders.get(key, ("", 0.0))
        match act:
            case "claim":
                got = lasting.claim(key, owner, 10.0, now=now)
                free = until <= now
                expected = Claim if free else Taken
                assert type(got) is (Answer if key in answered else expected)
                if isinstance(got, Claim):
                    holders[key] = (owner, got.until)
            case "renew":
                assert lasting.renew(key, owner, 10.0, now=now) == (holder == owner)
                if holder == owner:
                    holders[key] = (owner, now + 10.0)
            case "release":
                lasting.release(key, owner)
                if holder == owner:
                    del holders[key]
            case _:
                lasting.record_answer(make_answer(key))
                answered.add(key)
                holders.pop(key, None)


def test_two_processes_never_hold_one_key(url: str):
    n_keys = 150
    runners = [start(claim_all, url, owner, n_keys) for owner in ("ada", "bob")]
    for _, said in runners:
        assert hear(said) == "ready"
    for _, said in runners:
        said.send("go")
    won = [hear(said) for _, said in runners]
    for process, _ in runners:
        process.join(60)
    assert sorted(won[0] + won[1], key=int) == list(map(str, range(n_keys)))
    with open_ledger(url) as ledger:
        texts = [ledger.find_answer(str(n)) for n in range(n_keys)]
    assert all(text is not None for text in texts)


def kill_between_claim_and_answer(url: str, owner: str) -> Claim:
    process, said = start(claim_and_hang, url, owner)
    lease = hear(said)
    process.kill()
    process.join(60)
    said.close()
    assert isinstance(lease, Claim)
    return lease


def test_a_killed_process_is_waited_for_until_its_lease_runs_out(url: str):
    lease = kill_between_claim_and_answer(url, "unnamed")
    with open_ledger(url) as ledger:
        assert ledger.claim("k", "heir", 60.0, now=lease.until - 1.0) == Taken(lease.until)
        assert isinstance(ledger.claim("k", "heir", 60.0, now=lease.until), Claim)
        ledger.record_answer(make_answer(text="once"))
        ledger.record_answer(make_answer(text="twice"))
        assert ledger.find_answer("k") == make_answer(text="once")
    assert ask(url, "SELECT count(*) FROM answers") == [(1,)]


def test_a_killed_process_that_named_itself_is_not_waited_for(url: str):
    lease = kill_between_claim_and_answer(url, "")
    with open_ledger(url) as ledger:
        heir = ledger.claim("k", "heir", 60.0, now=lease.until - 30.0)
    assert heir == Claim("k", "heir", lease.until + 30.0)


def test_a_running_process_that_named_itself_keeps_its_lease(url: str):
    process, said = start(claim_and_hang, url, "")
    lease = hear(said)
    with open_ledger(url) as ledger:
        assert ledger.claim("k", "heir", 60.0, now=lease.until - 30.0) == Taken(lease.until)
    said.send("done")
    process.join(60)
    assert process.exitcode == 0
