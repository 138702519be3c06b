"""Many coroutines on one ledger."""

import asyncio
import logging
import threading
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager

import pytest
from tests.unit.ledger.databases import lock
from tests.unit.ledger.records import make_answer

from clerp.errors import LedgerBusyError, LedgerError
from clerp.ledger import (
    Answer,
    Claim,
    GroupCommit,
    Ledger,
    LedgerWrites,
    Taken,
    end_owner,
    engine,
    open_ledger,
)


class SlowLedger(Ledger):
    """Counts transactions, and begins none before it may."""

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(ledger._engine, ledger._place)
        self.may_write = threading.Event()
        self.n_transactions = self.n_looks = 0

    def find_answers(self, keys: Sequence[str]) -> dict[str, Answer]:
        self.n_looks += 1
        return super().find_answers(keys)

    @contextmanager
    def writing(self) -> Generator[LedgerWrites]:
        self.may_write.wait(60)
        self.n_transactions += 1
        with super().writing() as writes:
            yield writes


@pytest.fixture
def slow(ledger: Ledger) -> SlowLedger:
    return SlowLedger(ledger)


async def begin(*tasks: "asyncio.Task[object]") -> None:
    for _ in range(3 * len(tasks)):
        await asyncio.sleep(0)


async def test_what_is_written_while_the_disk_is_busy_shares_a_commit(slow: SlowLedger):
    group = GroupCommit(slow)
    claims = [asyncio.create_task(group.claim(str(n), "ada", 60.0)) for n in range(50)]
    await begin(*claims)
    slow.may_write.set()
    assert all(isinstance(claim, Claim) for claim in await asyncio.gather(*claims))
    await asyncio.gather(*(group.record_answer(make_answer(str(n))) for n in range(50)))
    assert slow.n_transactions <= 4
    assert all(slow.find_answer(str(n)) for n in range(50))


async def test_an_answer_is_on_disk_when_it_is_acknowledged(slow: SlowLedger):
    group = GroupCommit(slow)
    recording = asyncio.create_task(group.record_answer(make_answer()))
    await begin(recording)
    assert not recording.done()
    assert slow.find_answer("k") is None
    slow.may_write.set()
    await recording
    assert slow.find_answer("k") == make_answer()


async def test_one_of_two_claims_at_once_wins(ledger: Ledger):
    group = GroupCommit(ledger)
    won = await asyncio.gather(*(group.claim("k", "ada", 60.0) for _ in range(2)))
    assert [type(one) for one in won] == [Claim, Taken]


async def test_leases_are_renewed_and_released(ledger: Ledger):
    group = GroupCommit(ledger)
    await group.claim("k", "ada", 60.0)
    assert await group.renew("k", "ada", 60.0)
    assert not await group.renew("k", "bob", 60.0)
    await group.release("k", "ada")
    assert isinstance(await group.claim("k", "bob", 60.0), Claim)


async def test_a_known_answer_is_returned_without_a_write(slow: SlowLedger, ledger: Ledger):
    ledger.record_answer(make_answer())
    assert await GroupCommit(slow).claim("k", "ada", 60.0) == make_answer()
    assert slow.n_transactions == 0


async def test_a_claim_that_is_cancelled_leaves_no_lease(slow: SlowLedger):
    group = GroupCommit(slow)
    claim = asyncio.create_task(group.claim("k", "ada", 60.0))
    await begin(claim)
    claim.cancel()
    slow.may_write.set()
    with pytest.raises(asyncio.CancelledError):
        await claim
    await group.aclose()
    assert isinstance(slow.claim("k", "bob", 60.0), Claim)


async def test_an_answer_is_kept_when_who_records_it_is_cancelled(slow: SlowLedger):
    group = GroupCommit(slow)
    recording = asyncio.create_task(group.record_answer(make_answer()))
    await begin(recording)
    recording.cancel()
    slow.may_write.set()
    with pytest.raises(asyncio.CancelledError):
        await recording
    await group.aclose()
    assert slow.find_answer("k") == make_answer()


async def test_a_commit_that_fails_is_told_to_all_who_waited_for_it(
    slow: SlowLedger, ledger: Ledger
):
    group = GroupCommit(slow)
    with ledger._engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE leases")
    claims = [asyncio.create_task(group.claim(str(n), "ada", 60.0)) for n in range(3)]
    await begin(*claims)
    slow.may_write.set()
    told = await asyncio.gather(*claims, return_exceptions=True)
    assert [type(one) for one in told] == [LedgerError] * 3
    await group.aclose()


async def test_claims_at_once_find_answers_and_what_others_hold(slow: SlowLedger, ledger: Ledger):
    ledger.record_answer(make_answer("c"))
    ledger.claim("b", "bob", 60.0)
    group = GroupCommit(slow)
    slow.may_write.set()
    outcomes = await asyncio.gather(*(group.claim(key, "ada", 60.0) for key in "cbad"))
    assert [type(one) for one in outcomes] == [Answer, Taken, Claim, Claim]
    assert outcomes[0] == make_answer("c")
    assert slow.n_transactions == 1
    # What has an answer is nobody's.
    assert not ledger.renew("c", "ada", 60.0)
    assert ledger.renew("a", "ada", 60.0)


async def test_claims_of_what_is_on_record_are_one_look_and_wait_for_no_lock(
    slow: SlowLedger, ledger: Ledger
):
    for key in "abc":
        ledger.record_answer(make_answer(key))
    group = GroupCommit(slow)
    outcomes = await asyncio.gather(*(group.claim(key, "ada", 60.0) for key in "cabc"))
    assert outcomes == [make_answer(key) for key in "cabc"]
    assert (slow.n_looks, slow.n_transactions) == (1, 0)


async def test_claims_at_once_take_over_from_those_who_are_gone(ledger: Ledger):
    for key, holder in (("a", "gone"), ("b", "here")):
        ledger.claim(key, holder, 60.0)
    end_owner("gone")
    group = GroupCommit(ledger)
    outcomes = await asyncio.gather(*(group.claim(key, "ada", 60.0) for key in "0ab"))
    assert [type(one) for one in outcomes] == [Claim, Claim, Taken]
    assert ledger.renew("a", "ada", 60.0)


async def test_answers_at_once_leave_those_that_are_there_and_end_the_leases(ledger: Ledger):
    ledger.record_answer(make_answer("a", text="first"))
    ledger.claim("b", "ada", 60.0)
    group = GroupCommit(ledger)
    kept = await asyncio.gather(
        *(group.record_answer(make_answer(key, text="second")) for key in "ab")
    )
    assert [answer.text for answer in kept] == ["first", "second"]
    found = [ledger.find_answer(key) for key in "ab"]
    assert [answer and answer.text for answer in found] == ["first", "second"]
    assert not ledger.renew("b", "ada", 60.0)


async def test_of_two_answers_at_once_under_one_key_both_get_the_one_that_is_kept(ledger: Ledger):
    group = GroupCommit(ledger)
    kept = await asyncio.gather(
        *(group.record_answer(make_answer(text=text)) for text in ("one", "other"))
    )
    assert kept == [ledger.find_answer("k")] * 2


@pytest.fixture
def impatient(url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ledger]:
    """A ledger for which the database does not wait long."""
    monkeypatch.setattr(engine, "BUSY_TIMEOUT_SECONDS", 0.01)
    with open_ledger(url) as opened:
        yield opened


async def await_warning(caplog: pytest.LogCaptureFixture) -> None:
    async with asyncio.timeout(60):
        while "has locked the ledger" not in caplog.text:
            await asyncio.sleep(0.01)


async def test_answers_and_claims_outlast_a_lock_and_say_once_that_they_wait(
    impatient: Ledger, url: str, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.WARNING, "clerp")
    group = GroupCommit(impatient)
    with lock(url) as other:
        claim = asyncio.create_task(group.claim("l", "ada", 60.0))
        recording = asyncio.create_task(group.record_answer(make_answer()))
        await await_warning(caplog)
        assert impatient.find_answer("k") is None
        other.rollback()
        assert await recording == make_answer()
        assert isinstance(await claim, Claim)
    assert impatient.find_answer("k") == make_answer()
    assert [record.message for record in caplog.records] == [
        "Another process has locked the ledger: waiting for it, 600 s at most"
    ]


async def test_a_lock_that_outlasts_patience_is_told_to_all_who_wait(impatient: Ledger, url: str):
    group = GroupCommit(impatient, patience=0.1)
    with lock(url):
        told = await asyncio.gather(
            group.claim("l", "ada", 60.0),
            group.record_answer(make_answer()),
            group.release("l", "ada"),
            return_exceptions=True,
        )
        assert [type(one) for one in told] == [LedgerBusyError] * 3
        await group.aclose()
    assert await group.record_answer(make_answer()) == make_answer()


async def test_closing_waits_for_a_lock_until_the_answers_are_on_disk(
    impatient: Ledger, url: str, caplog: pytest.LogCaptureFixture
):
    group = GroupCommit(impatient)
    with lock(url) as other:
        recording = asyncio.create_task(group.record_answer(make_answer()))
        await await_warning(caplog)
        recording.cancel()
        closing_group = asyncio.create_task(group.aclose())
        await begin(closing_group)
        assert not closing_group.done()
        other.rollback()
        await closing_group
    assert impatient.find_answer("k") == make_answer()
