"""Answers on record: the ledger first, then whoever holds the lease asks, some at a time."""

import asyncio
import logging
import time
import traceback
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from clerp.errors import ClerpError, ExhaustedError, LedgerError, VerbalizerError
from clerp.ledger import Answer, Claim, GroupCommit, Ledger, Taken, end_owner, name_owner
from clerp.llm.redaction import hide_keys, redact

LEASE_SECONDS = 600.0
"""After which another run may ask; who still asks renews it. A run that died on this machine is
taken over sooner."""
CHUNK = 32
"""Questions that are asked at once, by default; as many are lost when a run is killed."""
MOST_FAULTS = 8
"""Questions in a row, asked one by one, after whose failure no more is asked: more than one
feature has places where it fires."""
_NUMBERED = 100
"""Numbered answers that are looked up at once."""
_LONGEST_POLL = 2.0
"""Seconds after which one looks again whether another run has answered."""

_log = logging.getLogger("clerp")

Ask = Callable[[Sequence[int]], Awaitable[Sequence[Answer]]]
"""Asks the questions with these numbers, all or none: an answer for each, or VerbalizerError."""
Found = Answer | VerbalizerError
Advance = Callable[[int], None]
"""Is told how many more questions are settled."""
_Result = TypeVar("_Result")


def ignore_advance(_: int) -> None:
    """Tell nobody."""


@dataclass(slots=True)
class Answers:
    """Answers to keyed questions, none of which is asked twice. For one event loop."""

    ledger: Ledger
    may_ask: bool = True
    """False makes it use only what is on record."""
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    lease_seconds: float = LEASE_SECONDS
    owner: str = field(default_factory=name_owner)
    n_asked: int = 0
    """Questions that were put to somebody."""
    used: dict[str, Answer] = field(default_factory=dict[str, Answer])
    """All answers so far, by key."""
    _commits: GroupCommit = field(init=False)
    _n_faults: int = 0
    _fault: VerbalizerError | None = None

    def __post_init__(self) -> None:
        self._commits = GroupCommit(self.ledger)

    async def find(
        self,
        keys: Sequence[str],
        ask: Ask,
        *,
        chunk: int = CHUNK,
        advance: Advance = ignore_advance,
    ) -> list[Found]:
        """Return the answer to each question, or why there is none.

        What fails together is asked once more, one by one, so that one question takes no other with
        it; who fails on `MOST_FAULTS` in a row, or says that it is exhausted, is asked no more.

        Args:
            keys: Of the questions; equal ones are one question.
            ask: Puts those that nobody has answered.
            chunk: How many at once.
            advance: Is told of what was on record, and of each chunk.

        Raises:
            LedgerError: The ledger failed.
        """
        numbers = {key: number for number, key in reversed(list(enumerate(keys)))}
        found: dict[str, Found] = dict(await self._look_up(list(numbers)))
        advance(len(found))
        missing = [key for key in dict.fromkeys(keys) if key not in found]
        for start in range(0, len(missing), chunk):
            asked = missing[start : start + chunk]
            found |= await self._find_chunk(asked, numbers, ask)
            advance(len(asked))
        self.used |= {key: one for key, one in found.items() if isinstance(one, Answer)}
        return [found[key] for key in keys]

    def forgive(self) -> None:
        """Forget faults, before something else is asked that may well be answered."""
        self._n_faults, self._fault = 0, None

    async def aclose(self) -> None:
        """Wait until all is on disk; the ledger stays open."""
        await self._commits.aclose()
        end_owner(self.owner)

    async def _look_up(self, keys: Sequence[str]) -> dict[str, Answer]:
        return await asyncio.to_thread(self.ledger.find_answers, keys)

    async def _find_chunk(
        self, keys: Sequence[str], numbers: dict[str, int], ask: Ask
    ) -> dict[str, Found]:
        if not self.may_ask:
            return {key: refuse() for key in keys}
        found: dict[str, Found] = {}
        waiting = list(keys)
        while waiting:
            claims = await self._claim(waiting)
            found |= {key: one for key, one in claims.items() if isinstance(one, Answer)}
            mine = [key for key, one in claims.items() if isinstance(one, Claim)]
            found |= await self._ask_and_record(mine, numbers, ask)
            taken = {key: one for key, one in claims.items() if isinstance(one, Taken)}
            waiting = list(taken)
            if waiting and not mine:
                await self.sleep(_choose_poll(list(taken.values())))
        return found

    async def _claim(self, keys: Sequence[str]) -> dict[str, Claim | Answer | Taken]:
        claimed = await asyncio.gather(
            *(self._commits.claim(key, self.owner, self.lease_seconds) for key in keys)
        )
        return dict(zip(keys, claimed, strict=True))

    async def _ask_and_record(
        self, keys: Sequence[str], numbers: dict[str, int], ask: Ask
    ) -> dict[str, Found]:
        if not keys:
            return {}
        try:
            asked = await self._ask(keys, numbers, ask)
            answers = [one for one in asked.values() if isinstance(one, Answer)]
            await asyncio.gather(*map(self._commits.record_answer, answers))
        except BaseException:  # re-raised: a cancellation too must not leave leases behind
            await asyncio.shield(self._release(keys))
            raise
        await self._release([key for key in keys if not isinstance(asked[key], Answer)])
        return asked

    async def _ask(
        self, keys: Sequence[str], numbers: dict[str, int], ask: Ask
    ) -> dict[str, Found]:
        try:
            return await self._ask_together(keys, numbers, ask)
        except VerbalizerError as fault:
            if len(keys) == 1 or self._is_hopeless:
                return dict.fromkeys(keys, fault)
        asked: dict[str, Found] = {}
        for key in keys:
            asked |= await self._ask([key], numbers, ask)
        return asked

    async def _ask_together(
        self, keys: Sequence[str], numbers: dict[str, int], ask: Ask
    ) -> dict[str, Found]:
        if self._fault is not None and self._is_hopeless:
            raise self._fault
        self.n_asked += len(keys)
        try:
            answers = await self._hold(keys, ask([numbers[key] for key in keys]))
        except VerbalizerError as fault:
            self._fault = fault
            self._n_faults += len(keys) == 1
            if isinstance(fault, ExhaustedError):
                self._n_faults = MOST_FAULTS
            raise
        self._n_faults = 0
        return dict(zip(keys, answers, strict=True))

    @property
    def _is_hopeless(self) -> bool:
        return self._n_faults >= MOST_FAULTS

    async def _hold(self, keys: Sequence[str], asking: Awaitable[Sequence[Answer]]) -> list[Answer]:
        """Wait for answers, and keep the leases meanwhile."""
        task = asyncio.ensure_future(blame(asking))
        try:
            while not (await asyncio.wait([task], timeout=self.lease_seconds / 3))[0]:
                # Who has lost one by now answers all the same: the first answer stays.
                await asyncio.gather(
                    *(self._commits.renew(key, self.owner, self.lease_seconds) for key in keys)
                )
            return list(task.result())
        finally:
            task.cancel()

    async def _release(self, keys: Sequence[str]) -> None:
        await asyncio.gather(*(self._commits.release(key, self.owner) for key in keys))


async def blame(asking: Awaitable[_Result]) -> _Result:
    """Turn whatever goes wrong in a verbalizer into what its features can say.

    Raises:
        VerbalizerError: It broke, in whatever way.
        LedgerError: The ledger failed.
    """
    try:
        return await asking
    except (VerbalizerError, LedgerError):
        raise
    except ClerpError as fault:
        raise VerbalizerError(fault.what, where=fault.where, remedy=fault.remedy) from fault
    except Exception as fault:  # noqa: BLE001 - raised again, as what the features can say
        told = hide_keys("".join(traceback.format_exception(fault)))
        _log.debug("a verbalizer broke\n%s", told)
        broke = VerbalizerError(
            f"the verbalizer broke: {redact(f'{type(fault).__name__}: {fault}')}"
        )
        # Its own exception may hold a key, and so would a traceback.
        raise broke from None


def refuse() -> VerbalizerError:
    """Return what is said of a question that nobody may be asked."""
    return VerbalizerError(
        "it is not in the ledger, and nobody may be asked", remedy="Run once without --offline"
    )


def check_count(returned: Sequence[object], asked: Sequence[object]) -> None:
    """Check that there is one answer to each question.

    Raises:
        VerbalizerError: There are more or fewer.
    """
    if len(returned) != len(asked):
        raise VerbalizerError(f"{len(returned)} answers to {len(asked)} questions")


def read_found(found: Found, read: Callable[[Answer], _Result]) -> _Result | VerbalizerError:
    """Read an answer; what cannot be read is a fault."""
    if isinstance(found, VerbalizerError):
        return found
    try:
        return read(found)
    except VerbalizerError as fault:
        return fault


def list_numbered(ledger: Ledger, make_key: Callable[[int], str]) -> list[Answer]:
    """List the answers whose keys are numbered from 0 on, as far as they go.

    Raises:
        LedgerError: The ledger failed.
    """
    known: list[Answer] = []
    while True:
        keys = [make_key(number) for number in range(len(known), len(known) + _NUMBERED)]
        found = ledger.find_answers(keys)
        known += [found[key] for key in keys if key in found]
        if len(found) < len(keys):
            return known


def _choose_poll(taken: Sequence[Taken]) -> float:
    return max(0.05, min(_LONGEST_POLL, min(one.until for one in taken) - time.time()))
