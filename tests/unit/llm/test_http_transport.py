"""Plain HTTP against a scripted server on a real socket."""

import asyncio
import time
import traceback
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import get_args

import pytest
from tests.fake_llm import (
    GOOD_ANSWER,
    FakeLlm,
    Reply,
    always_good,
    chat,
    completion,
    echo_key,
    error,
    page,
    run_fake_llm,
)

from clerp.errors import (
    BusyError,
    ClerpError,
    DeniedError,
    FormatError,
    TransportError,
    UsageError,
)
from clerp.llm.answer import LabelAnswer
from clerp.llm.formats import FormatLadder
from clerp.llm.http_transport import KEY_VARIABLE, MAX_BODY_BYTES, HttpTransport
from clerp.llm.prompt import AnswerFormat, Prompt
from clerp.llm.transport import Completion, find_complaint

CANARY = "canary-0123456789abcdefghij"
PROMPT = Prompt("Name it.", "Texas, Ohio", LabelAnswer)


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeLlm]:
    monkeypatch.setenv(KEY_VARIABLE, CANARY)
    with run_fake_llm() as running:
        yield running


async def complete(
    fake: FakeLlm, answer_format: AnswerFormat = "json_schema", timeout: float = 10.0
) -> Completion:
    transport = HttpTransport(f"org/m@2@{fake.address}", timeout=timeout)
    try:
        return await transport.complete(PROMPT, answer_format)
    finally:
        await transport.aclose()


async def test_a_good_answer_comes_with_all_that_is_known_of_it(fake: FakeLlm):
    fake.answers(chat(GOOD_ANSWER, headers={"X-Request-Id": "req-9"}))
    answer = await complete(fake)
    assert '"US states"' in answer.text
    assert (answer.model, answer.finish_reason) == ("gpt-4o-mini-2024-07-18", "stop")
    assert (answer.prompt_tokens, answer.completion_tokens) == (600, 40)
    assert answer.cost_usd is None
    assert answer.request_id == "req-9"
    assert answer.parameters == {"temperature": 0, "max_tokens": 120}


async def test_the_request_is_what_was_meant(fake: FakeLlm):
    fake.answers(chat(GOOD_ANSWER))
    await complete(fake)
    (asked,) = fake.received
    assert (asked.path, asked.key) == ("/v1/chat/completions", CANARY)
    assert asked.body["model"] == "org/m@2"
    assert (asked.body["temperature"], asked.body["max_tokens"]) == (0, 120)
    assert asked.format == "json_schema"
    assert "cookie" not in asked.headers


async def test_without_a_key_none_is_sent(fake: FakeLlm, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv(KEY_VARIABLE)
    monkeypatch.setenv("OPENAI_API_KEY", CANARY)
    fake.answers(chat(GOOD_ANSWER))
    await complete(fake)
    assert "authorization" not in fake.received[0].headers


@pytest.mark.parametrize("answer_format", get_args(AnswerFormat))
async def test_the_format_that_was_used_is_recorded(fake: FakeLlm, answer_format: AnswerFormat):
    fake.answers(chat(GOOD_ANSWER))
    assert (await complete(fake, answer_format)).answer_format == answer_format
    assert fake.received[0].format == answer_format


async def test_a_server_that_knows_no_schemas_is_asked_for_an_object(fake: FakeLlm):
    refused = error(400, "This response_format type is unavailable now")
    fake.answers(refused, refused)
    fake.answers(chat(GOOD_ANSWER), chat(GOOD_ANSWER))
    ladder = FormatLadder()
    for _ in range(2):
        answer = await ladder.ask(lambda answer_format: complete(fake, answer_format))
        assert answer.answer_format == "json_object"
    assert [asked.format for asked in fake.received] == [
        *("json_schema", "json_object_schema"),
        *["json_object"] * 2,
    ]


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (error(401), DeniedError),
        (error(403), DeniedError),
        (error(404, "no such model"), DeniedError),
        (error(429, code="insufficient_quota"), DeniedError),
        (Reply(b"", 307, {"Location": "http://127.0.0.1:9/v1"}), DeniedError),
        (error(429), BusyError),
        (error(503), BusyError),
        (page(502), BusyError),
        (page(200), BusyError),
        (Reply(resets=True), BusyError),
        (Reply({"choices": []}, cut=4), BusyError),
        (Reply(b'{"choices": [{"mess'), BusyError),
        (error(422, "response_format: no such field"), FormatError),
        (error(400, "maximum context length is 4096"), TransportError),
        (error(403, "Your input was flagged: violence"), TransportError),
        (Reply({"hello": 1}), DeniedError),
    ],
)
async def test_every_fault_has_its_type_and_is_asked_once(
    fake: FakeLlm, reply: Reply, kind: type[ClerpError]
):
    fake.answers(reply)
    with pytest.raises(ClerpError) as caught:
        await complete(fake)
    assert type(caught.value) is kind
    assert str(caught.value).startswith("http:org/m@2: ")
    assert fake.address not in str(caught.value)
    assert len(fake.requests) == 1


@pytest.mark.parametrize(
    ("reply", "complaint"),
    [
        (Reply(completion([])), "the answer is empty (no choices)"),
        (chat(None), "the answer is empty (stop)"),
        (chat("x" * 1_000_000), "the answer has 1,000,000 characters"),
        (Reply(b" " * (MAX_BODY_BYTES + 1)), "the answer is too large to be read"),
    ],
    ids=["no choices", "no text", "long", "too large"],
)
async def test_an_answer_that_is_none_comes_with_all_that_is_known_of_it(
    fake: FakeLlm, reply: Reply, complaint: str
):
    fake.answers(replace(reply, headers={"X-Request-Id": "req-9"}))
    answer = await complete(fake, "json_object")
    assert find_complaint(answer) == complaint
    assert (answer.request_id, answer.answer_format) == ("req-9", "json_object")
    assert answer.parameters == {"temperature": 0, "max_tokens": 120}


@pytest.mark.parametrize(
    ("reply", "may_be_billed"),
    [
        *((error(status), False) for status in (400, 401, 402, 403, 404, 405, 413, 415, 422, 429)),
        (error(422, "response_format: no such field"), False),
        (error(503, retry_after="1"), False),
        (error(500, "response_format type must be text"), False),
        *((error(status), True) for status in (408, 500, 502, 503, 504)),
        (page(502), True),
        (page(200), True),
        (Reply({"error": {"code": 429, "message": "slow down"}}), True),
        (Reply({"hello": 1}), True),
        (Reply(chat(GOOD_ANSWER).body, cut=40), True),
        (Reply(resets=True), True),
    ],
)
async def test_what_may_hide_an_answer_may_be_billed(
    fake: FakeLlm, reply: Reply, may_be_billed: bool
):
    fake.answers(reply)
    with pytest.raises(TransportError) as caught:
        await complete(fake)
    assert caught.value.may_be_billed is may_be_billed


@pytest.mark.parametrize("cut", [4, 40])
async def test_a_lost_answer_reads_the_same_wherever_it_is_lost(fake: FakeLlm, cut: int):
    fake.answers(Reply(chat(GOOD_ANSWER).body, cut=cut))
    with pytest.raises(BusyError) as caught:
        await complete(fake)
    assert caught.value.what == "the connection failed: RemoteProtocolError"


async def test_retry_after_is_read_in_all_forms(fake: FakeLlm):
    later = datetime.now(UTC) + timedelta(seconds=90)
    written = ("7", "1.5", format_datetime(later, True))
    fake.answers(*(error(429, retry_after=form) for form in written))
    waits: list[float] = []
    for _ in written:
        with pytest.raises(BusyError) as caught:
            await complete(fake)
        assert caught.value.retry_after is not None
        waits.append(caught.value.retry_after)
    assert waits[:2] == [7, 1.5]
    assert 60 < waits[2] <= 90


@pytest.mark.parametrize("reply", [Reply(hangs=True), Reply({}, drips=0.05)], ids=["hang", "drip"])
async def test_the_time_limit_holds_for_the_whole_call(fake: FakeLlm, reply: Reply):
    fake.answers(reply)
    started = time.monotonic()
    with pytest.raises(BusyError, match=r"no answer within 0\.3 s"):
        await complete(fake, timeout=0.3)
    assert time.monotonic() - started < 1.3


@pytest.mark.parametrize("status", [200, 400, 401, 403, 404, 429, 500])
async def test_a_key_that_the_server_echoes_is_nowhere(
    fake: FakeLlm, status: int, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
):
    caplog.set_level("DEBUG")
    fake.respond = lambda asked: echo_key(asked, status)
    fault = None
    try:
        shown = repr(await complete(fake))
    except TransportError as raised:
        fault = raised
        shown = "".join(traceback.format_exception(fault))
    assert (fault is None) == (status == 200)
    assert len(fake.received) == 1
    assert fake.received[0].key == CANARY
    assert CANARY not in shown + "".join(capfd.readouterr()) + caplog.text


async def test_nobody_at_the_address_is_busy():
    transport = HttpTransport("m@http://127.0.0.1:9/v1")
    with pytest.raises(BusyError, match="the connection failed"):
        await transport.complete(PROMPT)
    await transport.aclose()


async def test_a_proxy_of_the_environment_is_not_asked(
    fake: FakeLlm, monkeypatch: pytest.MonkeyPatch
):
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    fake.answers(chat(GOOD_ANSWER))
    assert (await complete(fake)).text


async def test_64_calls_run_at_once_and_keep_their_connections(fake: FakeLlm):
    fake.respond, fake.latency = always_good, 0.2
    transport = HttpTransport(f"m@{fake.address}")
    for _ in range(2):
        await asyncio.gather(*[transport.complete(PROMPT) for _ in range(64)])
    await transport.aclose()
    assert fake.most_at_once == 64
    assert fake.n_connections == 64
    assert len(fake.received) == 128


def test_a_later_event_loop_can_ask_again(fake: FakeLlm):
    fake.answers(chat(GOOD_ANSWER), chat(GOOD_ANSWER))
    transport = HttpTransport(f"m@{fake.address}")

    async def ask() -> Completion:
        try:
            return await transport.complete(PROMPT)
        finally:
            await transport.aclose()

    assert asyncio.run(ask()) == asyncio.run(ask())


async def test_a_call_that_is_cancelled_lets_go_of_its_connection(fake: FakeLlm):
    fake.answers(Reply(hangs=True), chat(GOOD_ANSWER))
    transport = HttpTransport(f"m@{fake.address}")
    call = asyncio.create_task(transport.complete(PROMPT))
    assert await asyncio.to_thread(fake.await_requests, 1, timeout=10)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert (await transport.complete(PROMPT)).finish_reason == "stop"
    await transport.aclose()


async def test_closing_during_a_call_does_not_spoil_the_next(fake: FakeLlm):
    fake.answers(Reply(hangs=True), chat(GOOD_ANSWER))
    transport = HttpTransport(f"m@{fake.address}")
    call = asyncio.create_task(transport.complete(PROMPT))
    assert await asyncio.to_thread(fake.await_requests, 1, timeout=10)
    await transport.aclose()
    call.cancel()
    await asyncio.wait([call])
    assert (await transport.complete(PROMPT)).finish_reason == "stop"
    await transport.aclose()


@pytest.mark.parametrize(
    "address",
    [
        "http://user:PASSWORD@host.example/v1",
        "http://host.example/v1?key=PASSWORD",
        "http://host.example/v1#PASSWORD",
        "https:///v1",
        "http://host.example:0/v1",
        "http://host.example\\@other.example/v1",
    ],
)
def test_an_address_that_could_be_misread_is_refused(address: str):
    with pytest.raises(UsageError, match="cannot be used") as caught:
        HttpTransport(f"m@{address}")
    assert "PASSWORD" not in str(caught.value)


def test_a_key_does_not_travel_unencrypted(monkeypatch: pytest.MonkeyPatch):
    assert HttpTransport("m@http://gpu-box.example:8000/v1").model == "http:m"
    monkeypatch.setenv(KEY_VARIABLE, CANARY)
    with pytest.raises(UsageError, match="unencrypted to 'http://gpu-box") as caught:
        HttpTransport("m@http://gpu-box.example:8000/v1")
    assert CANARY not in str(caught.value)
    assert HttpTransport("m@http://localhost:8000/v1").model == "http:m"
    assert HttpTransport("m@https://gpu-box.example/v1").model == "http:m"


@pytest.mark.parametrize("key", ["two words", "line\nbreak", "schlüssel"])
def test_a_key_that_no_header_can_hold_is_refused(monkeypatch: pytest.MonkeyPatch, key: str):
    monkeypatch.setenv(KEY_VARIABLE, key)
    with pytest.raises(UsageError, match="is no key") as caught:
        HttpTransport("m@http://127.0.0.1:1/v1")
    assert key not in str(caught.value)


@pytest.mark.parametrize("ending", ["", "/", "/chat/completions"])
async def test_the_address_may_be_written_to_its_end(fake: FakeLlm, ending: str):
    fake.answers(chat(GOOD_ANSWER))
    transport = HttpTransport(f"m@{fake.address}{ending}")
    await transport.complete(PROMPT)
    await transport.aclose()
    assert fake.received[0].path == "/v1/chat/completions"


async def test_certificates_that_are_not_there_are_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SSL_CERT_FILE", "/nonexistent/file.pem")
    with pytest.raises(UsageError, match="certificates cannot be read"):
        await HttpTransport("m@https://host.example/v1").complete(PROMPT)
