"""The labeler's dealings with transport and ledger, without a server."""

import asyncio
import importlib.util
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from tests.fake_llm import make_request
from tests.outcomes import make_label
from tests.scripted_transport import BAD, GOOD, Reply, Script, decline, make_script, say
from tests.unit.labelers.methods.asked import make_evidence as make_distinct
from tests.unit.labelers.methods.asked import make_request as make_proposed
from tests.unit.ledger.records import make_answer

from clerp import testing
from clerp.errors import (
    AnswerError,
    LabelerError,
    LedgerError,
    PluginError,
    TransportError,
    UsageError,
)
from clerp.feature import FeatureId
from clerp.labelers import GraphContext, LabelRequest
from clerp.labelers.llm import LlmLabeler, Terms, open_litellm, open_llm
from clerp.labelers.methods import find_method, list_held_out
from clerp.labels import Abstention, Label
from clerp.ledger import Answer, Ledger, LedgerWrites, open_ledger
from clerp.llm.budget import Budget
from clerp.llm.costs import CostKey, LostCalls
from clerp.llm.prices import Price

METHOD = "max-act-logits"


@pytest.fixture
def ledger() -> Iterator[Ledger]:
    with open_ledger(":memory:") as opened:
        yield opened


def make_labeler(ledger: Ledger, *replies: Reply, terms: Terms | None = None, **given: Any):
    script = make_script(replies, **{"parameters": {"temperature": 0}, **given})
    return LlmLabeler(script, terms=terms or Terms()).with_ledger(ledger)


def script_of(labeler: LlmLabeler) -> Script:
    assert isinstance(labeler.transport, Script)
    return labeler.transport


def make_long_request(*activations: float) -> LabelRequest:
    """A feature with more examples than a prompt shows."""
    texts = [(f"before{i}", f" state{i}", f" after{i}") for i in range(40)]
    evidence = testing.make_evidence(texts[:20], lower=texts[20:])
    return replace(testing.make_request(evidence, "cross"), activations=activations)


async def test_a_label_says_what_it_rests_on(ledger: Ledger):
    labeler = make_labeler(ledger, GOOD)
    named = await labeler.label(make_request())
    assert isinstance(named, Label)
    assert (named.text, named.method) == ("US states", METHOD)
    assert named.confidence == "medium"
    assert named.evidence == ("0.0", "0.1")
    assert named.details == {
        "method": METHOD,
        "model": "m-2026",
        "prompt_hash": script_of(labeler).prompts[0].hash,
        "calls": 1,
        "cost_usd": 0.001,
        "prompt_tokens": 600,
        "completion_tokens": 40,
        "held_out": "",
    }


async def test_examples_that_are_held_out_are_on_record_and_were_not_shown(ledger: Ledger):
    labeler = make_labeler(ledger, say(evidence=[]))
    named = await labeler.label(make_long_request())
    held_out = str(named.details["held_out"]).split(", ")
    assert len(held_out) == 8
    (prompt,) = script_of(labeler).prompts
    assert not [example for example in held_out if f'"{example}"' in prompt.user]


async def test_what_was_not_shown_is_no_evidence_for_a_label(ledger: Ledger):
    request = make_long_request(0.9)
    shown = [example.id for example in find_method(METHOD).build(request).shown]
    hidden = next(e.id for e in request.evidence.top if e.id not in shown)
    named = await make_labeler(ledger, say(evidence=[shown[0], hidden])).label(request)
    assert isinstance(named, Label)
    assert (named.evidence, named.details["unknown_ids"]) == ((shown[0],), hidden)
    # It stays so where the same answer names the feature in a graph that would show others.
    assert await make_labeler(ledger).label(make_long_request(0.05)) == named


async def test_a_question_that_was_put_with_other_examples_is_known(ledger: Ledger):
    labeler, here = make_labeler(ledger, BAD, GOOD), make_long_request(0.9)
    assert not labeler.was_asked_otherwise(here)
    await labeler.label(here)
    assert not labeler.was_asked_otherwise(here)
    assert labeler.was_asked_otherwise(make_long_request(0.05))


def test_an_answer_of_an_older_ledger_does_not_say_what_it_was_asked(ledger: Ledger):
    labeler = make_labeler(ledger)
    key = labeler._make_key(make_long_request(0.9))
    ledger.record_answer(make_answer(key, prompt_hash=""))
    assert not labeler.was_asked_otherwise(make_long_request(0.05))


async def test_a_question_that_has_to_be_asked_again_is_not_yet_answered(ledger: Ledger):
    with pytest.raises(TransportError):
        await make_labeler(ledger, BAD, TransportError("down")).label(make_request())
    labeler = make_labeler(ledger)
    assert await labeler.preview(make_request()) is not None
    await make_labeler(ledger, GOOD).label(make_request())
    assert await labeler.preview(make_request()) is None


async def test_another_feature_with_equal_evidence_is_another_question(ledger: Ledger):
    one = make_request()
    twin = replace(one, evidence=replace(one.evidence, feature=FeatureId(3, 99)))
    labeler = make_labeler(ledger, GOOD, GOOD)
    for request in (one, twin):
        await labeler.label(request)
    assert len(script_of(labeler).prompts) == 2


async def test_what_was_held_out_is_no_evidence_for_a_label(ledger: Ledger):
    request = make_long_request()
    held_out = list_held_out(request.evidence)[0]
    named = await make_labeler(ledger, say(evidence=[held_out])).label(request)
    assert isinstance(named, Label)
    assert (named.evidence, named.details["unknown_ids"]) == ((), held_out)


async def test_what_the_ledger_knows_is_not_asked(ledger: Ledger):
    first = await make_labeler(ledger, GOOD).label(make_request())
    silent = make_labeler(ledger)
    assert await silent.label(make_request()) == first
    assert script_of(silent).prompts == []


@pytest.mark.parametrize(
    ("given", "digest"),
    [({"model": "other"}, "d"), ({"parameters": {"temperature": 1}}, "d"), ({}, "e")],
    ids=["model", "parameters", "evidence"],
)
async def test_another_model_parameter_or_evidence_is_another_question(
    ledger: Ledger, given: dict[str, Any], digest: str
):
    await make_labeler(ledger, GOOD).label(make_request(digest="d"))
    other = make_labeler(ledger, GOOD, **given)
    await other.label(make_request(digest=digest))
    assert len(script_of(other).prompts) == 1


async def test_nothing_is_written_of_what_the_ledger_has(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
):
    first = await make_labeler(ledger, GOOD).label(make_request())
    again = make_labeler(ledger)

    def refuse(*_: object) -> None:
        raise AssertionError("a question was written")

    monkeypatch.setattr(type(again.method), "build", refuse)
    assert await again.label(make_request()) == first


async def test_what_cannot_be_asked_leaves_no_lease(ledger: Ledger):
    labeler = replace(make_labeler(ledger, GOOD), method=find_method("small-llm"))
    for _ in range(2):
        with pytest.raises(LabelerError, match="small-llm refines a label"):
            await labeler.label(make_request())
    proposed = replace(make_request(), proposal=make_label())
    assert isinstance(await labeler.label(proposed), Label)


async def test_another_method_is_another_question(ledger: Ledger):
    await make_labeler(ledger, GOOD).label(make_request())
    other = replace(make_labeler(ledger, GOOD), method=find_method("acts-top20"))
    assert (await other.label(make_request())).method == "acts-top20"
    assert len(script_of(other).prompts) == 1


async def test_the_same_feature_that_fires_otherwise_in_another_graph_costs_nothing(ledger: Ledger):
    here, there = make_long_request(0.9), make_long_request(0.05, 0.1)
    labeler = make_labeler(ledger, say(evidence=[]))
    first = await labeler.label(here)
    silent = make_labeler(ledger)
    assert silent.method.build(here).prompt != silent.method.build(there).prompt
    assert await silent.label(there) == first
    assert first.details["prompt_hash"] == script_of(labeler).prompts[0].hash


async def test_another_context_is_another_question(ledger: Ledger):
    request = replace(make_request(), context=GraphContext((" a", " b"), (1,)))
    labeler = make_labeler(ledger, GOOD, GOOD, GOOD)
    for asked in (request, make_request(), replace(request, context=GraphContext((" c",), (0,)))):
        await labeler.label(asked)
    assert len({prompt.hash for prompt in script_of(labeler).prompts}) == 3


async def test_an_answer_is_judged_once_by_what_was_shown_then(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
):
    first = await make_labeler(ledger, GOOD).label(make_request())

    def refuse(*_: object, **__: object) -> None:
        raise AnswerError("the label is no name")

    monkeypatch.setattr("clerp.labelers.llm.parse_answer", refuse)
    assert await make_labeler(ledger).label(make_request()) == first


class BrokenLedger(Ledger):
    """A ledger on a full disk."""

    @contextmanager
    def writing(self) -> Generator[LedgerWrites]:
        with self._transaction(writes=True) as connection:
            yield _BrokenWrites(connection)


class _BrokenWrites(LedgerWrites):
    def record_answers(self, answers: Sequence[Answer]) -> list[Answer]:
        raise LedgerError("the disk is full")


async def test_an_answer_that_cannot_be_recorded_is_not_used(ledger: Ledger):
    broken = BrokenLedger(ledger._engine, "clerp.db")
    with pytest.raises(LedgerError, match="the disk is full"):
        await make_labeler(broken, GOOD).label(make_request())


async def test_the_repair_quotes_the_complaint_and_counts_both_answers(ledger: Ledger):
    labeler = make_labeler(ledger, BAD, GOOD)
    named = await labeler.label(make_request())
    asked = script_of(labeler).prompts
    assert isinstance(named, Label)
    assert named.details["cost_usd"] == pytest.approx(0.003)
    assert (named.details["calls"], named.details["prompt_tokens"]) == (2, 1200)
    assert named.details["prompt_hash"] == asked[1].hash
    assert "Invalid JSON" in asked[1].user


async def test_an_unknown_cost_makes_the_sum_unknown(ledger: Ledger):
    named = await make_labeler(ledger, replace(BAD, cost_usd=None), GOOD).label(make_request())
    assert named.details["cost_usd"] is None


async def test_an_answer_that_cannot_be_used_is_complained_of_once_and_costs_once(ledger: Ledger):
    labeler = make_labeler(ledger, BAD, BAD, GOOD)
    with pytest.raises(AnswerError) as raised:
        await labeler.label(make_request())
    assert len(script_of(labeler).prompts) == 2
    assert {**raised.value.details, "prompt_hash": ""} == {
        "method": METHOD,
        "model": "m-2026",
        "prompt_hash": "",
        "calls": 2,
        "cost_usd": 0.004,
        "prompt_tokens": 1200,
        "completion_tokens": 80,
        "held_out": "",
    }
    silent = make_labeler(ledger)
    with pytest.raises(AnswerError, match="does not fit the schema") as again:
        await silent.label(make_request())
    assert again.value.details == raised.value.details


async def test_a_useless_answer_is_on_record_with_its_cost_and_not_paid_for_again(ledger: Ledger):
    useless = replace(GOOD, text="", finish_reason="content_filter", cost_usd=0.002)
    named = await make_labeler(ledger, useless, GOOD).label(make_request())
    assert (named.details["calls"], named.details["cost_usd"]) == (2, 0.003)
    silent = make_labeler(ledger)
    assert await silent.label(make_request()) == named
    assert script_of(silent).prompts == []


async def test_an_answer_that_is_cut_off_is_no_label(ledger: Ledger):
    cut = replace(GOOD, finish_reason="length")
    labeler = make_labeler(ledger, cut, cut)
    with pytest.raises(AnswerError, match="m-2026: the answer is cut off at its greatest length"):
        await labeler.label(make_request())
    assert "cut off" in script_of(labeler).prompts[1].user


async def test_a_second_request_that_fails_says_what_the_first_cost(ledger: Ledger):
    labeler = make_labeler(ledger, BAD, TransportError("rate limited", where="m"))
    with pytest.raises(TransportError, match="rate limited") as raised:
        await labeler.label(make_request())
    assert (raised.value.details["cost_usd"], raised.value.details["calls"]) == (0.002, 1)
    assert raised.value.details["prompt_hash"] == script_of(labeler).prompts[0].hash


async def test_a_first_request_that_fails_cost_nothing(ledger: Ledger):
    with pytest.raises(TransportError) as raised:
        await make_labeler(ledger, TransportError("rate limited")).label(make_request())
    assert raised.value.details == {}


@pytest.mark.parametrize(
    ("given", "known", "unknown"),
    [
        ([], (), None),
        (["9.9"], (), "9.9"),
        (["0.1", "9.9", "0.1", "nine\x1b\n", "9.9"], ("0.1",), "9.9, nine"),
    ],
    ids=["none", "unknown", "both"],
)
async def test_ids_that_no_example_has_are_recorded_and_no_failure(
    ledger: Ledger, given: list[str], known: tuple[str, ...], unknown: str | None
):
    named = await make_labeler(ledger, say(evidence=given)).label(make_request())
    assert isinstance(named, Label)
    assert named.evidence == known
    assert named.details.get("unknown_ids") == unknown


async def test_unknown_ids_of_any_length_take_little_room(ledger: Ledger):
    named = await make_labeler(ledger, say(evidence=["9" * 10_000])).label(make_request())
    assert named.details["unknown_ids"] == "9" * 199 + "…"


async def test_equal_answers_for_different_features_are_labels(ledger: Ledger):
    labeler = make_labeler(ledger, GOOD, GOOD)
    first, second = [await labeler.label(make_request(digest=digest)) for digest in "de"]
    assert isinstance(first, Label)
    assert isinstance(second, Label)
    assert first.text == second.text


async def test_an_echo_of_the_prompt_is_no_label(ledger: Ledger):
    labeler = LlmLabeler(make_script())
    marker = labeler.method.build(make_request()).prompt.user.splitlines()[0]
    echo = say(label=marker)
    with pytest.raises(AnswerError, match="repeats a line of the prompt"):
        await make_labeler(ledger, echo, echo).label(make_request())


async def test_declining_is_an_abstention(ledger: Ledger):
    declined = await make_labeler(ledger, decline("")).label(make_request())
    assert isinstance(declined, Abstention)
    assert declined.reason == "the model gave no reason"
    assert declined.details["cost_usd"] == 0.001


async def test_no_ledger_no_call():
    labeler = LlmLabeler(make_script([GOOD]))
    with pytest.raises(LabelerError, match="with_ledger"):
        await labeler.label(make_request())
    assert script_of(labeler).prompts == []


async def test_who_may_not_ask_says_so_unless_the_ledger_knows(ledger: Ledger):
    labeler = make_labeler(ledger, GOOD)
    silent = labeler.with_ledger(ledger, ask=False)
    with pytest.raises(LabelerError, match="m was not asked about this yet"):
        await silent.label(make_request())
    assert script_of(labeler).prompts == []
    assert await labeler.label(make_request()) == await silent.label(make_request())


async def test_what_came_out_of_the_ledger_is_counted_for_the_run(ledger: Ledger):
    await make_labeler(ledger, BAD, GOOD).label(make_request(digest="d"))
    terms = Terms()
    labeler = make_labeler(ledger, GOOD, terms=terms)
    for digest in "de":
        await labeler.label(make_request(digest=digest))
    assert terms.cached == {CostKey(2, "m-2026", METHOD): 2}


async def test_a_preview_is_what_is_asked_and_is_gone_once_it_is_answered(ledger: Ledger):
    price = Price(1.0, 2.0)
    labeler = make_labeler(ledger, GOOD, terms=Terms(prices={"m": price}))
    preview = await labeler.preview(make_request())
    assert preview is not None
    assert preview.price == price
    await labeler.label(make_request())
    assert script_of(labeler).prompts == [preview.prompt]
    assert await labeler.preview(make_request()) is None


def test_a_budget_without_a_price_is_refused_before_any_call(ledger: Ledger):
    with pytest.raises(UsageError, match=r"the price of m is not known.*\[prices"):
        make_labeler(ledger, terms=Terms(Budget(1.0)))


class Unbounded(Script):
    def check_limit(self) -> None:
        raise UsageError("an answer may have any length")


def test_a_budget_is_refused_where_an_answer_may_have_any_length(ledger: Ledger):
    prices = {"m": Price(1.0, 1.0)}
    labeler = LlmLabeler(Unbounded(), terms=Terms(Budget(1.0), prices))
    with pytest.raises(UsageError, match="any length"):
        labeler.with_ledger(ledger)
    assert labeler.with_ledger(ledger, ask=False).asker is None
    unlimited = LlmLabeler(Unbounded(), terms=Terms(Budget(None), prices))
    assert unlimited.with_ledger(ledger).asker is not None


async def test_what_a_call_costs_is_reckoned_by_the_price_that_was_given(ledger: Ledger):
    budget = Budget(1.0)
    terms = Terms(budget, {"m": Price(10.0, 100.0)})
    named = await make_labeler(ledger, GOOD, terms=terms).label(make_request())
    assert named.details["cost_usd"] == pytest.approx(0.01)
    assert budget.settled == pytest.approx(0.01)


async def test_what_calls_of_all_models_may_still_cost_is_in_the_terms_of_the_run(ledger: Ledger):
    terms = Terms(prices={"m": Price(10.0, 100.0)})
    for digest in ("d", "e"):
        labeler = make_labeler(ledger, TransportError("down"), terms=terms)
        with pytest.raises(TransportError):
            await labeler.label(make_request(digest=digest))
    lost = LostCalls.of(terms.lost)
    assert lost.calls == 2
    assert lost.most_usd is not None
    assert lost.most_usd > 2 * 120 * 100 / 1e6


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


def test_the_prompt_is_shown_as_it_is_asked(ledger: Ledger):
    labeler = make_labeler(ledger)
    prompt = labeler.method.build(make_request()).prompt
    assert labeler.show_prompt(make_request()) == f"{prompt.system}\n\n{prompt.user}"


def test_a_method_that_there_is_not_is_named():
    with pytest.raises(UsageError, match=r"there is no method 'nonesuch'\. Known methods: max-act"):
        open_llm("http:m@http://127.0.0.1:9/v1", method="nonesuch")


def test_the_plugin_needs_a_model():
    with pytest.raises(UsageError, match="no model is named"):
        open_litellm("")


def test_the_plugin_is_found_missing_before_any_call(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(PluginError, match=r"pip install 'clerp\[litellm\]'"):
        open_litellm("openai/x")


@pytest.mark.parametrize(
    ("method", "key"),
    [
        ("max-act-logits", "2bf6d55530984f68fd0c634e7433976f435dd37401013f47eb31231bb15d914d"),
        ("acts-top20", "4c64dcebd9967c7980569bc0046edd3130cb39192d66b81e106a383167d34bd8"),
        ("token-act-pairs", "d294f47afb456d57eb19fc2a0c1932527ff408933623247180e7d1c2b41ee866"),
        ("small-llm", "950598b5c8e4c8bf407925714fc1c762426433f316f23a3ae729b37ae7dd0492"),
    ],
)
def test_a_ledger_keeps_its_answers_as_long_as_no_prompt_changes(
    ledger: Ledger, method: str, key: str
):
    script = make_script((), parameters={"temperature": 0})
    labeler = LlmLabeler(script, find_method(method)).with_ledger(ledger)
    request = make_proposed(make_distinct(20, 25), activations=[0.3])
    assert not labeler.knows(request)
    ledger.record_answer(make_answer(key))
    assert labeler.knows(request)
