import asyncio
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from clerp.event_loop import run_to_end

RunFrom = Callable[[Callable[[], Any]], Any]


def call(function: Callable[[], Any]) -> Any:
    return function()


def call_in_loop(function: Callable[[], Any]) -> Any:
    """Call it as a notebook does: from a running loop that does not take interrupts itself."""

    async def main() -> Any:
        return function()

    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(main())
    finally:
        loop.close()


@pytest.fixture(params=[call, call_in_loop], ids=["plain", "in a running loop"])
def run_from(request: pytest.FixtureRequest) -> RunFrom:
    return request.param


def list_own_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "clerp"]


async def add(one: int, other: int) -> int:
    await asyncio.sleep(0)
    return one + other


def test_the_result_is_returned(run_from: RunFrom):
    assert run_from(lambda: run_to_end(lambda: add(1, 2))) == 3
    assert list_own_threads() == []


@pytest.mark.parametrize("fault", [ValueError("its own"), SystemExit(3), asyncio.CancelledError()])
def test_a_fault_of_the_work_is_raised_as_it_is(run_from: RunFrom, fault: BaseException):
    async def work() -> None:
        raise fault

    with pytest.raises(type(fault)) as raised:
        run_from(lambda: run_to_end(work))
    assert raised.value is fault
    assert list_own_threads() == []


@pytest.fixture(autouse=True)
def interrupts_are_taken() -> Iterator[None]:
    """A shell ignores Ctrl-C for what it starts in the background, this suite perhaps."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_the_loop_of_the_caller_is_left_alone():
    async def main() -> None:
        outer, task = asyncio.get_running_loop(), asyncio.current_task()
        inner = run_to_end(get_loop)
        assert inner is not outer
        assert inner.is_closed()
        assert asyncio.get_running_loop() is outer
        assert asyncio.current_task() is task
        assert await add(1, 1) == 2

    async def get_loop() -> asyncio.AbstractEventLoop:
        return asyncio.get_running_loop()

    call_in_loop(lambda: None)
    asyncio.run(main())


def interrupt_caller() -> None:
    ident = threading.main_thread().ident
    assert ident is not None
    signal.pthread_kill(ident, signal.SIGINT)


def test_an_interrupt_reaches_the_work_and_waits_until_it_has_let_go(run_from: RunFrom):
    steps: list[str] = []

    async def work() -> None:
        try:
            interrupt_caller()
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            steps.append("cancelled")
            await add(1, 1)
            steps.append("let go")
            raise

    with pytest.raises(KeyboardInterrupt):
        run_from(lambda: run_to_end(work))
    assert steps == ["cancelled", "let go"]
    assert list_own_threads() == []


def test_tasks_of_interrupted_work_are_cancelled_too(run_from: RunFrom):
    let_go: list[int] = []

    async def hold(number: int) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            let_go.append(number)

    async def work() -> None:
        async with asyncio.TaskGroup() as tasks:
            for number in range(3):
                tasks.create_task(hold(number))
            await asyncio.sleep(0)
            interrupt_caller()

    with pytest.raises(KeyboardInterrupt):
        run_from(lambda: run_to_end(work))
    assert sorted(let_go) == [0, 1, 2]


def test_a_loop_that_cannot_be_made_is_a_fault_and_no_endless_wait(
    monkeypatch: pytest.MonkeyPatch,
):
    def refuse() -> None:
        raise OSError("too many open files")

    def run() -> None:
        monkeypatch.setattr("asyncio.events.new_event_loop", refuse)
        with pytest.raises(OSError, match="too many open files"):
            run_to_end(lambda: add(1, 2))

    call_in_loop(run)
    assert list_own_threads() == []
