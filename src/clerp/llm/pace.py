"""The pace of all calls to one provider: as fast as it answers, and no faster than it asks for."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass
from typing import TypeVar

from clerp.errors import BusyError, DeniedError, FormatError, TransportError
from clerp.llm.breaker import Breaker
from clerp.llm.limit import AdaptiveLimit

T = TypeVar("T")

# Seconds: the greatest wait after the first busy reply, which doubles with each, and its bound.
_FIRST_WAIT, _LONGEST_WAIT = 1.0, 30.0
# Seconds over which those that waited for the end of a cool-down begin.
_SPREAD = 1.0


@dataclass(frozen=True, slots=True)
class PaceSettings:
    """When a call is given up, and when the provider is."""

    attempts: int = 5
    """Requests of one call that may end busy."""
    patience: float = 300.0
    """Seconds from its first busy reply in which one that tells when to ask again costs a call no
    attempt: half of all requests refused for a minute would use up five of some call."""
    failures: int = 10
    """Busy replies in a row, of all calls, after which the provider is left alone."""
    rest: float = 30.0
    """Seconds in which it is left alone."""
    openings: int = 3
    """Times that it is left alone, without an answer in between, before all calls are given up."""


_DEFAULTS = PaceSettings()


@dataclass(frozen=True, slots=True)
class PaceFigures:
    """What the calls came to so far."""

    requests: int
    retries: int
    """Requests that repeat an earlier one of the same call."""
    busy: int
    """Busy replies."""
    longest_wait: float
    """Seconds from a busy reply to the next request of the same call, at most."""
    limit: int
    """Requests that may be under way now."""


@dataclass(frozen=True, slots=True)
class _Request:
    begun_in: int
    is_probe: bool


class Pace:
    """Shared by all calls to one provider, in one event loop.

    Calls begin in the order in which they came, a repeated one behind those that wait. How many are
    under way follows the replies (see `AdaptiveLimit`). When the provider says when to ask again,
    no call asks sooner, and all that waited begin over a second, not at once. When it is down,
    calls wait for a probe (see `Breaker`). When it denies one call, none is made any more.

    Args:
        most: Requests under way at once, at the start and at most.
        clock: Tells the seconds.
        sleep: Waits for seconds.
        random: Draws from [0, 1).
        settings: When to give up.
    """

    def __init__(
        self,
        *,
        most: int = 64,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        random: Callable[[], float] = random.random,
        settings: PaceSettings = _DEFAULTS,
    ) -> None:
        self._clock = clock
        self._sleep = sleep
        self._random = random
        self._settings = settings
        self._limit = AdaptiveLimit(most)
        self._breaker = Breaker(
            failures=settings.failures, rest=settings.rest, openings=settings.openings
        )
        # First come, first served: whoever holds it begins next.
        self._door = asyncio.Lock()
        self._change: asyncio.Future[None] | None = None
        self._sleepers: set[asyncio.Future[None]] = set()
        self._resumes_at = self._not_before = float("-inf")
        self._over: TransportError | None = None
        self._requests = self._retries = self._busy = 0
        self._longest_wait = 0.0

    @property
    def figures(self) -> PaceFigures:
        """What the calls came to so far."""
        return PaceFigures(
            requests=self._requests,
            retries=self._retries,
            busy=self._busy,
            longest_wait=self._longest_wait,
            limit=self._limit.value,
        )

    async def call(
        self,
        ask: Callable[[], Awaitable[T]],
        *,
        prepared: Callable[[], AbstractAsyncContextManager[None]] = nullcontext,
    ) -> T:
        """Ask when it is this call's turn, and again while the provider is busy.

        Args:
            ask: Makes one request.
            prepared: What each request needs and may have to wait for; entered before the turn is
                waited for, since a turn that waits is one in which nobody asks, and what was true
                at its beginning may be so no longer.

        Raises:
            BusyError: The provider was busy too often.
            DeniedError: It denied this call or an earlier one.
            TransportError: It is down.
            Exception: Whatever else `ask` raises, unchanged.
        """
        retry = _Retry(self._settings, self._random)
        while True:
            self._check_open()
            try:
                async with prepared():
                    return await self._ask(ask, retry)
            except BusyError as fault:
                wait = retry.choose_wait(fault, self._clock())
            self._check_open()
            await self._pause(wait)

    def stop(self, fault: TransportError) -> None:
        """Give up all calls that have not begun, for this reason."""
        self._over = self._over or fault
        self._rouse()

    async def _ask(self, ask: Callable[[], Awaitable[T]], retry: "_Retry") -> T:
        request = await self._begin(retry)
        try:
            answer = await ask()
        except BusyError as fault:
            self._note_busy(request, fault)
            raise
        except DeniedError as fault:
            self.stop(fault)
            raise
        except FormatError:
            self._note_answer(request)
            raise
        else:
            self._note_answer(request)
            return answer
        finally:
            self._end(request)

    async def _begin(self, retry: "_Retry") -> _Request:
        async with self._door:
            await self._wait_for_turn()
            self._keep_apart()
            self._count(retry)
            return _Request(self._limit.begin(), self._breaker.begin())

    async def _wait_for_turn(self) -> None:
        while True:
            self._check_open()
            wait = max(self._not_before, self._breaker.rests_until) - self._clock()
            if self._breaker.is_probing or not self._limit.has_room:
                await self._wait_for_change()
            elif wait > 0:
                await self._pause(wait)
            else:
                return

    async def _wait_for_change(self) -> None:
        self._change = asyncio.get_running_loop().create_future()
        await self._change

    async def _pause(self, seconds: float) -> None:
        """Sleep, but not on when all calls are given up or the provider is back."""
        sleeper: asyncio.Future[None] = asyncio.ensure_future(self._sleep(seconds))
        self._sleepers.add(sleeper)
        try:
            await asyncio.wait([sleeper])
        finally:
            self._sleepers.discard(sleeper)
            sleeper.cancel()

    def _check_open(self) -> None:
        if self._over is not None:
            # One of its own for every call: tracebacks and details are added to it.
            raise type(self._over)(
                self._over.what, where=self._over.where, remedy=self._over.remedy
            )

    def _keep_apart(self) -> None:
        now, spread_out = self._clock(), self._resumes_at + _SPREAD
        if now < spread_out:
            gap = 2 * self._random() * _SPREAD / self._limit.value
            self._not_before = min(now + gap, spread_out)

    def _count(self, retry: "_Retry") -> None:
        self._requests += 1
        if retry.busy_at is not None:
            self._retries += 1
            self._longest_wait = max(self._longest_wait, self._clock() - retry.busy_at)

    def _end(self, request: _Request) -> None:
        self._limit.end()
        if request.is_probe:
            self._breaker.end_probe()
        self._wake()

    def _note_answer(self, request: _Request) -> None:
        if self._breaker.is_open:
            self._hold_until(self._clock())
            self._rouse()
        self._breaker.note_answer()
        self._limit.note_answer(request.begun_in)

    def _note_busy(self, request: _Request, fault: BusyError) -> None:
        now = self._clock()
        self._busy += 1
        self._limit.note_busy(request.begun_in)
        # Who says when to ask again is there.
        is_known = fault.retry_after is not None
        is_last = self._limit.in_flight == 1
        self._breaker.note_failure(
            now, is_probe=request.is_probe, is_known=is_known, is_last=is_last
        )
        if fault.retry_after is not None:
            self._hold_until(now + fault.retry_after)
        if self._breaker.gives_up:
            self.stop(_down(fault))

    def _hold_until(self, moment: float) -> None:
        self._resumes_at = max(self._resumes_at, moment)
        self._not_before = max(self._not_before, moment)

    def _rouse(self) -> None:
        for sleeper in self._sleepers:
            sleeper.cancel()

    def _wake(self) -> None:
        if self._change is not None and not self._change.done():
            self._change.set_result(None)


class _Retry:
    """What is left of one call's attempts."""

    def __init__(self, settings: PaceSettings, random: Callable[[], float]) -> None:
        self._settings = settings
        self._random = random
        self._n_busy = self._n_attempts = 0
        self._gives_from = float("inf")
        self.busy_at: float | None = None
        """When its last request ended busy."""

    def choose_wait(self, fault: BusyError, now: float) -> float:
        """Return the seconds that this call waits, whatever all calls wait for.

        Exponential with full jitter (Marc Brooker, "Exponential Backoff And Jitter", 2015).

        Raises:
            BusyError: The fault, when no attempt is left.
        """
        if self.busy_at is None:
            self._gives_from = now + self._settings.patience
        self.busy_at = now
        self._n_busy += 1
        if fault.retry_after is None or now >= self._gives_from:
            self._n_attempts += 1
        if self._n_attempts >= self._settings.attempts:
            raise fault
        # Nobody waits beyond the bound, and a float overflows at last.
        ceiling = min(_LONGEST_WAIT, _FIRST_WAIT * 2 ** min(self._n_busy - 1, 16))
        return self._random() * ceiling


def _down(fault: BusyError) -> TransportError:
    return TransportError(
        f"the provider is down: {fault.what}",
        where=fault.where,
        remedy="Run the same command again later: what was answered is kept",
    )
