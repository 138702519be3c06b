"""The labeler's dealings with transport and ledger, without a server."""

import asyncio
import importlib.util
import json
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import pytest
from tests.fake_llm import GOOD_ANSWER, make_request

from clerp.errors import (
    AnswerError,
    LabelerError,
    LedgerError,
    PluginError,
    TransportError,
    UsageError,
)
from clerp.labelers.llm import LlmLabeler, open_litellm
from clerp.labelers.max_act_logits import build_prompt
from clerp.labels import Abstention, Label
from clerp.ledger import Answer, Ledger, open_ledger
from clerp.llm import Completion, Prompt

GOOD = Completion(json.dumps(GOOD_ANSWER), "m-2026", "stop", 600, 40, 0.001)
BAD = replace(GOOD, text="no", cost_usd=0.002)


@dataclass
class Script:
    """A transport that answers what it is told to."""

    completions: deque[Completion]
    model: str = "m"
    parameters: dict[str, str | float | int | None] = field(default_factory=dict)
    prompts: list[Prompt] = field(default_factory=list)
    closed: bool = False

    async def complete(self, prompt: Prompt) -> Completion:
        self.prompts.append(prompt)
        return self.completions.popleft()

    async def aclose(self) -> None:
        self.closed = True


@pytest.fixture
def ledger() -> Iterator[Ledger]:
    with open_ledger(":memory:") as opened:
        yield opened


def make_labeler(
    ledger: Ledger, *completions: Completion, model: str = "m", temperature: float = 0
) -> LlmLabeler:
    script = Script(deque(completions), model, {"temperature": temperature})
    return LlmLabeler(script).with_ledger(ledger)


def script_of(labeler: LlmLabeler) -> Script:
    assert isinstance(labeler.transport, Script)
    return labeler.transport


async def test_a_label_says_what_it_rests_on(ledger: Ledger):
    named = await make_labeler(ledger, GOOD).label(make_request())
    assert isinstance(named, Label)
    assert (named.text, named.method) == ("US states", "max-act-logits")
    assert named.confidence == "medium"
    assert named.evidence == ("0.0", "0.1")
    assert {**named.details, "prompt_hash": ""} == {
        "model": "m-2026",
        "prompt_hash": "",
        "cost_usd": 0.001,
        "prompt_tokens": 600,
        "completion_tokens": 40,
    }


async def test_what_the_ledger_knows_is_not_asked(ledger: Ledger):
    first = await make_labeler(ledger, GOOD).label(make_request())
    silent = make_labeler(ledger)
    assert await silent.label(make_request()) == first
    assert script_of(silent).prompts == []


@pytest.mark.parametrize(
    ("model", "temperature", "digest"), [("other", 0, "d"), ("m", 1, "d"), ("m", 0, "e")]
)
async def test_another_model_parameter_or_evidence_is_another_question(
    ledger: Ledger, model: str, temperature: float, digest: str
):
    await make_labeler(ledger, GOOD).label(make_request(digest="d"))
    other = make_labeler(ledger, GOOD, model=model, temperature=temperature)
    await other.label(make_request(digest=digest))
    assert len(script_of(other).prompts) == 1


async def test_an_answer_is_recorded_before_it_is_used(ledger: Ledger):
    labeler = make_labeler(ledger, BAD, BAD)
    with pytest.raises(AnswerError):
        await labeler.label(make_request())
    silent = make_labeler(ledger)
    with pytest.raises(AnswerError, match="does not fit the schema"):
        await silent.label(make_request())


class BrokenLedger(Ledger):
    """A ledger on a full disk."""

    def record_answer(self, answer: Answer) -> None:
        raise LedgerError("the disk is full")


async def test_an_answer_that_cannot_be_recorded_is_not_used(ledger: Ledger):
    broken = BrokenLedger(ledger._engine, "clerp.db")
    with pytest.raises(LedgerError, match="the disk is full"):
        await make_labeler(broken, GOOD).label(make_request())


async def test_the_repair_quotes_the_complaint_and_counts_both_answers(ledger: Ledger):
    labeler = make_labeler(ledger, BAD, GOOD)
    named = await labeler.label(make_request())
    assert isinstance(named, Label)
    assert named.details["cost_usd"] == pytest.approx(0.003)
    assert named.details["prompt_tokens"] == 1200
    assert "Invalid JSON" in script_of(labeler).prompts[1].user


async def test_an_unknown_cost_makes_the_sum_unknown(ledger: Ledger):
    named = await make_labeler(ledger, replace(BAD, cost_usd=None), GOOD).label(make_request())
    assert named.details["cost_usd"] is None


async def test_two_unusable_answers_say_what_they_cost(ledger: Ledger):
    labeler = make_labeler(ledger, BAD, BAD)
    with pytest.raises(AnswerError) as raised:
        await labeler.label(make_request())
    asked = script_of(labeler).prompts
    assert raised.value.details == {
        "model": "m-2026",
        "prompt_hash": asked[1].hash,
        "cost_usd": 0.004,
        "prompt_tokens": 1200,
        "completion_tokens": 80,
    }


class Refusing(Script):
    """A transport whose provider answers once and then no more."""

    async def complete(self, prompt: Prompt) -> Completion:
        if not self.completions:
            raise TransportError("rate limited", where=self.model)
        return await super().complete(prompt)


async def test_a_second_request_that_fails_says_what_the_first_cost(ledger: Ledger):
    script = Refusing(deque([BAD]))
    with pytest.raises(TransportError, match="rate limited") as raised:
        await LlmLabeler(script).with_ledger(ledger).label(make_request())
    assert raised.value.details["cost_usd"] == 0.002
    assert raised.value.details["prompt_hash"] == script.prompts[0].hash


async def test_a_first_request_that_fails_cost_nothing(ledger: Ledger):
    with pytest.raises(TransportError) as raised:
        await LlmLabeler(Refusing(deque())).with_ledger(ledger).label(make_request())
    assert raised.value.details == {}


@pytest.mark.parametrize("evidence", [[], ["9.9"], ["0.0", "9.9"]])
async def test_evidence_that_was_not_shown_is_no_evidence(ledger: Ledger, evidence: list[str]):
    wrong = replace(GOOD, text=json.dumps({**GOOD_ANSWER, "evidence": evidence}))
    labeler = make_labeler(ledger, wrong, wrong)
    with pytest.raises(AnswerError, match="ids of the texts shown"):
        await labeler.label(make_request())
    assert "9.9" not in script_of(labeler).prompts[1].user


async def test_an_echo_of_the_prompt_is_no_label(ledger: Ledger):
    marker = build_prompt(make_request()).user.splitlines()[0]
    echo = replace(GOOD, text=json.dumps({**GOOD_ANSWER, "label": marker}))
    with pytest.raises(AnswerError, match="repeats a line of the prompt"):
        await make_labeler(ledger, echo, echo).label(make_request())


async def test_declining_is_an_abstention(ledger: Ledger):
    said = {**GOOD_ANSWER, "label": "", "abstain": True, "abstain_reason": ""}
    declined = await make_labeler(ledger, replace(GOOD, text=json.dumps(said))).label(
        make_request()
    )
    assert isinstance(declined, Abstention)
    assert declined.reason == "the model gave no reason"
    assert declined.details["cost_usd"] == 0.001


async def test_no_ledger_no_call():
    labeler = LlmLabeler(Script(deque([GOOD])))
    with pytest.raises(LabelerError, match="with_ledger"):
        await labeler.label(make_request())
    assert script_of(labeler).prompts == []


async def test_closing_closes_the_transport(ledger: Ledger):
    labeler = make_labeler(ledger)
    await labeler.aclose()
    assert script_of(labeler).closed


async def test_many_features_share_one_labeler(ledger: Ledger):
    labeler = make_labeler(ledger, *[GOOD] * 20)
    requests = [make_request(digest=str(n)) for n in range(20)]
    labels = await asyncio.gather(*map(labeler.label, requests))
    assert all(isinstance(named, Label) for named in labels)
    assert len({named.details["prompt_hash"] for named in labels}) == 20


def test_the_plugin_needs_a_model():
    with pytest.raises(UsageError, match="no model is named"):
        open_litellm("")


def test_the_plugin_is_found_missing_before_any_call(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(PluginError, match=r"pip install 'clerp\[litellm\]'"):
        open_litellm("openai/x")
