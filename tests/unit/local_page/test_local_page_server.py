import signal
import socket
import subprocess
import sys
import time

import httpx
import pytest
from tests.unit.review.web.review_session import FakeSession
from tests.unit.review.web.visitor import serve_session

from clerp.errors import UsageError
from clerp.local_page.security import Access
from clerp.local_page.server import PageServer
from clerp.review.web.app import build_app

_GRACE_SECONDS = 5
_PROGRAM = """
import sys
from fastapi import FastAPI
from clerp.local_page.server import serve
app = FastAPI()
@app.get("/")
async def hello() -> str:
    return "hello"
try:
    serve(app, 0, lambda address: print(address, flush=True))
except KeyboardInterrupt:
    sys.exit(130)
"""


def _make_app():
    return build_app(FakeSession(), Access())


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, -15)])
def test_a_signal_ends_it_soon_even_where_a_browser_stays_connected(
    sent: signal.Signals, code: int
):
    with subprocess.Popen(
        [sys.executable, "-c", _PROGRAM],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as program:
        assert program.stdout is not None
        address = program.stdout.readline().strip()
        with httpx.Client(base_url=address, timeout=30) as client:
            assert client.get("/").json() == "hello"
            program.send_signal(sent)
            begun = time.monotonic()
            assert program.wait(30) == code
            assert time.monotonic() - begun < _GRACE_SECONDS
        said, complained = program.communicate()
    assert (said, complained) == ("", "")


def test_it_is_on_loopback_only():
    with serve_session(FakeSession()) as visitor:
        assert visitor.address == f"http://127.0.0.1:{visitor.port}/"
        others = socket.getaddrinfo(socket.gethostname(), visitor.port, socket.AF_INET)
        for *_, place in others:
            if str(place[0]).startswith("127."):
                continue
            with pytest.raises(OSError, match=r"refused|unreachable|timed out"):
                socket.create_connection((str(place[0]), visitor.port), timeout=5)


def test_answers_are_sent_at_once():
    server = PageServer(_make_app(), 0, lambda _: None)
    listening = server._socket
    try:
        # By this asyncio tells sockets that must not wait for more to send.
        assert listening.proto == socket.IPPROTO_TCP
    finally:
        listening.close()


def test_a_port_that_is_taken_is_an_error():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(UsageError, match=f"port {port} cannot be used"):
            PageServer(_make_app(), port, lambda _: None)


@pytest.mark.parametrize("port", [-1, 70_000])
def test_a_port_that_does_not_exist_is_an_error(port: int):
    with pytest.raises(UsageError, match=f"port {port} cannot be used"):
        PageServer(_make_app(), port, lambda _: None)


def test_nothing_is_printed(capfd: pytest.CaptureFixture[str]):
    with serve_session(FakeSession()) as visitor:
        visitor.get(visitor.link)
        visitor.get("/list")
        visitor.send_raw(b"no request at all\r\n\r\n")
    assert capfd.readouterr() == ("", "")
