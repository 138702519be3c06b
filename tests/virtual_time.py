"""An event loop whose clock jumps to the next moment at which something happens."""

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")


class EndlessWaitError(AssertionError):
    """Every task waits for something that nothing will bring about."""


def run_in_virtual_time(work: Callable[[], Coroutine[Any, Any, Result]]) -> Result:
    """Run to the end, without waiting; `now()` tells the seconds, from 0.

    For work without sockets, threads and processes: nothing waits for them.
    """
    with asyncio.Runner(loop_factory=_VirtualLoop) as runner:
        return runner.run(work())


def now() -> float:
    return asyncio.get_running_loop().time()


class _VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._now = 0.0
        super().__init__(_Skipping(self._skip))

    def time(self) -> float:
        return self._now

    def _skip(self, seconds: float) -> None:
        self._now += seconds


class _Skipping(selectors.DefaultSelector):
    def __init__(self, skip: Callable[[float], None]) -> None:
        super().__init__()
        self._skip = skip

    def select(self, timeout: float | None = None) -> Any:
        if timeout is None:
            raise EndlessWaitError("every task waits, and no timer is set")
        self._skip(timeout)
        return super().select(0)
