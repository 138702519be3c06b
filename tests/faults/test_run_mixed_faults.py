"""A fifth of all replies over a real socket are none: the run ends, and nothing hangs."""

import random
import socketserver
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from tests.command_line import Outcome
from tests.fake_llm import Asked, FakeLlm, Reply, error, page
from tests.faults.figures import Figures
from tests.faults.place import Place, name_by_prompt

from clerp.llm import Completion, Prompt, http_transport
from clerp.llm.http_transport import HttpTransport
from clerp.llm.prompt import AnswerFormat

pytestmark = pytest.mark.slow

Label = Callable[..., Outcome]

N, SHARE, TIMEOUT = 100, 0.2, 2.0
EVERY = ("--llm-all",)
FAULTS = {
    "500": error(500),
    "502, HTML": page(502),
    "200, HTML": page(200),
    "hang": Reply(hangs=True),
    "slow drip": Reply({"choices": []}, drips=0.05),
    "reset": Reply(resets=True),
    "cut": Reply({"choices": []}, cut=5),
}


class TimedTransport(HttpTransport):
    """Gives up early, and notes how long calls took."""

    longest = 0.0

    def __init__(self, argument: str, *, timeout: float) -> None:
        super().__init__(argument, timeout=min(timeout, TIMEOUT))

    async def complete(
        self, prompt: Prompt, answer_format: AnswerFormat = "json_schema"
    ) -> Completion:
        started = time.perf_counter()
        try:
            return await super().complete(prompt, answer_format)
        finally:
            took = time.perf_counter() - started
            TimedTransport.longest = max(TimedTransport.longest, took)


@pytest.fixture
def n_features() -> int:
    return N


@pytest.fixture
def timed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TimedTransport, "longest", 0.0)
    monkeypatch.setattr(http_transport, "HttpTransport", TimedTransport)


@pytest.mark.usefixtures("timed")
def test_every_fifth_reply_failing_ends_every_feature(
    place: Place, fake: FakeLlm, label: Label, figures: Figures
) -> None:
    draw, sent = random.Random(0), set[str]()

    def respond(asked: Asked) -> Reply:
        if draw.random() >= SHARE:
            return name_by_prompt(asked)
        kind = draw.choice(list(FAULTS))
        sent.add(kind)
        return FAULTS[kind]

    fake.respond = respond
    outcome = label(*EVERY, concurrency=16)
    statuses = [node["clerp_status"] for node in place.read_nodes().values()]
    finished, typed = statuses.count("labeled") / N, statuses.count("failed") / N
    row = f"{SHARE:.0%} of 500, 502, HTML, hang, drip, reset, cut, over a socket"
    figures.note(row, "100 % finish or typed failure", f"{finished:.0%} + {typed:.0%}")
    figures.note(row, f"calls <= {TIMEOUT + 1:g} s", f"{TimedTransport.longest:.1f} s at most")
    assert sent == FAULTS.keys()
    assert finished + typed == 1.0
    assert finished >= 0.9
    assert outcome.code == (2 if typed else 0)
    assert TimedTransport.longest <= TIMEOUT + 1


def test_a_server_that_speaks_no_tls_is_a_typed_failure(
    place: Place, label: Label, figures: Figures
) -> None:
    with run_plain_server() as port:
        outcome = label(*EVERY, "--llm", f"http:m@https://127.0.0.1:{port}/v1")
    statuses = {node["clerp_status"] for node in place.read_nodes().values()}
    figures.note("TLS error", "typed failure, exit code 2", f"{statuses}, {outcome.code}")
    assert (statuses, outcome.code) == ({"failed"}, 2)
    assert "the connection failed: [SSL" in outcome.err


class Plain(socketserver.BaseRequestHandler):
    """Takes a TLS greeting for a bad request."""

    def handle(self) -> None:
        self.request.recv(4096)
        self.request.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")


@contextmanager
def run_plain_server() -> Iterator[int]:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Plain) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()
