"""Answers and leases of many coroutines to the disk, in as few commits as it takes.

A commit waits for the disk, and one that waits in the event loop stops every call in flight. Here
it waits in a thread, and what is asked for meanwhile shares the next one.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from clerp.ledger.ledger import Ledger
from clerp.ledger.record import Answer, Claim, Taken
from clerp.ledger.writes import LedgerWrites

_Outcome = TypeVar("_Outcome")


@dataclass(frozen=True, slots=True)
class _Change:
    key: str
    apply: Callable[[LedgerWrites], Any]
    done: "asyncio.Future[Any]"
    unless_answered: bool
    """An answer that is there already is the outcome, and nothing is written."""


class GroupCommit:
    """A ledger for one event loop: the same methods, and what they say is on disk, too."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._waiting: list[_Change] = []
        # Done when nothing is left to write. No task: whoever cancels all tasks of the loop, as on
        # SIGTERM, would cancel what they wait for before they end.
        self._flushed: asyncio.Future[None] | None = None

    async def claim(self, key: str, owner: str, seconds: float) -> Claim | Answer | Taken:
        """See `Ledger.claim`. Who is cancelled meanwhile leaves no lease behind."""
        claimed: asyncio.Future[Claim | Answer | Taken] = self._submit(
            key, lambda writes: writes.claim(key, owner, seconds), unless_answered=True
        )
        try:
            return await asyncio.shield(claimed)
        except asyncio.CancelledError:
            claimed.add_done_callback(partial(self._give_back, key, owner))
            raise

    async def renew(self, key: str, owner: str, seconds: float) -> bool:
        """See `Ledger.renew`."""
        return await self._submit(key, lambda writes: writes.renew(key, owner, seconds))

    async def release(self, key: str, owner: str) -> None:
        """See `Ledger.release`."""
        await self._submit(key, lambda writes: writes.release(key, owner))

    async def record_answer(self, answer: Answer) -> None:
        """See `Ledger.record_answer`. Who is cancelled meanwhile loses no answer."""
        await asyncio.shield(self._submit(answer.key, lambda writes: writes.record_answer(answer)))

    async def aclose(self) -> None:
        """Wait until all is on disk; the ledger itself stays open."""
        while self._flushed is not None:
            await asyncio.wait([self._flushed])

    def _submit(
        self,
        key: str,
        apply: Callable[[LedgerWrites], _Outcome],
        *,
        unless_answered: bool = False,
    ) -> "asyncio.Future[_Outcome]":
        loop = asyncio.get_running_loop()
        change = _Change(key, apply, loop.create_future(), unless_answered)
        self._waiting.append(change)
        if self._flushed is None:
            self._flushed = loop.create_future()
            loop.call_soon(self._flush, self._flushed)
        return change.done

    def _flush(self, flushed: "asyncio.Future[None]") -> None:
        # Everybody in the same order: on a server, two that hold what the other one waits for
        # would wait for ever. One key's changes stay in theirs.
        changes = sorted(self._waiting, key=lambda change: change.key)
        self._waiting = []
        committed = flushed.get_loop().run_in_executor(None, _commit, self._ledger, changes)
        committed.add_done_callback(partial(self._end_flush, flushed, changes))

    def _end_flush(
        self,
        flushed: "asyncio.Future[None]",
        changes: list[_Change],
        committed: "asyncio.Future[list[object]]",
    ) -> None:
        _tell(changes, committed)
        if self._waiting:
            self._flush(flushed)
        else:
            self._flushed = None
            flushed.set_result(None)

    def _give_back(self, key: str, owner: str, claimed: "asyncio.Future[Any]") -> None:
        if not claimed.exception() and isinstance(claimed.result(), Claim):
            self._submit(key, lambda writes: writes.release(key, owner))


def _commit(ledger: Ledger, changes: list[_Change]) -> list[object]:
    outcomes: list[object] = [
        ledger.find_answer(change.key) if change.unless_answered else None for change in changes
    ]
    left = [number for number, outcome in enumerate(outcomes) if outcome is None]
    if left:
        with ledger.writing() as writes:
            for number in left:
                outcomes[number] = changes[number].apply(writes)
    return outcomes


def _tell(changes: list[_Change], committed: "asyncio.Future[list[object]]") -> None:
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
