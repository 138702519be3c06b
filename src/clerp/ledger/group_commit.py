"""Answers and leases of many coroutines to the disk, in as few commits as it takes.

A commit waits for the disk, and one that waits in the event loop stops every call in flight. Here
it waits in a thread, and what is asked for meanwhile shares the next one.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol, runtime_checkable

from clerp.errors import LedgerBusyError
from clerp.ledger.ledger import Ledger
from clerp.ledger.patience import PATIENCE_SECONDS, PAUSE_SECONDS, tell_of_lock
from clerp.ledger.record import Answer, Claim, Taken


@runtime_checkable
class _Work(Protocol):
    """What can be done to many keys in one transaction; equal work is done together."""

    def commit(self, ledger: Ledger, subjects: Sequence[Any]) -> Sequence[object]:
        """Return an outcome for each subject."""
        ...


@dataclass(frozen=True, slots=True)
class _Change:
    work: _Work
    key: str
    subject: object
    """The key, or what is put under it."""
    done: "asyncio.Future[Any]"


class GroupCommit:
    """A ledger for one event loop: the same methods, and what they say is on disk, too.

    Answers in hand are paid for: where another process has locked the ledger, all wait for it.

    Args:
        ledger: Where all is written.
        patience: Seconds for which it may be locked without a break.
    """

    def __init__(self, ledger: Ledger, *, patience: float = PATIENCE_SECONDS) -> None:
        self._ledger = ledger
        self._patience = patience
        self._locked_since: float | None = None
        self._waiting: list[_Change] = []
        # Done when nothing is left to write. No task: whoever cancels all tasks of the loop, as on
        # SIGTERM, would cancel what they wait for before they end.
        self._flushed: asyncio.Future[None] | None = None

    async def claim(self, key: str, owner: str, seconds: float) -> Claim | Answer | Taken:
        """See `Ledger.claim`. Who is cancelled meanwhile leaves no lease behind."""
        claimed = self._submit(_Claiming(owner, seconds), key, key)
        try:
            return await asyncio.shield(claimed)
        except asyncio.CancelledError:
            claimed.add_done_callback(partial(self._give_back, key, owner))
            raise

    async def renew(self, key: str, owner: str, seconds: float) -> bool:
        """See `Ledger.renew`."""
        return await self._submit(_Renewing(owner, seconds), key, key)

    async def release(self, key: str, owner: str) -> None:
        """See `Ledger.release`."""
        await self._submit(_Releasing(owner), key, key)

    async def record_answer(self, answer: Answer) -> Answer:
        """See `Ledger.record_answer`. Who is cancelled meanwhile loses no answer."""
        return await asyncio.shield(self._submit(_Recording(), answer.key, answer))

    async def aclose(self) -> None:
        """Wait until all is on disk, or cannot be; the ledger itself stays open."""
        while self._flushed is not None:
            await asyncio.wait([self._flushed])

    def _submit(self, work: _Work, key: str, subject: object) -> "asyncio.Future[Any]":
        loop = asyncio.get_running_loop()
        change = _Change(work, key, subject, loop.create_future())
        self._waiting.append(change)
        if self._flushed is None:
            self._flushed = loop.create_future()
            loop.call_soon(self._flush, self._flushed)
        return change.done

    def _flush(self, flushed: "asyncio.Future[None]") -> None:
        """Begin a transaction for what waits longest, and for all like it."""
        work = self._waiting[0].work
        # Everybody in the same order: on a server, two that hold what the other one waits for
        # would wait for ever. Work of different kinds has no such order, and shares no transaction.
        changes = sorted(
            (change for change in self._waiting if change.work == work), key=lambda c: c.key
        )
        self._waiting = [change for change in self._waiting if change.work != work]
        subjects = [change.subject for change in changes]
        committed = flushed.get_loop().run_in_executor(None, work.commit, self._ledger, subjects)
        committed.add_done_callback(partial(self._end_flush, flushed, changes))

    def _end_flush(
        self,
        flushed: "asyncio.Future[None]",
        changes: list[_Change],
        committed: "asyncio.Future[Sequence[object]]",
    ) -> None:
        if self._should_wait(flushed.get_loop().time(), committed.exception()):
            self._waiting = [*changes, *self._waiting]
            flushed.get_loop().call_later(PAUSE_SECONDS, self._flush, flushed)
            return
        _tell(changes, committed)
        if self._waiting:
            self._flush(flushed)
        else:
            self._flushed = None
            flushed.set_result(None)

    def _should_wait(self, now: float, fault: BaseException | None) -> bool:
        """Say whether to try once more. When patience ends, all that waits is tried once more."""
        if not isinstance(fault, LedgerBusyError):
            self._locked_since = None
            return False
        if self._locked_since is None:
            self._locked_since = now
            tell_of_lock(self._patience)
        return now - self._locked_since < self._patience

    def _give_back(self, key: str, owner: str, claimed: "asyncio.Future[Any]") -> None:
        if not claimed.exception() and isinstance(claimed.result(), Claim):
            self._submit(_Releasing(owner), key, key)


@dataclass(frozen=True, slots=True)
class _Claiming:
    owner: str
    seconds: float

    def commit(self, ledger: Ledger, subjects: Sequence[str]) -> list[Claim | Answer | Taken]:
        # A finished run looks its answers up and writes nothing, nor waits for the lock.
        known = ledger.find_answers(subjects)
        missing = [key for key in subjects if key not in known]
        if not missing:
            return [known[key] for key in subjects]
        with ledger.writing() as writes:
            claimed = iter(writes.claim_all(missing, self.owner, self.seconds))
        return [known.get(key) or next(claimed) for key in subjects]


@dataclass(frozen=True, slots=True)
class _Recording:
    def commit(self, ledger: Ledger, subjects: Sequence[Answer]) -> list[Answer]:
        with ledger.writing() as writes:
            return writes.record_answers(subjects)


@dataclass(frozen=True, slots=True)
class _Renewing:
    owner: str
    seconds: float

    def commit(self, ledger: Ledger, subjects: Sequence[str]) -> list[bool]:
        with ledger.writing() as writes:
            return [writes.renew(key, self.owner, self.seconds) for key in subjects]


@dataclass(frozen=True, slots=True)
class _Releasing:
    owner: str

    def commit(self, ledger: Ledger, subjects: Sequence[str]) -> list[None]:
        with ledger.writing() as writes:
            return [writes.release(key, self.owner) for key in subjects]


def _tell(changes: list[_Change], committed: "asyncio.Future[Sequence[object]]") -> None:
    fault = committed.exception()
    for number, change in enumerate(changes):
        if change.done.cancelled():
            continue
        if fault is not None:
            change.done.set_exception(fault)
            # Whoever was cancelled meanwhile does not come for it, and asyncio would complain.
            change.done.exception()
        else:
            change.done.set_result(committed.result()[number])
