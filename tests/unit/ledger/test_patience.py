"""A run's last write waits for another process as long as its answers do."""

import logging
from collections.abc import Callable
from functools import partial

import pytest
from tests.unit.ledger.databases import lock
from tests.unit.ledger.records import make_item, queue

from clerp.errors import LedgerBusyError, LedgerError
from clerp.ledger import Ledger, engine, open_ledger
from clerp.ledger.patience import PATIENCE_SECONDS, PAUSE_SECONDS, wait_for_lock


class Clock:
    """Time that passes only where it is slept."""

    def __init__(self) -> None:
        self.now = 0.0

    def read(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def locked_until(clock: Clock, moment: float) -> Callable[[], str]:
    def write() -> str:
        if clock.now < moment:
            raise LedgerBusyError("locked")
        return "written"

    return write


def wait(clock: Clock, write: Callable[[], str], patience: float = PATIENCE_SECONDS) -> str:
    return wait_for_lock(write, patience=patience, clock=clock.read, sleep=clock.sleep)


def test_what_is_free_is_written_at_once(caplog: pytest.LogCaptureFixture):
    clock = Clock()
    assert wait(clock, lambda: "written") == "written"
    assert (clock.now, caplog.text) == (0.0, "")


def test_a_lock_is_outlasted_and_told_of_once(caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.WARNING, "clerp")
    clock = Clock()
    assert wait(clock, locked_until(clock, PATIENCE_SECONDS - 1)) == "written"
    assert clock.now == pytest.approx(PATIENCE_SECONDS - 1, abs=PAUSE_SECONDS)
    assert [record.message for record in caplog.records] == [
        "Another process has locked the ledger: waiting for it, 600 s at most"
    ]


def test_a_lock_that_outlasts_patience_is_told():
    clock = Clock()
    with pytest.raises(LedgerBusyError):
        wait(clock, locked_until(clock, 100.0), patience=3.0)
    assert clock.now == pytest.approx(3.0, abs=PAUSE_SECONDS)


def test_another_fault_is_not_waited_for():
    def fail() -> str:
        raise LedgerError("the disk is full")

    clock = Clock()
    with pytest.raises(LedgerError, match="disk is full"):
        wait(clock, fail)
    assert clock.now == 0.0


@pytest.fixture
def impatient(url: str, monkeypatch: pytest.MonkeyPatch) -> Ledger:
    """A ledger for which the database does not wait long."""
    monkeypatch.setattr(engine, "BUSY_TIMEOUT_SECONDS", 0.01)
    return open_ledger(url)


def test_a_queue_is_written_when_the_other_process_is_done(
    impatient: Ledger, url: str, monkeypatch: pytest.MonkeyPatch
):
    slept: list[float] = []
    with lock(url) as other, impatient as ledger:

        def sleep(seconds: float) -> None:
            slept.append(seconds)
            if len(slept) == 3:
                other.rollback()

        monkeypatch.setattr(
            "clerp.ledger.ledger.wait_for_lock", partial(wait_for_lock, sleep=sleep)
        )
        queue(ledger, make_item())
        assert ledger.queued() == [make_item()]
    assert slept == [PAUSE_SECONDS] * 3


def test_a_queue_that_cannot_be_written_in_time_leaves_all_as_it_was(
    impatient: Ledger, url: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("clerp.ledger.ledger.wait_for_lock", partial(wait_for_lock, patience=0.0))
    with impatient as ledger:
        with lock(url), pytest.raises(LedgerBusyError, match="has locked the ledger"):
            queue(ledger, make_item())
        assert ledger.queued() == []
