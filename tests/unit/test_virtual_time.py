import asyncio
import time

import pytest
from tests.virtual_time import EndlessWaitError, now, run_in_virtual_time


def test_an_hour_takes_no_time_and_the_clock_tells_it():
    async def work() -> float:
        async with asyncio.timeout(4000):
            await asyncio.gather(asyncio.sleep(3600), asyncio.sleep(1))
        return now()

    start = time.monotonic()
    assert run_in_virtual_time(work) == pytest.approx(3600)
    assert time.monotonic() - start < 60


def test_a_task_that_waits_for_nothing_is_found():
    async def work() -> None:
        await asyncio.get_running_loop().create_future()

    with pytest.raises(EndlessWaitError):
        run_in_virtual_time(work)
