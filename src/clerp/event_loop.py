"""Running asynchronous work to its end from code that is not."""

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from contextlib import suppress
from threading import Thread
from typing import Any, TypeVar

Result = TypeVar("Result")
Work = Callable[[], Coroutine[Any, Any, Result]]


def run_to_end(work: Work[Result]) -> Result:
    """Run a coroutine in an event loop of its own, also inside a notebook's running loop.

    An interrupt cancels the work, waits until it has let go of what it held, and is raised again.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work())
    return _run_beside(work)


def _run_beside(work: Work[Result]) -> Result:
    started: Future[tuple[asyncio.AbstractEventLoop, asyncio.Task[Any]]] = Future()
    finished: Future[Result] = Future()

    async def announce() -> Result:
        task = asyncio.current_task()
        assert task is not None  # the runner made one
        started.set_result((asyncio.get_running_loop(), task))
        return await work()

    def run() -> None:
        try:
            with asyncio.Runner() as runner:
                result = runner.run(announce())
            finished.set_result(result)
        except BaseException as fault:  # noqa: BLE001 - raised again in the caller's thread
            if not started.done():
                started.set_exception(fault)
            finished.set_exception(fault)

    thread = Thread(target=run, name="clerp")
    try:
        thread.start()
        return finished.result()
    except BaseException:  # re-raised: an interrupt of the caller must stop the work beside it
        if thread.is_alive():
            loop, task = started.result()
            with suppress(RuntimeError):  # closed: the work is over
                loop.call_soon_threadsafe(task.cancel)
        raise
    finally:
        if thread.is_alive():
            thread.join()
