"""A scripted server that speaks OpenAI's chat completions on a real loopback socket."""

import json
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from clerp import testing
from clerp.labelers import LabelRequest

GOOD_ANSWER = {
    "label": "US states",
    "explanation": "All texts name a state of the USA.",
    "evidence": ["0.0", "0.1"],
    "abstain": False,
    "abstain_reason": "",
}


@dataclass(frozen=True)
class Reply:
    """What the server does with one request."""

    body: Any = None
    status: int = 200
    hangs: bool = False
    """Keep the request open until the server closes."""


@dataclass
class FakeLlm:
    """A running server. It answers by its script, in order, and keeps what it was asked."""

    address: str
    script: deque[Reply] = field(default_factory=deque)
    requests: list[dict[str, Any]] = field(default_factory=list)
    closing: threading.Event = field(default_factory=threading.Event)
    asked: threading.Condition = field(default_factory=threading.Condition)

    def answers(self, *replies: Reply) -> None:
        self.script.extend(replies)

    def await_requests(self, n: int, *, timeout: float) -> bool:
        """Wait until it was asked n times; say whether that came to pass in time."""
        with self.asked:
            return self.asked.wait_for(lambda: len(self.requests) >= n, timeout)


def chat(content: Any, *, finish_reason: str = "stop", model: str = "gpt-4o-mini-2024-07-18"):
    """Reply as a provider does. A dict becomes JSON text."""
    text = json.dumps(content) if isinstance(content, dict) else content
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "message": message, "finish_reason": finish_reason}
    return Reply(completion([choice], model=model))


def completion(choices: list[dict[str, Any]], *, model: str = "gpt-4o-mini-2024-07-18"):
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": model,
        "choices": choices,
        "usage": {"prompt_tokens": 600, "completion_tokens": 40, "total_tokens": 640},
    }


@contextmanager
def run_fake_llm() -> Iterator[FakeLlm]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    fake = server.fake = FakeLlm(f"http://127.0.0.1:{server.server_port}/v1")  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield fake
    finally:
        fake.closing.set()
        server.shutdown()
        thread.join()
        server.server_close()


def make_request(
    texts: tuple[tuple[str, ...], ...] = ((" in", " Texas", " today"), (" in", " Ohio", ".")),
    *,
    digest: str = "d" * 64,
) -> LabelRequest:
    """A feature for tier 2 that peaks at the second token of each text."""
    evidence = testing.make_evidence(texts, peak=1, promoted=(" Austin", " Columbus"))
    return testing.make_request(replace(evidence, digest=digest), "cross")


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        fake: FakeLlm = self.server.fake  # type: ignore[attr-defined]
        with fake.asked:
            fake.requests.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            fake.asked.notify_all()
        reply = fake.script.popleft() if fake.script else Reply({"error": "no script left"}, 500)
        if reply.hangs:
            fake.closing.wait()
            self.close_connection = True
            return
        body = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
        self.send_response(reply.status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        # Kept open, a connection would hold its thread after the test.
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Stay silent."""
