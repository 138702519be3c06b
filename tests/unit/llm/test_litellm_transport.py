"""The real litellm against a scripted server on a real socket."""

import asyncio
import importlib.util
import time
import traceback
import warnings
from collections.abc import Iterator
from contextlib import suppress
from typing import get_args

import pytest
from tests.fake_llm import (
    GOOD_ANSWER,
    FakeLlm,
    Reply,
    always_good,
    chat,
    echo_key,
    error,
    page,
    run_fake_openai,
)

from clerp.errors import (
    BusyError,
    ClerpError,
    DeniedError,
    FormatError,
    PluginError,
    TransportError,
    UsageError,
)
from clerp.llm.answer import LabelAnswer
from clerp.llm.litellm_library import load_litellm
from clerp.llm.litellm_transport import LitellmTransport
from clerp.llm.prompt import AnswerFormat, Prompt
from clerp.llm.transport import Completion, find_complaint

CANARY = "canary-0123456789abcdefghij"
PROMPT = Prompt("Name it.", "Texas, Ohio", LabelAnswer)


# litellm's models are built when the first one is used, and pydantic warns of them. litellm turns
# these warnings off where it is imported, but only until the end of that test.
@pytest.fixture(scope="module", autouse=True)
def built_litellm() -> None:
    with warnings.catch_warnings(action="ignore"):
        load_litellm().ModelResponse()


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeLlm]:
    with run_fake_openai(monkeypatch, CANARY) as running:
        yield running


async def complete(
    model: str = "openai/gpt-4o-mini",
    answer_format: AnswerFormat = "json_schema",
    timeout: float = 10.0,
) -> Completion:
    transport = LitellmTransport(model, timeout=timeout)
    try:
        return await transport.complete(PROMPT, answer_format)
    finally:
        await transport.aclose()


async def test_a_transport_that_was_never_used_closes():
    transport = LitellmTransport("openai/x")
    await transport.aclose()
    assert transport.model == "openai/x"


async def test_missing_litellm_names_the_install_line(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(PluginError, match=r"pip install 'clerp\[litellm\]'"):
        await LitellmTransport("openai/x").complete(PROMPT)


async def test_a_good_answer_names_the_providers_request(fake: FakeLlm):
    fake.answers(chat(GOOD_ANSWER, headers={"X-Request-Id": "req-9"}), chat(GOOD_ANSWER))
    assert (await complete()).request_id == "req-9"
    assert (await complete()).request_id == "chatcmpl-1"


async def test_the_parameters_on_record_are_those_that_were_sent(fake: FakeLlm):
    fake.respond = always_good
    plain, reasoning = await complete(), await complete("openai/gpt-5.5")
    assert plain.parameters == {"temperature": 0, "max_tokens": 120}
    assert reasoning.parameters == {
        "temperature": 0,
        "max_completion_tokens": 120,
        "reasoning_effort": "none",
    }
    for answer, request in zip((plain, reasoning), fake.requests, strict=True):
        names = {"temperature", "max_tokens", "max_completion_tokens", "reasoning_effort"}
        assert answer.parameters == {k: v for k, v in request.items() if k in names}


@pytest.mark.parametrize(
    ("model", "level"),
    [
        ("openai/gpt-5-mini", "minimal"),
        ("openai/gpt-5.5", "none"),
        ("openai/o4-mini", None),
        ("openai/my-own", None),
        ("anthropic/claude-sonnet-4-5", None),
    ],
)
async def test_a_model_thinks_as_little_as_it_is_known_to_take(
    fake: FakeLlm, monkeypatch: pytest.MonkeyPatch, model: str, level: str | None
):
    monkeypatch.setenv("ANTHROPIC_API_BASE", fake.address)
    monkeypatch.setenv("ANTHROPIC_API_KEY", CANARY)
    fake.respond = always_good
    with suppress(TransportError):
        await complete(model)
    assert [asked.get("reasoning_effort") for asked in fake.requests] == [level]
    assert "thinking" not in fake.requests[0]


def test_a_budget_of_thinking_is_on_record_as_it_is_sent():
    transport = LitellmTransport("gemini/gemini-2.5-flash")
    transport.check_limit()
    assert transport._terms is not None
    assert transport._terms.sent == {
        "max_output_tokens": 120,
        "temperature": 0,
        "thinkingConfig": '{"includeThoughts": false, "thinkingBudget": 0}',
    }


@pytest.mark.parametrize(
    "model",
    [
        *("openai/gpt-4o-mini", "openai/gpt-5.5", "anthropic/claude-sonnet-4-5"),
        *("gemini/gemini-2.5-pro", "openrouter/openai/gpt-5", "hosted_vllm/m"),
    ],
)
def test_a_provider_that_is_told_how_long_an_answer_may_be_keeps_to_a_budget(model: str):
    transport = LitellmTransport(model)
    transport.check_limit()
    assert transport._terms is not None


def test_a_provider_that_is_not_told_how_long_an_answer_may_be_is_refused():
    with pytest.raises(UsageError, match=r"provider of v0/v0-1\.0-md how.*Leave out --budget"):
        LitellmTransport("v0/v0-1.0-md").check_limit()


def test_a_model_that_litellm_does_not_know_is_left_to_the_first_call():
    transport = LitellmTransport("nonesuch/model")
    transport.check_limit()
    assert transport._terms is None


@pytest.mark.parametrize("answer_format", get_args(AnswerFormat))
async def test_the_format_is_sent_and_recorded(fake: FakeLlm, answer_format: AnswerFormat):
    fake.answers(chat(GOOD_ANSWER))
    assert (await complete(answer_format=answer_format)).answer_format == answer_format
    assert fake.received[0].format == answer_format


async def test_a_format_that_would_be_dropped_in_silence_is_not_asked_for(
    fake: FakeLlm, monkeypatch: pytest.MonkeyPatch
):
    transport = LitellmTransport("petals/some-model")
    with pytest.raises(FormatError, match="knows no response_format") as caught:
        await transport.complete(PROMPT)
    assert not caught.value.may_be_billed
    await transport.aclose()
    assert fake.requests == []


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (error(401), DeniedError),
        (error(402), DeniedError),
        (error(403), DeniedError),
        (error(404), DeniedError),
        (error(429, "You exceeded your current quota", code="insufficient_quota"), DeniedError),
        (error(400, "'response_format' of type 'json_schema' is not supported"), FormatError),
        (error(400, "maximum context length is 4096 tokens"), TransportError),
        (error(408), BusyError),
        (error(500), BusyError),
        (error(529), BusyError),
        (Reply(b"<html>login</html>"), BusyError),
        (Reply(b'{"choices": [{"mess'), BusyError),
        (Reply(resets=True), BusyError),
        (error(403, "Your input was flagged: violence"), TransportError),
    ],
)
async def test_every_fault_has_its_type_and_is_asked_once(
    fake: FakeLlm, reply: Reply, kind: type[ClerpError]
):
    fake.answers(reply)
    with pytest.raises(ClerpError) as caught:
        await complete()
    assert type(caught.value) is kind
    assert len(fake.requests) == 1


@pytest.mark.parametrize("status", [429, 500, 503, 529])
async def test_the_wait_that_the_provider_asks_for_is_known(fake: FakeLlm, status: int):
    fake.answers(error(status, retry_after="7"), error(status, retry_after="1.5"), error(status))
    waits: list[float | None] = []
    for _ in range(3):
        with pytest.raises(BusyError) as caught:
            await complete()
        waits.append(caught.value.retry_after)
    assert waits == [7.0, 1.5, None]


@pytest.mark.parametrize(
    ("said", "complaint"),
    [
        (None, "the answer is empty (stop)"),
        ("x" * 1_000_000, "the answer has 1,000,000 characters"),
    ],
    ids=["empty", "long"],
)
async def test_an_answer_that_is_none_says_what_it_cost(
    fake: FakeLlm, said: str | None, complaint: str
):
    fake.answers(chat(said))
    answer = await complete()
    assert find_complaint(answer) == complaint
    assert answer.cost_usd == pytest.approx(0.000114)
    assert answer.prompt_tokens == 600


LOST = {
    "cut": Reply(chat(GOOD_ANSWER).body, cut=40),
    "reset": Reply(resets=True),
    "page": Reply(b"<html>login</html>"),
    "half": Reply(b'{"choices": [{"mess'),
    "error": Reply({"error": {"code": 429, "message": "slow down"}}),
}


@pytest.fixture(params=["openai/gpt-4o-mini", "anthropic/claude-sonnet-4-5"])
def model(request: pytest.FixtureRequest, fake: FakeLlm, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("ANTHROPIC_API_BASE", fake.address)
    monkeypatch.setenv("ANTHROPIC_API_KEY", CANARY)
    return request.param


@pytest.mark.parametrize("kind", LOST)
async def test_an_answer_that_was_lost_may_be_billed_and_names_no_place(
    fake: FakeLlm, model: str, kind: str
):
    fake.answers(LOST[kind])
    with pytest.raises(BusyError) as caught:
        await complete(model)
    assert caught.value.may_be_billed
    said = caught.value.what
    assert not any(mark in said for mark in ("0x", "/", "Traceback", "127.0.0.1", "litellm."))


PARTS = [{"type": "text", "text": '{"label": "US '}, {"type": "text", "text": 'states"}'}]


# What pydantic says of it when litellm takes it for OpenAI's own.
@pytest.mark.filterwarnings("ignore:Pydantic serializer warnings")
@pytest.mark.parametrize("model", ["openai/gpt-4o-mini", "hosted_vllm/m"])
async def test_text_in_parts_is_joined_as_over_plain_http(
    fake: FakeLlm, monkeypatch: pytest.MonkeyPatch, model: str
):
    monkeypatch.setenv("HOSTED_VLLM_API_BASE", fake.address)
    fake.answers(chat(PARTS))
    answer = await complete(model)
    assert answer.text == '{"label": "US states"}'
    assert (answer.prompt_tokens, answer.completion_tokens) == (600, 40)
    assert answer.parameters["max_tokens"] == 120
    assert len(fake.requests) == 1


@pytest.mark.filterwarnings("ignore:Pydantic serializer warnings")
@pytest.mark.parametrize("choices", [None, "no", [{"index": 0, "message": None}]])
@pytest.mark.parametrize("model", ["openai/gpt-4o-mini", "hosted_vllm/m"])
async def test_what_is_no_chat_completion_is_not_asked_for_again(
    fake: FakeLlm, monkeypatch: pytest.MonkeyPatch, model: str, choices: object
):
    monkeypatch.setenv("HOSTED_VLLM_API_BASE", fake.address)
    fake.answers(Reply({"choices": choices}))
    with pytest.raises(DeniedError, match="the answer is no chat completion") as caught:
        await complete(model)
    assert caught.value.may_be_billed
    assert len(fake.requests) == 1


@pytest.mark.parametrize(
    ("reply", "may_be_billed"),
    [
        (error(429), False),
        (error(401), False),
        (error(403), False),
        (error(400), False),
        (error(503, retry_after="1"), False),
        (error(500), True),
        (error(503), True),
        (page(504), True),
    ],
)
async def test_a_status_counts_only_where_there_was_a_reply(
    fake: FakeLlm, model: str, reply: Reply, may_be_billed: bool
):
    fake.answers(reply)
    with pytest.raises(TransportError) as caught:
        await complete(model)
    assert caught.value.may_be_billed is may_be_billed


async def test_the_providers_own_words_are_quoted_without_litellms(fake: FakeLlm, model: str):
    fake.answers(error(400, "the prompt is too long"))
    with pytest.raises(TransportError) as caught:
        await complete(model)
    assert caught.value.what == "the provider answered (400): the prompt is too long"


async def test_nobody_at_the_address_reads_the_same_at_any_address(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setenv("OPENAI_API_KEY", CANARY)
    said: set[str] = set()
    for port in (9, 10):
        monkeypatch.setenv("OPENAI_API_BASE", f"http://127.0.0.1:{port}/v1")
        with pytest.raises(BusyError) as caught:
            await complete()
        said.add(str(caught.value))
    assert len(said) == 1


async def test_a_model_that_nobody_was_asked_for_costs_nothing():
    with pytest.raises(DeniedError) as caught:
        await complete("nonesuch/model")
    assert not caught.value.may_be_billed


async def test_a_server_that_drips_is_given_up(fake: FakeLlm):
    fake.answers(Reply({}, drips=0.05))
    started = time.monotonic()
    with pytest.raises(BusyError, match=r"no answer within 0\.3 s"):
        await complete(timeout=0.3)
    assert time.monotonic() - started < 5


@pytest.mark.parametrize("status", [200, 401, 429, 500])
async def test_a_key_that_the_provider_echoes_is_nowhere(
    fake: FakeLlm, status: int, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
):
    fake.respond = lambda asked: echo_key(asked, status)
    try:
        shown = repr(await complete())
    except TransportError as fault:
        shown = "".join(traceback.format_exception(fault))
    assert fake.received[0].key == CANARY
    assert CANARY not in shown + "".join(capfd.readouterr()) + caplog.text


async def test_a_provider_that_litellm_does_not_know_is_denied():
    with pytest.raises(DeniedError, match="LLM Provider NOT provided"):
        await complete("nonesuch/model")


async def test_64_calls_run_at_once(fake: FakeLlm):
    fake.respond, fake.latency = always_good, 1.0
    transport = LitellmTransport("openai/gpt-4o-mini")
    await asyncio.gather(*[transport.complete(PROMPT) for _ in range(64)])
    await transport.aclose()
    assert fake.most_at_once > 32
