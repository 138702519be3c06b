"""What a provider may do to a run, in virtual time: a minute of refusals takes none of ours."""

import asyncio
import random
from collections.abc import Sequence

import pytest
from tests.faults.figures import Figures
from tests.simulated_provider import (
    Outcome,
    SimulatedProvider,
    Turn,
    count_faults,
    make_pace,
    run_calls,
)
from tests.virtual_time import now, run_in_virtual_time

from clerp.errors import BusyError, DeniedError, TransportError
from clerp.llm.pace import PaceSettings

pytestmark = pytest.mark.slow

SECONDS = 2.0
WORKERS = 64
SEEDS = range(6)


def run(provider: SimulatedProvider, n: int, seed: int = 0) -> Sequence[Outcome]:
    return run_in_virtual_time(
        lambda: run_calls(make_pace(seed, most=WORKERS), provider, n, workers=WORKERS)
    )


def make_storm(seed: int, start: float) -> SimulatedProvider:
    """Refuses half of all requests for a minute."""
    draw = random.Random(seed)

    def choose() -> Turn:
        if start <= now() < start + 60 and draw.random() < 0.5:
            return Turn(0.1, BusyError("429", retry_after=draw.uniform(1, 5)))
        return Turn(SECONDS)

    return SimulatedProvider(choose)


@pytest.mark.parametrize(("n", "start"), [(2000, 20.0), (500, 0.0)])
def test_a_storm_of_refusals_delays_calls_and_loses_none(n: int, start: float, figures: Figures):
    storms = {seed: make_storm(seed, start) for seed in SEEDS}
    lost = [count_faults(run(storm, n, seed)) for seed, storm in storms.items()]
    extra = max(len(storm.begun) for storm in storms.values()) / n
    too_soon = sum(storm.too_soon for storm in storms.values())
    row = f"429 storm, 50 % for 60 s, {n} calls, simulated"
    figures.note(row, "100 % finish", f"{1 - sum(lost) / n / len(SEEDS):.1%}")
    figures.note(row, "requests <= 1.5 x calls", f"{extra:.2f} x")
    figures.note(row, "none sooner than Retry-After", f"{too_soon} too soon")
    assert not any(lost)
    assert extra <= 1.5
    assert too_soon == 0


def test_thirty_seconds_after_a_storm_the_rate_is_back(figures: Figures):
    shares: list[float] = []
    for seed in SEEDS:
        storm = make_storm(seed, 20.0)
        run(storm, 2000, seed)
        shares.append(storm.rate(100.0, 110.0) / storm.rate(10.0, 20.0))
    figures.note(
        "429 storm, rate 20 to 30 s after it, simulated",
        ">= 80 % of before",
        f"{min(shares):.0%} at worst",
    )
    assert min(shares) >= 0.8


def test_a_provider_that_is_down_from_the_start_is_given_up(figures: Figures):
    provider = SimulatedProvider(lambda: Turn(0.01, BusyError("connection refused")))
    outcomes = run(provider, 500)
    _check_given_up(outcomes, 500)
    figures.note(
        "hard down from the start, 500 calls, simulated",
        f"<= {WORKERS} requests, typed errors",
        f"{len(provider.begun)} requests, {outcomes[-1].ended:.2f} s",
    )
    assert len(provider.begun) <= WORKERS


def test_a_provider_that_goes_down_is_left_alone_and_then_given_up(figures: Figures):
    provider = SimulatedProvider(
        lambda: Turn(SECONDS) if now() < 9 else Turn(0.01, BusyError("503"))
    )
    outcomes = run(provider, 2000)
    answered = sum(request.fault is None for request in provider.requests)
    _check_given_up(outcomes, 2000 - answered)
    settings = PaceSettings()
    last_answer = max(request.ended for request in provider.requests if request.fault is None)
    useless = len(provider.begun) - answered
    figures.note(
        "hard down in the middle of a run, simulated",
        f"<= {WORKERS} in flight + {settings.openings - 1} probes",
        f"{useless} requests, over {outcomes[-1].ended - last_answer:.0f} s later",
    )
    assert useless <= WORKERS + settings.openings - 1
    assert max(outcome.ended for outcome in outcomes) - last_answer <= 3 * settings.rest


def test_an_outage_of_half_a_minute_loses_no_call(figures: Figures):
    provider = SimulatedProvider(
        lambda: Turn(0.01, BusyError("503")) if 10 <= now() < 40 else Turn(SECONDS)
    )
    outcomes = run(provider, 2000)
    figures.note(
        "503 to all for 30 s, simulated", "100 % finish", f"{1 - count_faults(outcomes) / 2000:.1%}"
    )
    assert not count_faults(outcomes)


@pytest.mark.parametrize("said", ["401", "insufficient_quota"])
def test_a_denial_stops_the_run(said: str, figures: Figures):
    provider = SimulatedProvider(
        lambda: Turn(SECONDS) if now() < 9 else Turn(0.1, DeniedError(said))
    )
    outcomes = run(provider, 2000)
    denied_at = min(r.ended for r in provider.requests if isinstance(r.fault, DeniedError))
    further = sum(request.begun > denied_at for request in provider.requests)
    denied = sum(isinstance(request.fault, DeniedError) for request in provider.requests)
    figures.note(
        f"{said}, simulated",
        "<= 1 request per worker, no retry",
        f"{denied / WORKERS:.2f} per worker, {further} after the first denial",
    )
    assert denied <= WORKERS
    assert further == 0
    assert all(
        outcome.fault is None or isinstance(outcome.fault, DeniedError) for outcome in outcomes
    )


def test_every_fifth_request_failing_ends_every_call(figures: Figures):
    n, draw = 2000, random.Random(0)
    faults = [
        Turn(0.1, BusyError("500")),
        Turn(60.0, BusyError("no answer within 60 s")),
        Turn(0.5, BusyError("the connection was lost")),
    ]
    provider = SimulatedProvider(
        lambda: draw.choice(faults) if draw.random() < 0.2 else Turn(SECONDS)
    )
    outcomes = run(provider, n)
    lost = [outcome.fault for outcome in outcomes if outcome.fault is not None]
    figures.note(
        "20 % of 500, hang and reset, 2000 calls, simulated",
        "100 % finish or typed failure, none hung",
        f"{1 - len(lost) / n:.2%} finish, {len(lost)} typed, {len(provider.begun) / n:.2f} x",
    )
    assert len(outcomes) == n
    assert all(isinstance(fault, BusyError) for fault in lost)
    # Five of five: 0.2 ** 5 of the calls, 0.6 of 2,000.
    assert len(lost) <= 5


@pytest.mark.parametrize("share", [0.01, 0.05])
def test_the_odd_failure_hardly_slows_a_run_down(share: float, figures: Figures):
    n, draw = 2000, random.Random(1)
    provider = SimulatedProvider(
        lambda: Turn(SECONDS, BusyError("500") if draw.random() < share else None)
    )
    outcomes = run(provider, n)
    ideal = n * SECONDS / WORKERS / (1 - share)
    slower = max(outcome.ended for outcome in outcomes) / ideal
    figures.note(
        f"{share:.0%} of 500, 2000 calls, simulated", "wall <= 2 x ideal", f"{slower:.2f} x"
    )
    assert slower <= 2.0


@pytest.mark.parametrize("moment", [0.05, 5.0, 21.0, 40.0, 75.0])
def test_an_interrupt_leaves_nothing_running(moment: float, figures: Figures):
    storm = make_storm(3, 20.0)

    async def work() -> float:
        pace = make_pace(3, most=WORKERS)
        running = asyncio.create_task(run_calls(pace, storm, 4000, workers=WORKERS))
        await asyncio.sleep(moment)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        took = now() - moment
        for _ in range(3):  # cancelled sleepers end in the loop's next rounds
            await asyncio.sleep(0)
        assert len(asyncio.all_tasks()) == 1
        return took

    took = run_in_virtual_time(work)
    figures.note(
        f"interrupt at {moment:g} s of a storm, simulated",
        "<= 5 s, no task or place left",
        f"{took:.2f} s, {storm.in_flight} in flight",
    )
    assert took <= 5.0
    assert storm.in_flight == 0


def _check_given_up(outcomes: Sequence[Outcome], n: int) -> None:
    faults = [outcome.fault for outcome in outcomes if outcome.fault is not None]
    assert len(faults) == n
    assert all(isinstance(fault, TransportError) for fault in faults)
    assert any("the provider is down" in str(fault) for fault in faults)
