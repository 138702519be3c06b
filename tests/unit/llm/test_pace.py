import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import chain, pairwise, repeat

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.simulated_provider import SimulatedProvider, Turn, count_faults, make_pace, run_calls
from tests.virtual_time import now, run_in_virtual_time

from clerp.errors import BusyError, DeniedError, FormatError, TransportError
from clerp.llm.pace import Pace, PaceFigures, PaceSettings

GOOD = Turn(2.0)


def busy(retry_after: float | None = None, *, seconds: float = 0.1) -> Turn:
    return Turn(seconds, BusyError("overloaded", where="model", retry_after=retry_after))


def follow(*turns: Turn, then: Turn = GOOD) -> SimulatedProvider:
    """A provider that does these in order, then always the same."""
    script: Iterator[Turn] = chain(turns, repeat(then))
    return SimulatedProvider(lambda: next(script))


def make_patient(*, draw: float = 0.0, most: int = 64, **given: float) -> Pace:
    """A pace that draws the same number for ever."""
    kept = PaceSettings(**given)  # type: ignore[arg-type]
    return Pace(most=most, clock=now, random=lambda: draw, settings=kept)


def call_once(provider: SimulatedProvider, pace: Pace) -> Exception | None:
    async def work() -> Exception | None:
        try:
            await pace.call(provider.ask)
        except Exception as fault:  # noqa: BLE001 - compared by the caller
            return fault
        return None

    return run_in_virtual_time(work)


def test_calls_begin_at_once_up_to_the_most():
    provider, pace = follow(), make_pace()
    outcomes = run_in_virtual_time(lambda: run_calls(pace, provider, 2000, workers=2000))
    assert provider.begun[:64] == [0.0] * 64
    assert provider.most_in_flight == 64
    assert max(outcome.ended for outcome in outcomes) == pytest.approx(64.0)
    assert pace.figures == PaceFigures(2000, 0, 0, 0.0, 64)


def test_the_answer_is_returned():
    assert run_in_virtual_time(lambda: make_pace().call(lambda: follow().ask(7))) == 7


@pytest.mark.parametrize("fault", [FormatError("no schema"), TransportError("400"), ValueError()])
def test_what_asking_again_does_not_mend_is_raised_as_it_is(fault: Exception):
    provider = follow(Turn(1.0, fault))
    assert call_once(provider, make_pace()) is fault
    assert len(provider.begun) == 1


def test_a_call_that_stays_busy_is_given_up():
    provider, pace = follow(then=busy()), make_patient(attempts=4)
    assert isinstance(call_once(provider, pace), BusyError)
    assert pace.figures == PaceFigures(4, 3, 4, 0.0, 1)


def test_waits_grow_up_to_twice_the_last_and_are_drawn_from_zero():
    provider = follow(*[busy(seconds=0.0)] * 8)
    call_once(provider, make_patient(draw=1.0, attempts=9))
    waits = [b - a for a, b in pairwise(provider.begun)]
    assert waits == pytest.approx([1, 2, 4, 8, 16, 30, 30, 30])
    impatient = follow(*[busy(seconds=0.0)] * 8)
    call_once(impatient, make_patient(draw=0.0, attempts=9))
    assert impatient.begun == [0.0] * 9


def test_nobody_asks_sooner_than_the_provider_said():
    provider, pace = follow(busy(20.0)), make_patient(most=2)
    outcomes = run_in_virtual_time(lambda: run_calls(pace, provider, 10))
    assert not count_faults(outcomes)
    assert sorted(provider.begun)[2] == pytest.approx(20.1)
    assert provider.too_soon == 0
    assert pace.figures.longest_wait >= 20.0


def test_the_longest_of_several_cool_downs_holds():
    provider = follow(busy(20.0, seconds=1.0), busy(5.0, seconds=2.0))
    run_in_virtual_time(lambda: run_calls(make_patient(most=2), provider, 4))
    assert provider.begun[2] == pytest.approx(21.0)


def test_a_reply_that_says_when_costs_no_attempt_while_there_is_patience():
    refusals = [busy(5.0)] * 9
    assert call_once(follow(*refusals), make_patient(attempts=2)) is None
    given_up = call_once(follow(*refusals), make_patient(attempts=2, patience=12.0))
    assert isinstance(given_up, BusyError)


def test_zero_seconds_to_wait_are_no_invitation_to_ask_all_the_time():
    provider = SimulatedProvider(lambda: busy(0.0, seconds=0.01))
    pace = make_pace(settings=PaceSettings(failures=10_000))
    assert isinstance(call_once(provider, pace), BusyError)
    assert len(provider.begun) < 60


def test_those_that_waited_for_a_cool_down_begin_over_a_second():
    provider = follow(busy(10.0, seconds=0.5), then=Turn(30.0))
    pace = make_pace()

    async def work() -> None:
        # Alone, the first does not lower the limit for the others.
        first = asyncio.create_task(pace.call(provider.ask))
        await asyncio.sleep(1)
        await asyncio.gather(first, *(pace.call(provider.ask) for _ in range(20)))

    run_in_virtual_time(work)
    begun = [moment for moment in provider.begun if moment > 1]
    assert min(begun) >= 10.5
    together = max(sum(start <= moment < start + 0.1 for moment in begun) for start in begun)
    assert together <= 10


def test_after_a_cool_down_all_that_fit_begin_within_little_more_than_a_second():
    provider = follow(busy(10.0), then=Turn(5.0))
    pace = make_pace()
    run_in_virtual_time(lambda: run_calls(pace, provider, 500, workers=500))
    assert sum(10.1 <= moment <= 11.2 for moment in provider.begun) == pace.figures.limit - 2


def test_calls_begin_in_the_order_they_came_and_repeated_ones_behind():
    provider = follow(GOOD, busy(), GOOD)
    order: list[int] = []

    async def ask(number: int) -> None:
        order.append(number)
        await provider.ask(number)

    def ask_as(number: int) -> Callable[[], asyncio.Future[None]]:
        return lambda: asyncio.ensure_future(ask(number))

    async def work() -> None:
        pace = make_patient(most=1)
        await asyncio.gather(*(pace.call(ask_as(number)) for number in range(6)))

    run_in_virtual_time(work)
    assert order == [0, 1, 2, 3, 4, 5, 1]


def test_a_denial_ends_every_call_at_once():
    provider = follow(Turn(1.0, DeniedError("the key is refused", where="model", remedy="Look")))
    pace = make_pace(most=4)
    outcomes = run_in_virtual_time(lambda: run_calls(pace, provider, 500, workers=500))
    denied = [outcome for outcome in outcomes if isinstance(outcome.fault, DeniedError)]
    assert len(denied) == 497
    assert {outcome.ended for outcome in denied} == {1.0}
    assert len({id(outcome.fault) for outcome in denied}) == 497
    assert {str(outcome.fault) for outcome in denied} == {"model: the key is refused. Look"}
    assert len(provider.begun) == 4


def test_a_denial_wakes_those_that_sleep_and_stops_those_under_way_from_asking_again():
    provider = follow(
        busy(60.0), Turn(1.0, DeniedError("the key is refused")), busy(seconds=3.0), then=busy()
    )
    pace = make_patient(draw=1.0, most=3)
    outcomes = run_in_virtual_time(lambda: run_calls(pace, provider, 6, workers=6))
    assert all(isinstance(outcome.fault, DeniedError) for outcome in outcomes)
    assert sorted(outcome.ended for outcome in outcomes) == [1.0] * 5 + [3.0]
    assert len(provider.begun) == 3


def test_a_provider_that_was_never_there_is_given_up_without_a_rest():
    provider, pace = follow(then=busy(seconds=0.0)), make_pace()
    outcomes = run_in_virtual_time(lambda: run_calls(pace, provider, 500))
    assert count_faults(outcomes) == 500
    assert {str(outcome.fault) for outcome in outcomes} == {
        "model: the provider is down: overloaded. "
        "Run the same command again later: what was answered is kept"
    }
    assert max(outcome.ended for outcome in outcomes) == 0.0
    assert len(provider.begun) == 64


def test_the_first_reason_to_stop_is_the_one_that_is_told():
    provider = follow(Turn(1.0, DeniedError("the key is refused")), busy(seconds=2.0))
    pace = make_patient(most=2, failures=1)
    outcomes = run_in_virtual_time(lambda: run_calls(pace, provider, 3))
    assert {str(outcome.fault) for outcome in outcomes} == {"the key is refused"}


def test_an_answer_that_is_no_label_shows_that_the_provider_is_there():
    provider = follow(busy(), Turn(1.0, FormatError("no schema")), busy())
    outcomes = run_in_virtual_time(lambda: run_calls(make_patient(most=1, failures=2), provider, 3))
    assert count_faults(outcomes) == 1


def test_fast_refusals_before_the_first_answer_give_nothing_up():
    provider = SimulatedProvider(lambda: busy(None) if provider.in_flight > 10 else GOOD)
    outcomes = run_in_virtual_time(lambda: run_calls(make_pace(), provider, 500))
    assert count_faults(outcomes) == 0


def test_a_provider_that_goes_down_is_probed_and_then_given_up():
    provider, pace = follow(*[GOOD] * 64, then=busy()), make_pace()
    outcomes = run_in_virtual_time(lambda: run_calls(pace, provider, 500))
    assert count_faults(outcomes) == 500 - 64
    assert provider.begun[128:] == pytest.approx([32.1, 62.2], abs=0.01)
    assert max(outcome.ended for outcome in outcomes) == pytest.approx(62.3)


def test_a_provider_that_comes_back_gets_all_calls_again():
    provider = SimulatedProvider(lambda: busy() if 10 <= now() < 50 else GOOD)
    outcomes = run_in_virtual_time(lambda: run_calls(make_pace(), provider, 1000))
    assert count_faults(outcomes) == 0
    probes = sum(20 <= moment < 50 for moment in provider.begun)
    assert probes == 1


def test_an_answer_that_was_under_way_ends_the_rest():
    provider = follow(Turn(5.0), *[busy()] * 3)
    pace = make_patient(draw=1.0, failures=3)
    outcomes = run_in_virtual_time(lambda: run_calls(pace, provider, 4))
    assert count_faults(outcomes) == 0
    assert all(5.0 <= moment <= 7.0 for moment in provider.begun[4:])


def test_a_probe_that_ends_otherwise_lets_the_next_begin():
    provider = follow(*[busy(1.0)] * 3, Turn(1.0, ValueError()))
    pace = make_patient(failures=3, rest=5.0)

    async def work() -> Sequence[object]:
        return await asyncio.gather(
            *(pace.call(provider.ask) for _ in range(3)), return_exceptions=True
        )

    assert [type(given) for given in run_in_virtual_time(work)].count(ValueError) == 1
    assert len(provider.begun) == 6


@pytest.mark.parametrize("moment", [0.0, 0.5, 1.5, 30.0])
def test_a_cancelled_call_leaves_its_place_to_others(moment: float):
    """At these times one is under way, and others wait for a place, a cool-down or their turn."""
    provider = follow(busy(20.0, seconds=1.0))
    pace = make_patient(draw=1.0, most=1)

    async def work() -> None:
        calls = [asyncio.create_task(pace.call(provider.ask)) for _ in range(5)]
        await asyncio.sleep(moment)
        for call in calls:
            call.cancel()
        given = await asyncio.gather(*calls, return_exceptions=True)
        assert [type(one) for one in given].count(asyncio.CancelledError) >= 1
        assert now() == pytest.approx(moment)
        assert provider.in_flight == 0
        await asyncio.sleep(0)
        assert len(asyncio.all_tasks()) == 1
        await pace.call(provider.ask)

    run_in_virtual_time(work)


def test_a_cancelled_call_in_the_queue_is_passed_over():
    provider, pace = follow(), make_pace(most=1)

    async def work() -> float:
        calls = [asyncio.create_task(pace.call(provider.ask)) for _ in range(4)]
        await asyncio.sleep(1)
        calls[1].cancel()
        calls[2].cancel()
        await asyncio.wait(calls)
        return now()

    assert run_in_virtual_time(work) == pytest.approx(4.0)
    assert len(provider.begun) == 2


@dataclass(frozen=True)
class Planned:
    """One call: when it comes, what becomes of its requests, and when it is cancelled."""

    comes: float
    turns: list[Turn]
    cancelled: float | None


SECONDS = st.sampled_from([0.0, 0.1, 0.5, 1.0, 2.5, 7.0])
FAULTS = st.one_of(
    st.builds(BusyError, st.just("busy"), retry_after=st.none() | SECONDS),
    st.sampled_from([FormatError("no schema"), ValueError("odd")]),
)
TURNS = st.builds(Turn, SECONDS, st.none() | FAULTS)
DENIALS = st.builds(Turn, SECONDS, st.just(DeniedError("denied")))
PLANS = st.lists(
    st.builds(
        Planned,
        SECONDS,
        st.lists(TURNS | TURNS | TURNS | DENIALS, max_size=6),
        st.none() | st.none() | SECONDS,
    ),
    min_size=1,
    max_size=12,
)


class Planner:
    """Runs planned calls and watches that no request breaks a rule."""

    def __init__(self, most: int, seed: int) -> None:
        kept = PaceSettings(attempts=3, patience=10.0, failures=4, rest=5.0, openings=2)
        self.pace = make_pace(seed, most=most, settings=kept)
        self.turn = GOOD
        self.provider = SimulatedProvider(lambda: self.turn)

    async def run(self, plans: list[Planned]) -> Sequence[object]:
        calls = [asyncio.create_task(self.call(n, plan)) for n, plan in enumerate(plans)]
        for call, plan in zip(calls, plans, strict=True):
            if plan.cancelled is not None:
                asyncio.get_running_loop().call_later(plan.cancelled, call.cancel)
        given = await asyncio.gather(*calls, return_exceptions=True)
        assert self.provider.in_flight == 0
        if not any(type(one) in (DeniedError, TransportError) for one in given):
            await self.fill()
        return given

    async def call(self, number: int, plan: Planned) -> None:
        turns = chain(plan.turns, repeat(Turn(1.0)))

        async def ask() -> None:
            self.turn = next(turns)
            assert self.provider.in_flight < self.pace.figures.limit
            await self.provider.ask(number)

        await asyncio.sleep(plan.comes)
        await self.pace.call(ask)

    async def fill(self) -> None:
        """Show that every place is free, after what may hold them back."""
        await asyncio.sleep(100)
        self.turn = Turn(100.0)
        self.provider.most_in_flight = 0
        limit = self.pace.figures.limit
        await asyncio.gather(*(self.pace.call(self.provider.ask) for _ in range(limit)))
        assert self.provider.most_in_flight == limit


@given(plans=PLANS, most=st.integers(1, 4), seed=st.integers(0, 5))
@settings(max_examples=300)
def test_whatever_comes_every_call_ends_and_no_rule_is_broken(
    plans: list[Planned], most: int, seed: int
):
    planner = Planner(most, seed)
    given = run_in_virtual_time(lambda: planner.run(plans))
    kinds = (BusyError, DeniedError, TransportError, FormatError, ValueError)
    assert all(one is None or isinstance(one, (*kinds, asyncio.CancelledError)) for one in given)
    provider, figures = planner.provider, planner.pace.figures
    assert provider.too_soon == 0
    assert figures.requests == len(provider.begun)
    assert figures.busy == sum(isinstance(r.fault, BusyError) for r in provider.requests)
    assert 1 <= figures.limit <= most
    assert figures.retries <= figures.busy


def test_who_waits_for_what_a_request_needs_waits_for_its_turn_afterwards():
    provider, pace = follow(busy(20.0)), make_patient()

    @asynccontextmanager
    async def wait_for_money() -> AsyncGenerator[None]:
        await asyncio.sleep(5)
        yield

    async def work() -> None:
        await asyncio.gather(
            pace.call(provider.ask), pace.call(provider.ask, prepared=wait_for_money)
        )

    run_in_virtual_time(work)
    assert min(provider.begun[1:]) >= 20.1
    assert provider.too_soon == 0


def test_what_a_request_needs_is_given_back_when_its_turn_does_not_come():
    provider, pace = follow(Turn(1.0, DeniedError("401"))), make_patient(most=1)
    held: list[str] = []

    @asynccontextmanager
    async def hold() -> AsyncGenerator[None]:
        held.append("taken")
        try:
            yield
        finally:
            held.append("given back")

    async def work() -> list[object]:
        calls = (pace.call(provider.ask, prepared=hold) for _ in range(2))
        return await asyncio.gather(*calls, return_exceptions=True)

    faults = run_in_virtual_time(work)
    assert [type(fault) for fault in faults] == [DeniedError, DeniedError]
    assert len(provider.begun) == 1
    assert sorted(held) == ["given back"] * 2 + ["taken"] * 2


def test_each_request_of_a_call_is_prepared_and_none_while_it_pauses():
    provider, pace = follow(busy(), busy()), make_patient(draw=1.0)
    held: list[tuple[float, float]] = []

    @asynccontextmanager
    async def hold() -> AsyncGenerator[None]:
        taken = now()
        try:
            yield
        finally:
            held.append((taken, now()))

    run_in_virtual_time(lambda: pace.call(provider.ask, prepared=hold))
    assert len(held) == 3
    assert [taken for taken, _ in held] == pytest.approx(provider.begun)
    assert all(ended < taken for (_, ended), (taken, _) in pairwise(held))


def test_calls_that_are_stopped_say_why():
    provider, pace = follow(), make_patient()
    pace.stop(DeniedError("all answers were useless", where="m"))
    fault = call_once(provider, pace)
    assert isinstance(fault, DeniedError)
    assert str(fault) == "m: all answers were useless"
    assert provider.begun == []
