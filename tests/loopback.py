"""A scriptable HTTP server on a real loopback socket.

    with serve(lambda asked: Reply(b"hello")) as server:
        ...                     # ask server.address
    assert server.paths == ["/greeting"]

`server.script` holds replies that come first, in order, whatever is asked. `answer_file` and
`serve_folder` answer like a file server that knows ranges.
"""

import re
import socket
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

_RANGE = re.compile(r"bytes=(\d+)-(\d+)")


@dataclass(frozen=True)
class Asked:
    """One request."""

    method: str
    path: str
    """As sent, with its query."""
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes = b""

    @property
    def range(self) -> tuple[int, int] | None:
        """First and last byte asked for."""
        match = _RANGE.fullmatch(self.headers.get("range", ""))
        return (int(match[1]), int(match[2])) if match else None


@dataclass(frozen=True)
class Reply:
    """What the server does with one request."""

    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: int | None = None
    """Send only so many bytes of the body, then hang up."""
    chunked: bool = False
    unsized: bool = False
    """Send no Content-Length: the body ends where the connection does."""
    refuses: bool = False
    """Hang up without a word."""
    hangs: bool = False
    """Say nothing until the server closes."""
    drips: float | None = None
    """Send byte by byte, with so many seconds between: the head, then the body."""
    endless: bytes = b""
    """After the body, send this again and again until the client hangs up."""


Answerer = Callable[[Asked], Reply]


@dataclass
class Loopback:
    """A running server and what it was asked."""

    address: str
    answer: Answerer
    script: deque[Reply] = field(default_factory=deque)
    requests: list[Asked] = field(default_factory=list)
    closing: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)
    at_once: int = 0
    most_at_once: int = 0
    """Most requests that were open at the same time."""
    n_connections: int = 0
    faults: list[BaseException] = field(default_factory=list)
    """What `answer` raised; raised again when the server closes."""

    @property
    def paths(self) -> list[str]:
        return [asked.path for asked in self.requests]

    @property
    def ranges(self) -> list[tuple[int, int] | None]:
        return [asked.range for asked in self.requests]

    def take(self, asked: Asked) -> Reply:
        with self.lock:
            self.requests.append(asked)
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
            if self.script:
                return self.script.popleft()
        return self.answer(asked)

    def release(self) -> None:
        with self.lock:
            self.at_once -= 1


def not_found(_: Asked) -> Reply:
    return Reply(b"nothing here", status=404)


@contextmanager
def serve(answer: Answerer = not_found, *script: Reply) -> Iterator[Loopback]:
    """Run a server that replies by its script, then by `answer`."""
    server = _Server()
    server.loopback = Loopback(
        f"http://127.0.0.1:{server.server_port}", answer, script=deque(script)
    )
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server.loopback
    finally:
        server.loopback.closing.set()
        server.shutdown()
        thread.join()
        server.hang_up()
        server.server_close()
    for fault in server.loopback.faults:
        raise fault


def answer_file(path: Path, asked: Asked, **headers: str) -> Reply:
    """Answer with a file, or with the bytes of it that were asked for."""
    if not path.is_file():
        return Reply(b"no such file", status=404)
    size = path.stat().st_size
    if asked.range is None:
        return Reply(path.read_bytes(), headers=headers)
    first, last = asked.range
    if first >= size:
        return Reply(status=416, headers={"Content-Range": f"bytes */{size}"})
    with path.open("rb") as file:
        file.seek(first)
        body = file.read(last - first + 1)
    content_range = f"bytes {first}-{first + len(body) - 1}/{size}"
    return Reply(body, status=206, headers={"Content-Range": content_range, **headers})


def serve_folder(folder: Path, prefix: str = "/") -> Answerer:
    """Answer with the files of a folder."""

    def answer(asked: Asked) -> Reply:
        path = unquote(urlsplit(asked.path).path)
        if not path.startswith(prefix) or ".." in path:
            return not_found(asked)
        return answer_file(folder / path.removeprefix(prefix), asked)

    return answer


class _Server(ThreadingHTTPServer):
    loopback: Loopback
    # server_close() then waits for the threads, so that none outlives its test.
    daemon_threads = False
    request_queue_size = 64

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self._sockets: set[socket.socket] = set()

    def process_request(self, request: Any, client_address: Any) -> None:
        with self.loopback.lock:
            self.loopback.n_connections += 1
            self._sockets.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self.loopback.lock:
            self._sockets.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        error = sys.exception()
        # A client may hang up whenever it likes.
        if error is not None and not isinstance(error, ConnectionError):
            self.loopback.faults.append(error)

    def hang_up(self) -> None:
        """Wake the threads that wait for another request."""
        with self.loopback.lock:
            for open_socket in self._sockets:
                with suppress(OSError):
                    open_socket.shutdown(socket.SHUT_RDWR)


class _Dripping(BytesIO):
    """Passes on byte by byte, until the server closes."""

    def __init__(self, file: Any, seconds: float, closing: threading.Event) -> None:
        super().__init__()
        self._file, self._seconds, self._closing = file, seconds, closing

    def write(self, content: Any) -> int:
        for byte in bytes(content):
            if self._closing.wait(self._seconds):
                raise ConnectionAbortedError
            self._file.write(bytes([byte]))
        return len(content)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Headers and body are written apart: without this, each answer waits for the other's ACK.
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        self._handle()

    def do_HEAD(self) -> None:
        self._handle()

    def do_POST(self) -> None:
        self._handle()

    @property
    def _loopback(self) -> Loopback:
        assert isinstance(self.server, _Server)
        return self.server.loopback

    def _handle(self) -> None:
        loopback = self._loopback
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = self.rfile.read(int(headers.get("content-length", 0)))
        reply = loopback.take(Asked(self.command, self.path, headers, body))
        try:
            self._send(reply)
        finally:
            loopback.release()

    def _send(self, reply: Reply) -> None:
        if reply.hangs:
            self._loopback.closing.wait()
        if reply.hangs or reply.refuses:
            self.close_connection = True
            return
        if reply.drips is not None:
            self.wfile = _Dripping(self.wfile, reply.drips, self._loopback.closing)
        self._send_head(reply)
        if self.command != "HEAD":
            self._send_body(reply)

    def _send_head(self, reply: Reply) -> None:
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        if reply.chunked:
            self.send_header("Transfer-Encoding", "chunked")
        elif not reply.unsized:
            self.send_header("Content-Length", str(len(reply.body)))
        self.close_connection = reply.cut is not None or reply.unsized
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()

    def _send_body(self, reply: Reply) -> None:
        body = reply.body if reply.cut is None else reply.body[: reply.cut]
        with suppress(ConnectionError):
            if not reply.chunked:
                self.wfile.write(body)
                while reply.endless and not self._loopback.closing.is_set():
                    self.wfile.write(reply.endless)
                return
            self.wfile.write(b"%x\r\n%b\r\n" % (len(body), body))
            if reply.cut is None:
                self.wfile.write(b"0\r\n\r\n")

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Stay silent."""
