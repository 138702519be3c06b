"""A labeler that words another's labels better, and one that stands in for another."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from tests.fake_llm import make_request
from tests.outcomes import make_label
from tests.scripted_transport import BAD, GOOD, Reply, Script, decline, make_script, say
from tests.unit.labelers.methods.asked import make_evidence as make_distinct
from tests.unit.labelers.methods.asked import make_request as make_feature

from clerp.errors import (
    AnswerError,
    BudgetError,
    DeniedError,
    LabelerError,
    TransportError,
)
from clerp.labelers import LabelRequest
from clerp.labelers.combined import FallbackLabeler, RefiningLabeler
from clerp.labelers.llm import LlmLabeler, Terms
from clerp.labelers.methods import find_method
from clerp.labels import Abstention, Label
from clerp.ledger import Ledger, open_ledger
from clerp.llm.budget import Budget
from clerp.llm.costs import CostKey
from clerp.llm.prices import Price

PROPOSAL = make_label(
    "say Austin / Salem", method="token-frequency", confidence="high", details={"share": 0.9}
)
REFINED = say(label="say a capital")
DOWN = TransportError("the provider is down", where="m")


@pytest.fixture
def ledger() -> Iterator[Ledger]:
    with open_ledger(":memory:") as opened:
        yield opened


def make_long_request(activation: float) -> LabelRequest:
    """A feature with more examples than a prompt shows."""
    return make_feature(make_distinct(20, 25), activations=[activation])


class Proposing:
    """A labeler of tier 1 that says one thing."""

    name = "token-frequency"

    def __init__(self, said: Label | Abstention = PROPOSAL) -> None:
        self.said = said

    async def label(self, request: LabelRequest) -> Label | Abstention:
        return self.said


def refining(*replies: Reply, said: Label | Abstention = PROPOSAL, terms: Terms | None = None):
    refiner = LlmLabeler(make_script(replies), find_method("small-llm"), terms or Terms())
    return RefiningLabeler(Proposing(said), refiner)


def script_of(labeler: LlmLabeler) -> Script:
    assert isinstance(labeler.transport, Script)
    return labeler.transport


async def test_a_model_words_a_label_better_and_the_first_wording_is_on_record(ledger: Ledger):
    labeler = refining(REFINED).with_ledger(ledger)
    named = await labeler.label(make_request())
    assert isinstance(named, Label)
    assert (named.text, named.method) == ("say a capital", "small-llm")
    # How well the words agree with the evidence is counted, not asked.
    assert named.confidence == "high"
    assert named.details["proposal"] == "say Austin / Salem"
    assert (named.details["share"], named.details["cost_usd"]) == (0.9, 0.001)
    assert "say Austin / Salem" in script_of(labeler.refiner).prompts[0].user


@pytest.mark.parametrize(
    ("replies", "why", "cost"),
    [
        ([decline("nothing better")], "nothing better", 0.001),
        ([BAD, BAD], "the answer does not fit the schema", 0.004),
    ],
    ids=["abstains", "unusable"],
)
async def test_a_label_that_is_not_worded_better_stays_and_says_why_and_what_it_cost(
    ledger: Ledger, replies: list[Reply], why: str, cost: float
):
    named = await refining(*replies).with_ledger(ledger).label(make_request())
    assert isinstance(named, Label)
    assert (named.text, named.method) == (PROPOSAL.text, PROPOSAL.method)
    assert named.explanation == PROPOSAL.explanation
    assert str(named.details["not_refined"]).startswith(why)
    assert (named.details["cost_usd"], named.details["method"]) == (cost, "small-llm")
    assert named.details["share"] == 0.9


async def test_of_what_has_no_label_no_model_is_asked(ledger: Ledger):
    declined = Abstention("token-frequency", "no word leads")
    labeler = refining(REFINED, said=declined).with_ledger(ledger)
    assert await labeler.label(make_request()) == declined
    assert await labeler.preview(make_request()) is None
    assert script_of(labeler.refiner).prompts == []


@pytest.mark.parametrize("fault", [DOWN, DeniedError("no key"), BudgetError("no money")])
async def test_a_refiner_that_cannot_be_asked_costs_no_label_and_is_told(
    ledger: Ledger, fault: LabelerError
):
    named = await refining(fault).with_ledger(ledger).label(make_request())
    assert isinstance(named, Label)
    assert (named.text, named.method) == (PROPOSAL.text, PROPOSAL.method)
    assert named.details["not_refined"] == named.details["unfinished"] == str(fault)
    again = await refining(REFINED).with_ledger(ledger).label(make_request())
    assert isinstance(again, Label)
    assert again.text == "say a capital"
    assert "unfinished" not in again.details


async def test_what_was_refined_before_costs_nothing(ledger: Ledger):
    first = await refining(REFINED).with_ledger(ledger).label(make_request())
    terms = Terms()
    again = refining(terms=terms).with_ledger(ledger, ask=False)
    assert await again.label(make_request()) == first
    assert await again.preview(make_request()) is None
    assert terms.cached == {CostKey(2, "m-2026", "small-llm"): 1}


async def test_another_proposal_is_another_question(ledger: Ledger):
    await refining(REFINED).with_ledger(ledger).label(make_request())
    other = refining(REFINED, said=replace(PROPOSAL, text="say Boise")).with_ledger(ledger)
    await other.label(make_request())
    assert len(script_of(other.refiner).prompts) == 1


async def test_without_asking_an_unknown_wording_is_left_for_another_run(ledger: Ledger):
    named = await refining().with_ledger(ledger, ask=False).label(make_request())
    assert isinstance(named, Label)
    assert "was not asked about this yet" in str(named.details["unfinished"])


async def test_the_preview_of_a_refinement_shows_the_proposal(ledger: Ledger):
    labeler = refining(REFINED).with_ledger(ledger)
    preview = await labeler.preview(make_request())
    assert preview is not None
    await labeler.label(make_request())
    assert script_of(labeler.refiner).prompts == [preview.prompt]


def test_a_prompt_is_shown_where_there_is_a_proposal():
    labeler = refining()
    assert labeler.show_prompt(make_request()) == ""
    proposed = replace(make_request(), proposal=PROPOSAL)
    assert "say Austin / Salem" in labeler.show_prompt(proposed)


async def test_a_refining_labeler_is_known_by_the_inner_one_and_closes_the_refiner(ledger: Ledger):
    labeler = refining().with_ledger(ledger)
    assert labeler.name == "token-frequency"
    await labeler.aclose()
    assert script_of(labeler.refiner).closed


def make_pair(ledger: Ledger, first: list[Reply], second: list[Reply], **given: Any):
    terms = given.get("terms") or Terms()
    return FallbackLabeler(
        LlmLabeler(make_script(first, model="big"), terms=terms),
        LlmLabeler(make_script(second, model="small"), terms=terms, instead_of="big"),
    ).with_ledger(ledger)


def count_prompts(labeler: FallbackLabeler) -> tuple[int, int]:
    return len(script_of(labeler.first).prompts), len(script_of(labeler.second).prompts)


async def test_the_second_model_is_not_asked_while_the_first_answers(ledger: Ledger):
    labeler = make_pair(ledger, [GOOD], [REFINED])
    named = await labeler.label(make_request())
    assert isinstance(named, Label)
    assert named.text == "US states"
    assert "instead_of" not in named.details
    assert count_prompts(labeler) == (1, 0)


@pytest.mark.parametrize("fault", [DOWN, DeniedError("the key is refused")])
async def test_the_second_model_stands_in_and_the_label_says_for_whom(
    ledger: Ledger, fault: TransportError
):
    labeler = make_pair(ledger, [fault], [replace(REFINED, model="small-2026")])
    named = await labeler.label(make_request())
    assert isinstance(named, Label)
    assert (named.text, named.method) == ("say a capital", "max-act-logits")
    assert (named.details["model"], named.details["instead_of"]) == ("small-2026", "big")
    assert count_prompts(labeler) == (1, 1)


async def test_a_second_run_asks_nobody_though_the_first_model_is_back(ledger: Ledger):
    named = await make_pair(ledger, [DOWN], [REFINED]).label(make_request())
    again = make_pair(ledger, [GOOD], [])
    assert await again.preview(make_request()) is None
    assert await again.label(make_request()) == named
    assert count_prompts(again) == (0, 0)
    assert await again.with_ledger(ledger, ask=False).label(make_request()) == named


async def test_what_the_first_model_was_paid_in_vain_is_counted(ledger: Ledger):
    pair = make_pair(ledger, [BAD, DOWN], [REFINED])
    named = await pair.label(make_request())
    assert isinstance(named, Label)
    assert named.details["model"] == "m-2026"
    assert named.details["calls"] == 2
    assert named.details["cost_usd"] == pytest.approx(0.002 + 0.001)
    again = make_pair(ledger, [], [])
    assert await again.label(make_request()) == named


async def test_what_the_second_model_said_for_its_own_sake_takes_no_ones_place(ledger: Ledger):
    own = LlmLabeler(make_script([REFINED], model="small")).with_ledger(ledger)
    await own.label(make_request())
    labeler = make_pair(ledger, [GOOD], [])
    named = await labeler.label(make_request())
    assert isinstance(named, Label)
    assert named.text == "US states"


async def test_answers_that_cannot_be_used_are_no_reason_to_ask_another(ledger: Ledger):
    labeler = make_pair(ledger, [BAD, BAD], [GOOD])
    with pytest.raises(AnswerError):
        await labeler.label(make_request())
    assert count_prompts(labeler) == (2, 0)


async def test_a_budget_that_is_reached_is_no_reason_to_ask_another(ledger: Ledger):
    price = Price(1.0, 1.0)
    terms = Terms(Budget(1e-6), {"big": price, "small": price})
    labeler = make_pair(ledger, [GOOD], [GOOD], terms=terms)
    with pytest.raises(BudgetError):
        await labeler.label(make_request())
    assert count_prompts(labeler) == (0, 0)


async def test_where_neither_answers_the_second_ones_fault_is_told(ledger: Ledger):
    labeler = make_pair(ledger, [DOWN], [DeniedError("no such model", where="small")])
    with pytest.raises(DeniedError, match="small: no such model"):
        await labeler.label(make_request())


async def test_the_preview_is_the_first_models(ledger: Ledger):
    price = Price(5.0, 6.0)
    labeler = make_pair(ledger, [], [], terms=Terms(prices={"big": price}))
    preview = await labeler.preview(make_request())
    assert preview is not None
    assert preview.price == price


async def test_a_pair_has_one_name_one_prompt_and_closes_both(ledger: Ledger):
    labeler = make_pair(ledger, [], [])
    assert labeler.name == "max-act-logits"
    assert labeler.show_prompt(make_request()) == labeler.first.show_prompt(make_request())
    await labeler.aclose()
    assert script_of(labeler.first).closed
    assert script_of(labeler.second).closed


async def test_a_refinement_that_was_asked_otherwise_is_known(ledger: Ledger):
    labeler = refining(GOOD).with_ledger(ledger)
    await labeler.label(make_long_request(0.9))
    for activation, otherwise in ((0.9, False), (0.05, True)):
        here = make_long_request(activation)
        assert labeler.was_asked_otherwise(replace(here, proposal=PROPOSAL)) is otherwise
        assert not labeler.was_asked_otherwise(replace(here, proposal=None))


@pytest.mark.parametrize("first", [GOOD, TransportError("down")])
async def test_of_two_models_the_one_that_answered_says_what_it_was_asked(
    ledger: Ledger, first: Reply
):
    labeler = make_pair(ledger, [first], [GOOD])
    await labeler.label(make_long_request(0.9))
    assert not labeler.was_asked_otherwise(make_long_request(0.9))
    assert labeler.was_asked_otherwise(make_long_request(0.05))
