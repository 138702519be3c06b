"""Many requests at once, of which every answer is kept as it arrives."""

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import contextmanager
from types import TracebackType
from typing import TypeVar

from clerp.errors import RemoteError
from clerp_circuit_tracer.hub.hub import Hub
from clerp_circuit_tracer.hub.spot import Spot, join_touching

AT_ONCE = 16
"""Most requests at once."""

_Given = TypeVar("_Given")
_Made = TypeVar("_Made")


class Workers:
    """Threads that ask, and that nobody has to wait for when they are not needed any more.

    A context manager; leaving it gives up what has not been asked yet.
    """

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(AT_ONCE)
        self._over = threading.Event()

    def __enter__(self) -> "Workers":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self, work: Callable[[_Given], _Made], given: _Given) -> Future[_Made]:
        """Start to work on something."""
        return self._pool.submit(work, given)

    def map(self, work: Callable[[_Given], _Made], given: Iterable[_Given]) -> Iterator[_Made]:
        """Work on all of them; yield what comes out, in order."""
        return self._pool.map(work, given)

    def sleep(self, seconds: float) -> None:
        """Wait as `time.sleep` does, but not longer than until `stop`.

        Raises:
            CancelledError: `stop` was called.
        """
        if self._over.wait(seconds):
            raise CancelledError

    def stop(self) -> None:
        """Start nothing more, end all waiting, and return when every thread is done."""
        self._over.set()
        self._pool.shutdown(cancel_futures=True)


@contextmanager
def fetch(
    hub: Hub, spots: Sequence[Spot], workers: Workers
) -> Iterator[Mapping[str, Future[None]]]:
    """Start to fetch records that the cache lacks; yield what to wait for, by the record's key.

    Raises:
        RemoteError: The Hub does not answer, or not as documented; says how many are kept.
    """
    lacking = [spot for spot in spots if hub.recall(spot) is None]
    try:
        yield {
            spot.key: future
            for stretch in join_touching(lacking)
            for future in [workers.start(hub.fetch, stretch)]
            for spot in stretch.spots
        }
    except RemoteError as fault:
        # What is under way may yet arrive.
        workers.stop()
        kept = sum(hub.recall(spot) is not None for spot in spots)
        raise RemoteError(
            f"{fault.what}; {kept} of {len(spots)} records are kept",
            where=fault.where,
            remedy=fault.remedy,
        ) from fault
