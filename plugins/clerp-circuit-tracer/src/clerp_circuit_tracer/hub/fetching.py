"""Many requests at once, of which every answer is kept as it arrives."""

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import Any, TypeVar

from clerp.errors import EvidenceError, RemoteError
from clerp_circuit_tracer.hub.hub import Hub
from clerp_circuit_tracer.hub.spot import Spot, join_touching

AT_ONCE = 16
"""Most requests at once."""
GRACE_SECONDS = 1.0
"""How long what is under way may yet arrive when nobody waits for it any more."""

_Given = TypeVar("_Given")
_Made = TypeVar("_Made")


class Workers:
    """Threads that ask, and that nobody has to wait for when they are not needed any more."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(AT_ONCE)
        self._over = threading.Event()
        self._started: list[Future[Any]] = []

    @contextmanager
    def ask(self, hub: Hub) -> Iterator[None]:
        """Give up, when it is left, what the hub has not been asked yet."""
        try:
            yield
        finally:
            self.stop(hub.hang_up)

    def start(self, work: Callable[[_Given], _Made], given: _Given) -> Future[_Made]:
        """Start to work on something."""
        future = self._pool.submit(work, given)
        self._started.append(future)
        return future

    def map(self, work: Callable[[_Given], _Made], given: Iterable[_Given]) -> Iterator[_Made]:
        """Work on all of them; yield what comes out, in order."""
        started = [self.start(work, one) for one in given]
        return (future.result() for future in started)

    def sleep(self, seconds: float) -> None:
        """Wait as `time.sleep` does, but not longer than until `stop`.

        Raises:
            CancelledError: `stop` was called.
        """
        if self._over.wait(seconds):
            raise CancelledError

    def stop(self, hang_up: Callable[[], None]) -> None:
        """Start nothing more, end all waiting, and return when every thread is done.

        Args:
            hang_up: Breaks off what is still under way after `GRACE_SECONDS`.
        """
        self._over.set()
        self._pool.shutdown(wait=False, cancel_futures=True)
        under_way = [future for future in self._started if not future.cancelled()]
        if wait(under_way, GRACE_SECONDS).not_done:
            hang_up()
        self._pool.shutdown()


Coming = Mapping[Spot, Future[dict[Spot, EvidenceError]]]
"""What to wait for, by record; it tells which records came damaged."""


@contextmanager
def fetch(hub: Hub, spots: Sequence[Spot], workers: Workers) -> Iterator[Coming]:
    """Start to fetch records that the cache lacks; yield what to wait for.

    Raises:
        RemoteError: The Hub does not answer, or not as documented; says how many are kept.
    """
    lacking = [spot for spot in spots if hub.recall(spot) is None]
    try:
        yield {
            spot: future
            for stretch in join_touching(lacking)
            for future in [workers.start(hub.fetch, stretch)]
            for spot in stretch.spots
        }
    except RemoteError as fault:
        # What is under way may yet arrive.
        workers.stop(hub.hang_up)
        kept = sum(hub.recall(spot) is not None for spot in spots)
        raise RemoteError(
            f"{fault.what}; {kept} of {len(spots)} records are kept",
            where=fault.where,
            remedy=fault.remedy,
        ) from fault
