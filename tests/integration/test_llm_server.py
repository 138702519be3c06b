"""Tier 2 with the real litellm, against a scripted server on a real socket."""

import asyncio
import time
import traceback
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.fake_llm import (
    GOOD_ANSWER,
    FakeLlm,
    Reply,
    chat,
    completion,
    make_request,
    run_fake_openai,
)

from clerp.errors import AnswerError, TransportError
from clerp.labelers.llm import LlmLabeler, open_litellm
from clerp.labels import Abstention, Label
from clerp.ledger import open_ledger
from clerp.llm import LabelAnswer, LitellmTransport, Prompt
from clerp.llm.transport import find_complaint

CANARY = "sk-canary-0123456789abcdefghij"
PROMPT = Prompt("Name it.", "Texas, Ohio", LabelAnswer)


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeLlm]:
    with run_fake_openai(monkeypatch, CANARY) as running:
        yield running


async def complete(model: str = "openai/gpt-4o-mini", timeout: float = 10.0):
    transport = LitellmTransport(model, timeout=timeout)
    try:
        return await transport.complete(PROMPT)
    finally:
        await transport.aclose()


async def label(path: Path) -> Label | Abstention:
    with open_ledger(str(path)) as ledger:
        labeler: LlmLabeler = open_litellm("openai/gpt-4o-mini").with_ledger(ledger)
        try:
            return await labeler.label(make_request())
        finally:
            await labeler.aclose()


async def test_a_good_answer_becomes_a_label(fake: FakeLlm, tmp_path: Path):
    fake.answers(chat(GOOD_ANSWER))
    named = await label(tmp_path / "clerp.db")
    assert isinstance(named, Label)
    assert (named.text, named.evidence) == ("US states", ("0.0", "0.1"))
    assert named.details["model"] == "gpt-4o-mini-2024-07-18"
    assert named.details["prompt_tokens"] == 600


async def test_a_second_run_asks_nobody_and_says_the_same(fake: FakeLlm, tmp_path: Path):
    fake.answers(chat(GOOD_ANSWER))
    first = await label(tmp_path / "clerp.db")
    second = await label(tmp_path / "clerp.db")
    assert second == first
    assert len(fake.requests) == 1


async def test_an_unusable_answer_is_asked_for_once_more(fake: FakeLlm, tmp_path: Path):
    fake.answers(chat("Sure! The label is CANARY-TEXT"), chat(GOOD_ANSWER))
    named = await label(tmp_path / "clerp.db")
    assert isinstance(named, Label)
    repair = fake.requests[1]["messages"][-1]["content"]
    assert "The last answer could not be used" in repair
    assert "CANARY-TEXT" not in repair


async def test_two_unusable_answers_are_an_error_that_is_paid_for_once(
    fake: FakeLlm, tmp_path: Path
):
    fake.answers(chat("no"), chat("never"))
    for _ in range(2):
        with pytest.raises(AnswerError, match="does not fit the schema"):
            await label(tmp_path / "clerp.db")
    assert len(fake.requests) == 2


async def test_the_request_is_what_was_meant(fake: FakeLlm):
    fake.answers(chat(GOOD_ANSWER))
    await complete()
    (request,) = fake.requests
    assert request["temperature"] == 0
    assert request["max_tokens"] == 120
    assert request["response_format"]["json_schema"]["schema"]["additionalProperties"] is False
    assert [message["role"] for message in request["messages"]] == ["system", "user"]


async def test_a_known_model_has_its_price(fake: FakeLlm):
    fake.answers(chat(GOOD_ANSWER))
    # 600 tokens at $0.15 and 40 at $0.60 a million.
    assert (await complete()).cost_usd == pytest.approx(0.000114)


async def test_an_unknown_model_has_no_price(fake: FakeLlm):
    fake.answers(chat(GOOD_ANSWER, model="local"))
    assert (await complete("openai/local")).cost_usd is None


async def test_missing_usage_costs_an_unknown_amount(fake: FakeLlm):
    good = chat(GOOD_ANSWER).body
    fake.answers(Reply({name: value for name, value in good.items() if name != "usage"}))
    completed = await complete()
    assert (completed.cost_usd, completed.prompt_tokens) == (None, None)


async def test_a_truncated_answer_is_kept_and_not_used(fake: FakeLlm, tmp_path: Path):
    fake.answers(*[chat('{"label": "US', finish_reason="length")] * 2)
    for _ in range(2):
        with pytest.raises(AnswerError, match="cut off"):
            await label(tmp_path / "clerp.db")
    assert len(fake.requests) == 2


@pytest.mark.parametrize(
    "reply", [Reply(completion([])), chat(None), chat("")], ids=["choices", "null", "text"]
)
async def test_an_empty_answer_is_a_complaint(fake: FakeLlm, reply: Reply):
    fake.answers(reply)
    assert "the answer is empty" in find_complaint(await complete())


@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500, 503])
async def test_a_key_that_the_provider_echoes_is_nowhere(
    fake: FakeLlm, status: int, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
):
    fake.answers(Reply({"error": {"message": f"Incorrect API key: {CANARY}"}}, status))
    with pytest.raises(TransportError) as caught:
        await complete()
    shown = "".join(traceback.format_exception(caught.value))
    assert CANARY not in shown + "".join(capfd.readouterr()) + caplog.text
    assert "\n" not in str(caught.value)
    assert len(fake.requests) == 1


async def test_a_page_in_place_of_json_is_a_transport_error(fake: FakeLlm):
    fake.answers(Reply(b"<html>login</html>"))
    with pytest.raises(TransportError, match="openai/gpt-4o-mini: InternalServerError"):
        await complete()


async def test_a_server_that_hangs_is_given_up(fake: FakeLlm):
    # The first call of a process waits for the import of litellm.
    fake.answers(chat(GOOD_ANSWER), Reply(hangs=True))
    await complete()
    started = time.monotonic()
    with pytest.raises(TransportError, match=r"no answer within 0\.3 s"):
        await complete(timeout=0.3)
    # Far below what litellm's own retries would take.
    assert time.monotonic() - started < 5
    assert len(fake.requests) == 2


async def test_nobody_at_the_address_is_a_transport_error(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("OPENAI_API_BASE", "http://127.0.0.1:9/v1")
    monkeypatch.setenv("OPENAI_API_KEY", CANARY)
    with pytest.raises(TransportError, match="the connection failed"):
        await complete()


async def test_a_provider_that_does_not_exist_is_a_transport_error():
    with pytest.raises(TransportError, match="LLM Provider NOT provided"):
        await complete("nonesuch/model")


def test_a_later_event_loop_can_ask_again(fake: FakeLlm):
    fake.answers(chat(GOOD_ANSWER), chat(GOOD_ANSWER))
    assert asyncio.run(complete()) == asyncio.run(complete())


async def test_nothing_is_shared_is_an_abstention(fake: FakeLlm, tmp_path: Path):
    fake.answers(
        chat({**GOOD_ANSWER, "label": "", "abstain": True, "abstain_reason": "unrelated\ntexts"})
    )
    declined = await label(tmp_path / "clerp.db")
    assert isinstance(declined, Abstention)
    assert declined.reason == "unrelated texts"


async def test_an_answer_in_a_fence_is_read(fake: FakeLlm, tmp_path: Path):
    bare = chat(GOOD_ANSWER).body["choices"][0]["message"]["content"]
    fake.answers(chat(f"Here it is:\n```json\n{bare}\n```"))
    assert isinstance(await label(tmp_path / "clerp.db"), Label)
    assert len(fake.requests) == 1
