"""A provider in virtual time: it answers by a rule, and keeps what happened when."""

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tests.virtual_time import now

from clerp.errors import BusyError, ClerpError
from clerp.llm.pace import Pace


@dataclass(frozen=True)
class Turn:
    """What becomes of one request."""

    seconds: float = 2.0
    fault: Exception | None = None


@dataclass(frozen=True)
class Request:
    begun: float
    ended: float
    call: int
    fault: Exception | None


@dataclass
class SimulatedProvider:
    """Decides what becomes of a request when it begins."""

    choose: Callable[[], Turn]
    requests: list[Request] = field(default_factory=list)
    """Those that were replied to, in that order."""
    begun: list[float] = field(default_factory=list)
    in_flight: int = 0
    most_in_flight: int = 0
    held_until: float = 0.0
    """When it lets itself be asked again."""
    too_soon: int = 0
    """Requests before that."""

    async def ask(self, call: int = 0) -> int:
        begun = now()
        self.begun.append(begun)
        # Clocks add up seconds with an error in the last digit.
        self.too_soon += begun < self.held_until - 1e-9
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        turn = self.choose()
        try:
            await asyncio.sleep(turn.seconds)
        finally:
            self.in_flight -= 1
        self.requests.append(Request(begun, now(), call, turn.fault))
        if turn.fault is None:
            return call
        if isinstance(turn.fault, BusyError) and turn.fault.retry_after is not None:
            self.held_until = max(self.held_until, now() + turn.fault.retry_after)
        raise turn.fault

    def rate(self, start: float, end: float) -> float:
        """Answers a second within a span of time."""
        good = (r for r in self.requests if r.fault is None and start <= r.ended < end)
        return sum(1 for _ in good) / (end - start)


@dataclass(frozen=True)
class Outcome:
    """How a call ended."""

    ended: float
    fault: ClerpError | None


async def run_calls(
    pace: Pace, provider: SimulatedProvider, n: int, *, workers: int = 64
) -> list[Outcome]:
    """Make n calls, `workers` at once, as the labelling of a graph does."""
    places = asyncio.Semaphore(workers)

    async def call(number: int) -> Outcome:
        async with places:
            try:
                await pace.call(lambda: provider.ask(number))
            except ClerpError as fault:
                return Outcome(now(), fault)
            return Outcome(now(), None)

    return await asyncio.gather(*map(call, range(n)))


def make_pace(seed: int = 0, **given) -> Pace:
    """A pace in virtual time, whose draws depend on the seed alone."""
    return Pace(clock=now, random=random.Random(seed).random, **given)


def count_faults(outcomes: Sequence[Outcome]) -> int:
    return sum(outcome.fault is not None for outcome in outcomes)
