"""A scripted server that speaks OpenAI's chat completions on a real loopback socket.

    with run_fake_llm(respond, latency=0.05) as fake:
        ...                     # ask fake.address
    assert len(fake.requests) == 3

`fake.answers(...)` puts replies that come first, in order, whatever is asked; after them `respond`
answers. It runs in a thread with an event loop of its own and holds as many connections as come.
"""

import asyncio
import json
import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

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
class Asked:
    """One request."""

    body: dict[str, Any]
    headers: Mapping[str, str]
    """Names in lower case."""
    path: str
    at: float
    """Seconds by the monotonic clock, when it had come in."""

    @property
    def key(self) -> str:
        return self.headers.get("authorization", "").removeprefix("Bearer ")

    @property
    def format(self) -> str:
        """What its response_format asks for."""
        given = self.body.get("response_format", {})
        return f"{given.get('type', 'text')}{'_schema' if 'schema' in given else ''}"


@dataclass(frozen=True)
class Reply:
    """What the server does with one request."""

    body: Any = None
    """Bytes as they are, anything else as JSON."""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    latency: float | None = None
    """Seconds before the first byte; the server's own when None."""
    hangs: bool = False
    """Keep the request open until the server closes."""
    drips: float | None = None
    """Send byte by byte, with so many seconds between."""
    cut: int | None = None
    """Send only so many bytes of the body, then hang up."""
    resets: bool = False
    """Reset the connection without a word."""


Respond = Callable[[Asked], Reply]


def no_script_left(_: Asked) -> Reply:
    return Reply({"error": "no script left"}, 500)


@dataclass
class FakeLlm:
    """A running server and what it was asked."""

    address: str
    respond: Respond = no_script_left
    latency: float = 0.0
    script: deque[Reply] = field(default_factory=deque)
    received: list[Asked] = field(default_factory=list)
    asked: threading.Condition = field(default_factory=threading.Condition)
    at_once: int = 0
    most_at_once: int = 0
    """Most requests that were open at the same time."""
    n_connections: int = 0
    faults: list[BaseException] = field(default_factory=list)
    """What `respond` raised; raised again when the server closes."""

    @property
    def requests(self) -> list[dict[str, Any]]:
        return [asked.body for asked in self.received]

    def answers(self, *replies: Reply) -> None:
        self.script.extend(replies)

    def await_requests(self, n: int, *, timeout: float) -> bool:
        """Wait until it was asked n times; say whether that came to pass in time."""
        with self.asked:
            return self.asked.wait_for(lambda: len(self.received) >= n, timeout)

    def take(self, asked: Asked) -> Reply:
        with self.asked:
            self.received.append(asked)
            self.asked.notify_all()
            if self.script:
                return self.script.popleft()
        try:
            return self.respond(asked)
        except Exception as fault:  # noqa: BLE001 - raised again in the test's thread
            self.faults.append(fault)
            return Reply({"error": "the test's own fault"}, 500)


def chat(
    content: Any,
    *,
    finish_reason: str = "stop",
    model: str = "gpt-4o-mini-2024-07-18",
    headers: Mapping[str, str] | None = None,
):
    """Reply as a provider does. A dict becomes JSON text."""
    text = json.dumps(content) if isinstance(content, dict) else content
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "message": message, "finish_reason": finish_reason}
    return Reply(completion([choice], model=model), headers=headers or {})


def completion(choices: list[dict[str, Any]], *, model: str = "gpt-4o-mini-2024-07-18"):
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": model,
        "choices": choices,
        "usage": {"prompt_tokens": 600, "completion_tokens": 40, "total_tokens": 640},
    }


def error(
    status: int,
    message: str = "no",
    *,
    code: str = "",
    retry_after: str | None = None,
    headers: Mapping[str, str] | None = None,
):
    """Refuse as OpenAI does. `retry_after` is a number of seconds or a date."""
    waits = {} if retry_after is None else {"Retry-After": retry_after}
    body = {"error": {"message": message, "type": code or "server_error", "code": code or None}}
    return Reply(body, status, {**waits, **(headers or {})})


def page(status: int = 200):
    """Reply as a proxy does that wants somebody to log in."""
    return Reply(b"<html>login</html>", status, {"Content-Type": "text/html"})


def echo_key(asked: Asked, status: int = 200):
    """Give back the key that came with the request, wherever one can be put."""
    if status != 200:
        return error(status, f"Incorrect API key: {asked.key}", headers={"X-Request-Id": asked.key})
    told = chat({**GOOD_ANSWER, "explanation": asked.key}, model=asked.key, finish_reason=asked.key)
    return replace(told, headers={"X-Request-Id": asked.key, "Set-Cookie": f"key={asked.key}"})


def always_good(_: Asked) -> Reply:
    return chat(GOOD_ANSWER)


@contextmanager
def run_fake_llm(respond: Respond = no_script_left, *, latency: float = 0.0) -> Iterator[FakeLlm]:
    """Run a server that replies by its script, then by `respond`, after `latency` seconds."""
    listening = socket.create_server(("127.0.0.1", 0), backlog=256)
    fake = FakeLlm(f"http://127.0.0.1:{listening.getsockname()[1]}/v1", respond, latency)
    loop, closing = asyncio.new_event_loop(), asyncio.Event()
    thread = threading.Thread(target=_run, args=(loop, _serve(fake, listening, closing)))
    thread.start()
    try:
        yield fake
    finally:
        loop.call_soon_threadsafe(closing.set)
        thread.join()
        loop.close()
    if fake.faults:
        raise fake.faults[0]


@contextmanager
def run_fake_openai(environment: pytest.MonkeyPatch, key: str) -> Iterator[FakeLlm]:
    """Run a server that litellm takes for OpenAI's, which wants a key."""
    with run_fake_llm() as fake:
        environment.setenv("OPENAI_API_BASE", fake.address)
        environment.setenv("OPENAI_API_KEY", key)
        yield fake


def make_request(
    texts: tuple[tuple[str, ...], ...] = ((" in", " Texas", " today"), (" in", " Ohio", ".")),
    *,
    digest: str = "d" * 64,
) -> LabelRequest:
    """A feature for tier 2 that peaks at the second token of each text."""
    evidence = testing.make_evidence(texts, peak=1, promoted=(" Austin", " Columbus"))
    return testing.make_request(replace(evidence, digest=digest), "cross")


def _run(loop: asyncio.AbstractEventLoop, serving: Any) -> None:
    asyncio.set_event_loop(loop)
    loop.run_until_complete(serving)


async def _serve(fake: FakeLlm, listening: socket.socket, closing: asyncio.Event) -> None:
    open_tasks: set[asyncio.Task[None]] = set()

    async def meet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        open_tasks.add(task)
        try:
            await _converse(fake, reader, writer)
        except (asyncio.CancelledError, ConnectionError, asyncio.IncompleteReadError):
            pass  # the server closes, or the client went away
        finally:
            writer.close()
            open_tasks.discard(task)

    server = await asyncio.start_server(meet, sock=listening)
    await closing.wait()
    server.close()
    for task in open_tasks:
        task.cancel()
    await asyncio.gather(*open_tasks, return_exceptions=True)
    # Connections are let go of in the next turn of the loop.
    await asyncio.sleep(0)


async def _converse(
    fake: FakeLlm, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    fake.n_connections += 1
    while True:
        asked = await _read(reader)
        fake.at_once += 1
        fake.most_at_once = max(fake.most_at_once, fake.at_once)
        try:
            stays = await _answer(fake, fake.take(asked), writer)
        finally:
            fake.at_once -= 1
        if not stays or asked.headers.get("connection") == "close":
            return


async def _read(reader: asyncio.StreamReader) -> Asked:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    named = (line.partition(":") for line in head[1:] if line)
    headers = {name.lower(): value.strip() for name, _, value in named}
    body = json.loads(await reader.readexactly(int(headers["content-length"])))
    return Asked(body, headers, head[0].split()[1], time.monotonic())


async def _answer(fake: FakeLlm, reply: Reply, writer: asyncio.StreamWriter) -> bool:
    """Do what the reply says; return whether the connection stays open."""
    await asyncio.sleep(fake.latency if reply.latency is None else reply.latency)
    if reply.hangs:
        await asyncio.Event().wait()
    if reply.resets:
        _reset(writer)
        return False
    body = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
    headers = {"Content-Type": "application/json", "Content-Length": len(body), **reply.headers}
    lines = [f"HTTP/1.1 {reply.status} -", *(f"{name}: {value}" for name, value in headers.items())]
    sent = "\r\n".join([*lines, "", ""]).encode() + body[: reply.cut]
    if reply.drips is None:
        writer.write(sent)
    for byte in sent if reply.drips is not None else b"":
        writer.write(bytes([byte]))
        await asyncio.sleep(reply.drips or 0)
    await writer.drain()
    return reply.cut is None


def _reset(writer: asyncio.StreamWriter) -> None:
    # Lingering for no time makes the kernel send RST in place of FIN.
    linger = struct.pack("ii", 1, 0)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    writer.transport.abort()
