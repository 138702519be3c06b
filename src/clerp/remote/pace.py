"""The pace of an exchange, and the streams that keep it.

The timeouts of httpx hold for each read: a server that sends a byte now and then never ends one.
"""

import socket
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import httpcore

from clerp.remote.patience import TransientError

LEAST_SPEED = 1_000
"""Bytes per second that an answer comes at, at least."""

_OPENED = (".connect_tcp.complete", ".start_tls.complete")


class Pace:
    """How long an exchange may yet take: twice the timeout, and longer for what has come.

    Args:
        timeout: Seconds.
        where: What an error calls the answer.
        clock: Tells the seconds.
    """

    def __init__(
        self, timeout: float, where: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._timeout = timeout
        self._where = where
        self._clock = clock
        self._start: float | None = None
        self._n_bytes = 0

    def measure_left(self) -> float:
        """Return the seconds left; they count from the first call on.

        Raises:
            TransientError: There are none.
        """
        now = self._clock()
        self._start = now if self._start is None else self._start
        left = self._start + 2 * self._timeout + self._n_bytes / LEAST_SPEED - now
        if left <= 0:
            raise TransientError("the answer came too slowly", where=self._where)
        return left

    def count(self, n_bytes: int) -> None:
        """Take note of bytes that have come."""
        self._n_bytes += n_bytes


class Streams:
    """The open streams of a client, each read at the pace of the thread that reads it."""

    def __init__(self) -> None:
        self._thread = threading.local()
        self._lock = threading.Lock()
        self._open: list[httpcore.NetworkStream] = []
        self._is_over = False

    def start(self, pace: Pace) -> None:
        """Begin an exchange in this thread."""
        self._thread.pace = pace

    def trace(self, event: str, info: Mapping[str, Any]) -> None:
        """Take in a stream when it is opened.

        The hook is httpcore's (https://www.encode.io/httpcore/extensions/#trace): httpx lets in no
        network backend of one's own.
        """
        if event.endswith(_OPENED):
            self._take(info["return_value"])

    def hang_up(self) -> None:
        """Wake every thread that waits for bytes: closing alone would not."""
        with self._lock:
            self._is_over = True
            for stream in self._open:
                _shut_down(stream)

    def _take(self, stream: httpcore.NetworkStream) -> None:
        read = stream.read

        def read_at_pace(max_bytes: int, timeout: float | None = None) -> bytes:
            pace: Pace = self._thread.pace
            left = pace.measure_left()
            try:
                content = read(max_bytes, left if timeout is None else min(left, timeout))
            except httpcore.ReadTimeout:
                pace.measure_left()
                raise
            pace.count(len(content))
            return content

        stream.read = read_at_pace
        with self._lock:
            self._open = [known for known in self._open if _is_open(known)]
            self._open.append(stream)
            if self._is_over:
                _shut_down(stream)


def _is_open(stream: httpcore.NetworkStream) -> bool:
    return stream.get_extra_info("socket").fileno() >= 0


def _shut_down(stream: httpcore.NetworkStream) -> None:
    with suppress(OSError):
        # Of the plain socket: that of TLS would forget its state while another thread reads.
        socket.socket.shutdown(stream.get_extra_info("socket"), socket.SHUT_RDWR)
