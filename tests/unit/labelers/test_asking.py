"""From a question to an answer on record: ledger, lease, format, price and budget."""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from tests.scripted_transport import BAD, GOOD, Reply, Script, make_script

from clerp.errors import (
    BudgetError,
    BusyError,
    DeniedError,
    FormatError,
    TransportError,
)
from clerp.labelers.asking import LEASE_SECONDS, MOST_UNSAID, Asked, Asker, Inquiry, make_key
from clerp.ledger import Answer, Claim, GroupCommit, Ledger, Taken, name_owner, open_ledger
from clerp.llm import AnswerFormat, Completion, LabelAnswer, Prompt, parse_answer
from clerp.llm.budget import Budget, Reservation, estimate_most
from clerp.llm.pace import Pace, PaceSettings
from clerp.llm.prices import Price
from clerp.llm.transport import MAX_ANSWER_CHARS, TOO_LARGE

PROMPT = Prompt("name it", "data", LabelAnswer)
PRICE = Price(1.0, 10.0)
SOMEBODY = "somebody"


def read(completion: Completion) -> LabelAnswer:
    return parse_answer(completion.text)


INQUIRY = Inquiry("k", "max-act-logits", lambda: PROMPT, read)


async def at_once(_: float) -> None:
    await asyncio.sleep(0)


@pytest.fixture
def ledger() -> Iterator[Ledger]:
    with open_ledger(":memory:") as opened:
        yield opened


def make_asker(
    ledger: Ledger,
    *replies: Reply,
    script: Script | None = None,
    sleep: Callable[[float], Awaitable[None]] = at_once,
    budget: Budget | None = None,
    attempts: int = 2,
    **given: Any,
) -> Asker:
    return Asker(
        transport=script or make_script(replies),
        ledger=GroupCommit(ledger),
        pace=Pace(sleep=at_once, random=lambda: 0.0, settings=PaceSettings(attempts=attempts)),
        budget=budget or Budget(None),
        sleep=sleep,
        **given,
    )


def script_of(asker: Asker) -> Script:
    assert isinstance(asker.transport, Script)
    return asker.transport


def make_answer(**given: Any) -> Answer:
    return replace(Answer("k", GOOD.text, "m", 1, 1, None, "stop"), **given)


async def test_an_answer_goes_on_record_with_all_that_is_known_of_it(ledger: Ledger):
    told = replace(GOOD, request_id="req-1", parameters={"temperature": 0})
    asked = await make_asker(ledger, told).ask(INQUIRY)
    assert asked.is_new
    assert asked.answer == ledger.find_answer("k")
    assert asked.answer.seconds is not None
    assert replace(asked.answer, seconds=None) == Answer(
        key="k",
        text=GOOD.text,
        model="m-2026",
        prompt_tokens=600,
        completion_tokens=40,
        cost_usd=0.001,
        finish_reason="stop",
        parameters={"temperature": 0},
        format="json_schema",
        request_id="req-1",
        method="max-act-logits",
        prompt_hash=PROMPT.hash,
        schema_version="1",
        parsed=read(GOOD).model_dump_json(),
        complaint="",
    )


async def test_an_answer_on_record_is_not_asked_for(ledger: Ledger):
    ledger.record_answer(make_answer())
    asker = make_asker(ledger)
    asked = await asker.ask(INQUIRY)
    assert (asked.answer, asked.is_new) == (make_answer(), False)
    assert script_of(asker).prompts == []


async def test_an_answer_that_cannot_be_read_is_kept_with_what_is_wrong(ledger: Ledger):
    asked = await make_asker(ledger, BAD).ask(INQUIRY)
    assert (asked.answer.text, asked.answer.parsed) == ("no", "")
    assert "Invalid JSON" in asked.answer.complaint
    assert ledger.find_answer("k") == asked.answer


async def test_an_answer_without_text_is_kept_with_its_cost(ledger: Ledger):
    budget = Budget(1.0)
    useless = Completion("", "m-2026", "stop", 7, 1, None)
    asker = make_asker(ledger, useless, budget=budget, price=PRICE)
    answer = (await asker.ask(INQUIRY)).answer
    assert (answer.complaint, answer.text) == ("the answer is empty (stop)", "")
    assert (answer.model, answer.prompt_tokens) == ("m-2026", 7)
    assert answer.cost_usd == budget.settled == pytest.approx(17e-6)
    assert (await make_asker(ledger).ask(INQUIRY)).answer == answer


@pytest.mark.parametrize(
    ("text", "kept"), [("", ""), ("x" * 30_000, "x" * MAX_ANSWER_CHARS)], ids=["empty", "long"]
)
async def test_a_useless_answer_goes_on_record_as_it_was(ledger: Ledger, text: str, kept: str):
    useless = replace(
        GOOD,
        text=text,
        finish_reason="content_filter",
        request_id="req-1",
        parameters={"max_completion_tokens": 120},
    )
    asker = make_asker(ledger, *[FormatError("no")] * 3, useless)
    answer = (await asker.ask(INQUIRY)).answer
    assert answer == ledger.find_answer("k")
    assert (answer.text, answer.parsed) == (kept, "")
    assert answer.complaint.startswith("the answer ")
    assert (answer.format, answer.finish_reason) == ("text", "content_filter")
    assert (answer.request_id, answer.parameters) == ("req-1", {"max_completion_tokens": 120})


async def test_an_answer_of_which_nothing_is_known_counts_as_dear_as_it_could_be(ledger: Ledger):
    budget = Budget(1.0)
    unknown = Completion("", "m", TOO_LARGE, None, None, None)
    asker = make_asker(ledger, unknown, budget=budget, price=PRICE)
    answer = (await asker.ask(INQUIRY)).answer
    assert (answer.model, answer.cost_usd) == ("m", None)
    assert budget.settled == pytest.approx(estimate_most(PROMPT, PRICE, asker.max_tokens))


async def test_the_answer_that_the_ledger_kept_is_the_one_that_counts(ledger: Ledger):
    class Overtaken(Script):
        async def complete(
            self, prompt: Prompt, answer_format: AnswerFormat = "json_schema"
        ) -> Completion:
            ledger.record_answer(make_answer(model="first"))
            return await super().complete(prompt, answer_format)

    asked = await make_asker(ledger, script=Overtaken(deque([GOOD]))).ask(INQUIRY)
    assert asked.answer.model == "first"
    assert asked.answer == ledger.find_answer("k")


@pytest.mark.parametrize(
    ("price", "completion", "cost"),
    [
        (PRICE, GOOD, 0.001),
        (PRICE, replace(GOOD, cost_usd=9.0), 0.001),
        (PRICE, replace(GOOD, prompt_tokens=None, cost_usd=0.5), 0.5),
        (None, replace(GOOD, cost_usd=0.5), 0.5),
        (None, replace(GOOD, cost_usd=None), None),
    ],
    ids=["price", "price first", "tokens unknown", "no price", "nothing known"],
)
async def test_the_cost_is_by_the_price_if_there_is_one(
    ledger: Ledger, price: Price | None, completion: Completion, cost: float | None
):
    answer = (await make_asker(ledger, completion, price=price).ask(INQUIRY)).answer
    assert answer.cost_usd == (cost if cost is None else pytest.approx(cost))


@pytest.mark.parametrize(
    "kind", [TransportError, DeniedError, BusyError], ids=["fault", "denied", "busy"]
)
@pytest.mark.parametrize("may_be_billed", [False, True])
async def test_a_call_that_failed_holds_no_lease_and_no_money_but_what_it_may_cost(
    ledger: Ledger, kind: type[TransportError], may_be_billed: bool
):
    budget = Budget(1.0)
    fault = kind("no", may_be_billed=may_be_billed)
    asker = make_asker(ledger, fault, budget=budget, price=PRICE, attempts=1)
    with pytest.raises(kind, match="no"):
        await asker.ask(INQUIRY)
    assert isinstance(ledger.claim("k", SOMEBODY, 60.0), Claim)
    most = estimate_most(PROMPT, PRICE, asker.max_tokens)
    assert budget.settled == pytest.approx(most if may_be_billed else 0.0)
    assert budget.reserved == 0.0
    assert asker.lost == ([pytest.approx(most)] if may_be_billed else [])


async def test_every_request_that_may_have_been_answered_counts_as_spent(ledger: Ledger):
    lost = BusyError("the connection failed", may_be_billed=True)
    budget = Budget(1.0)
    asker = make_asker(ledger, lost, GOOD, budget=budget, price=PRICE)
    answer = (await asker.ask(INQUIRY)).answer
    most = estimate_most(PROMPT, PRICE, asker.max_tokens)
    assert answer.cost_usd == pytest.approx(0.001)
    assert budget.settled == pytest.approx(most + 0.001)
    assert asker.lost == [pytest.approx(most)]


async def test_what_was_lost_of_a_model_without_a_price_is_not_known(ledger: Ledger):
    asker = make_asker(ledger, BusyError("the connection failed"), GOOD)
    await asker.ask(INQUIRY)
    assert asker.lost == [None]


async def test_an_answer_without_a_price_is_not_lost(ledger: Ledger):
    asker = make_asker(ledger, replace(GOOD, prompt_tokens=None, cost_usd=None), price=PRICE)
    await asker.ask(INQUIRY)
    assert asker.lost == []


async def test_a_form_that_the_server_does_not_take_is_asked_for_once(ledger: Ledger):
    asker = make_asker(ledger, FormatError("no json_schema"), GOOD, GOOD)
    answers = [await asker.ask(replace(INQUIRY, key=key)) for key in ("k", "l")]
    assert script_of(asker).formats == ["json_schema", "json_object_schema", "json_object_schema"]
    assert [asked.answer.format for asked in answers] == ["json_object_schema"] * 2


async def test_what_could_pass_the_budget_is_not_asked(ledger: Ledger):
    asker = make_asker(ledger, GOOD, budget=Budget(1e-6), price=PRICE)
    with pytest.raises(BudgetError, match="the budget of"):
        await asker.ask(INQUIRY)
    assert script_of(asker).prompts == []
    assert isinstance(ledger.claim("k", SOMEBODY, 60.0), Claim)


async def test_the_answer_that_another_run_asks_for_is_waited_for(ledger: Ledger):
    ledger.claim("k", SOMEBODY, 60.0)
    waited: list[float] = []

    async def sleep(seconds: float) -> None:
        waited.append(seconds)
        if len(waited) == 2:
            ledger.record_answer(make_answer())

    asker = make_asker(ledger, sleep=sleep)
    asked = await asker.ask(INQUIRY)
    assert (asked.answer, asked.is_new) == (make_answer(), False)
    assert waited == [2.0, 2.0]
    assert script_of(asker).prompts == []


async def test_who_waits_takes_over_what_another_run_gave_up(ledger: Ledger):
    ledger.claim("k", SOMEBODY, 60.0)

    async def sleep(_: float) -> None:
        ledger.release("k", SOMEBODY)

    asked = await make_asker(ledger, GOOD, sleep=sleep).ask(INQUIRY)
    assert asked.is_new


async def test_runs_that_share_a_ledger_ask_each_question_once(ledger: Ledger):
    askers = [make_asker(ledger, *[GOOD] * 20, owner=f"{name_owner()}-{n}") for n in range(3)]
    inquiries = [replace(INQUIRY, key=str(n)) for n in range(20)]
    async with asyncio.timeout(20):
        asked = await asyncio.gather(*(a.ask(i) for i in inquiries for a in askers))
    assert sum(len(script_of(asker).prompts) for asker in askers) == 20
    assert sum(one.is_new for one in asked) == 20
    assert {one.answer.key for one in asked} == {inquiry.key for inquiry in inquiries}


async def test_the_lease_is_held_while_a_call_is_under_way(ledger: Ledger):
    found: list[object] = []

    class Looking(Script):
        async def complete(
            self, prompt: Prompt, answer_format: AnswerFormat = "json_schema"
        ) -> Completion:
            found.append(ledger.claim("k", SOMEBODY, 60.0))
            return await super().complete(prompt, answer_format)

    script = Looking()
    script.replies.append(GOOD)
    await make_asker(ledger, script=script).ask(INQUIRY)
    assert isinstance(found[0], Taken)
    assert ledger.find_answer("k") is not None


async def test_who_is_interrupted_leaves_no_lease_and_counts_the_call_as_spent(ledger: Ledger):
    under_way = asyncio.Event()

    class Hanging(Script):
        async def complete(
            self, prompt: Prompt, answer_format: AnswerFormat = "json_schema"
        ) -> Completion:
            under_way.set()
            await asyncio.Event().wait()
            return GOOD

    budget = Budget(1.0)
    asker = make_asker(ledger, script=Hanging(), budget=budget, price=PRICE)
    asking = asyncio.create_task(asker.ask(INQUIRY))
    await under_way.wait()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert isinstance(ledger.claim("k", SOMEBODY, 60.0), Claim)
    assert budget.reserved == 0.0
    assert budget.settled == pytest.approx(estimate_most(PROMPT, PRICE, asker.max_tokens))
    assert asker.lost == [pytest.approx(budget.settled)]


def test_the_key_holds_all_that_decides_an_answer():
    script = make_script(parameters={"temperature": 0})

    def key(
        evidence: str = "e",
        method: str = "m",
        prompt: Prompt = PROMPT,
        transport: Script = script,
        instead_of: str = "",
    ) -> str:
        return make_key(evidence, method, prompt, transport, instead_of=instead_of)

    keys = [
        key(),
        key(evidence="f"),
        key(method="n"),
        key(prompt=replace(PROMPT, user="other data")),
        key(prompt=PROMPT.with_complaint("no JSON")),
        key(transport=make_script(model="n", parameters={"temperature": 0})),
        key(transport=make_script(parameters={"temperature": 1})),
        key(instead_of="n"),
    ]
    assert len(set(keys)) == len(keys)
    assert key() == keys[0]


class Clock:
    """Time that passes only while one waits."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def make_late_asker(ledger: Ledger, meanwhile: Callable[[], object]) -> Asker:
    """Make an asker whose second request waits for longer than a lease lasts."""
    clock = Clock()
    busy = BusyError("429", may_be_billed=False)
    asker = make_asker(ledger, busy, GOOD, clock=clock)

    async def wait(_: float) -> None:
        clock.now += LEASE_SECONDS + 1
        meanwhile()

    asker.pace = Pace(sleep=wait, random=lambda: 0.0)
    return asker


async def test_who_waited_for_long_renews_the_lease_before_the_request(ledger: Ledger):
    held: list[bool] = []

    class Looking(Script):
        async def complete(
            self, prompt: Prompt, answer_format: AnswerFormat = "json_schema"
        ) -> Completion:
            soon = time.time() + LEASE_SECONDS / 2
            held.append(isinstance(ledger.claim("k", SOMEBODY, 60.0, now=soon), Taken))
            return await super().complete(prompt, answer_format)

    asker = make_late_asker(ledger, lambda: ledger.renew("k", asker.owner, 1.0))
    asker.transport = Looking(script_of(asker).replies)
    await asker.ask(INQUIRY)
    assert held == [True, True]


async def test_who_waited_for_so_long_that_another_run_asks_does_not_ask_too(ledger: Ledger):
    def take_over() -> None:
        taken = ledger.claim("k", SOMEBODY, 60.0, now=time.time() + LEASE_SECONDS + 1)
        assert isinstance(taken, Claim)
        ledger.record_answer(make_answer())

    asker = make_late_asker(ledger, take_over)
    asked = await asker.ask(INQUIRY)
    assert (asked.answer, asked.is_new) == (make_answer(), False)
    assert len(script_of(asker).prompts) == 1


class Held(Script):
    """Answers when it is let."""

    def __init__(self, *replies: Reply) -> None:
        super().__init__(deque(replies))
        self.begun = asyncio.Event()
        self.let = asyncio.Event()

    async def complete(
        self, prompt: Prompt, answer_format: AnswerFormat = "json_schema"
    ) -> Completion:
        self.begun.set()
        await self.let.wait()
        return await super().complete(prompt, answer_format)


class WatchedBudget(Budget):
    """Tells when a call has to wait for another one's money."""

    def __init__(self, limit_usd: float) -> None:
        super().__init__(limit_usd)
        self.waits = asyncio.Event()

    async def reserve_when_free(self, most_usd: float) -> Reservation:
        if self.reserved:
            self.waits.set()
        return await super().reserve_when_free(most_usd)


def make_tight_asker(ledger: Ledger, script: Script, clock: Clock) -> Asker:
    """Make an asker whose budget holds one call at a time, though it can pay for two."""
    most = estimate_most(PROMPT, PRICE, 120)
    return make_asker(
        ledger,
        script=script,
        budget=WatchedBudget(1.5 * most),
        price=PRICE,
        clock=clock,
        attempts=5,
    )


async def ask_two(asker: Asker, script: Held, meanwhile: Callable[[], object]) -> list[object]:
    """Ask, and ask something else that has to wait for the first one's money."""
    first = asyncio.create_task(asker.ask(replace(INQUIRY, key="first")))
    await script.begun.wait()
    second = asyncio.create_task(asker.ask(INQUIRY))
    assert isinstance(asker.budget, WatchedBudget)
    async with asyncio.timeout(10):
        await asker.budget.waits.wait()
        meanwhile()
        script.let.set()
        return list(await asyncio.gather(first, second, return_exceptions=True))


async def test_who_loses_the_lease_while_waiting_for_money_does_not_ask(ledger: Ledger):
    clock, script = Clock(), Held(GOOD, GOOD)
    asker = make_tight_asker(ledger, script, clock)

    def take_over() -> None:
        clock.now += LEASE_SECONDS + 1
        later = time.time() + LEASE_SECONDS + 1
        assert isinstance(ledger.claim("k", SOMEBODY, 60.0, now=later), Claim)
        ledger.record_answer(make_answer())

    _, second = await ask_two(asker, script, take_over)
    assert isinstance(second, Asked)
    assert (second.answer, second.is_new) == (make_answer(), False)
    assert len(script.prompts) == 1
    assert asker.budget.reserved == 0.0


async def test_who_waited_for_money_still_waits_as_long_as_the_provider_asks(ledger: Ledger):
    clock = Clock()
    told = BusyError("429", retry_after=20.0, may_be_billed=False)
    script = Held(told, GOOD, GOOD)
    asker = make_tight_asker(ledger, script, clock)
    begun: list[float] = []
    complete = script.complete

    async def note(prompt: Prompt, answer_format: AnswerFormat = "json_schema") -> Completion:
        begun.append(clock.now)
        return await complete(prompt, answer_format)

    async def wait(seconds: float) -> None:
        await asyncio.sleep(0)
        clock.now += seconds

    script.complete = note
    asker.pace = Pace(clock=clock, sleep=wait, random=lambda: 0.0)
    asked = await ask_two(asker, script, lambda: None)
    assert all(isinstance(one, Asked) for one in asked)
    assert begun[0] == 0.0
    assert min(begun[1:]) >= 20.0


async def test_money_of_a_call_whose_turn_does_not_come_is_given_back(ledger: Ledger):
    script = Held(DeniedError("401", may_be_billed=False))
    asker = make_tight_asker(ledger, script, Clock())
    faults = await ask_two(asker, script, lambda: None)
    assert [type(fault) for fault in faults] == [DeniedError, DeniedError]
    assert (asker.budget.settled, asker.budget.reserved) == (0.0, 0.0)
    assert isinstance(ledger.claim("k", SOMEBODY, 60.0), Claim)


async def test_many_calls_with_money_for_one_at_a_time_all_end(ledger: Ledger):
    most = estimate_most(PROMPT, PRICE, 120)
    n = 30
    asker = make_asker(ledger, *[GOOD] * n, budget=Budget(most + n * 0.001), price=PRICE)
    asker.pace = Pace(most=2, sleep=at_once, random=lambda: 0.0)
    async with asyncio.timeout(20):
        asked = await asyncio.gather(
            *(asker.ask(replace(INQUIRY, key=str(number))) for number in range(n))
        )
    assert all(one.is_new for one in asked)
    assert asker.budget.reserved == 0.0


CUT = replace(GOOD, text='{"label": "US', finish_reason="length")
EMPTY = replace(GOOD, text="", finish_reason="length")


async def ask_many(asker: Asker, n: int) -> list[type]:
    ended: list[type] = []
    for number in range(n):
        try:
            ended.append(type(await asker.ask(replace(INQUIRY, key=str(number)))))
        except TransportError as fault:
            ended.append(type(fault))
    return ended


async def test_a_model_that_only_thinks_is_asked_no_more(ledger: Ledger):
    asker = make_asker(ledger, *[CUT, EMPTY] * MOST_UNSAID)
    ended = await ask_many(asker, MOST_UNSAID + 4)
    assert ended == [Asked] * MOST_UNSAID + [DeniedError] * 4
    assert len(script_of(asker).prompts) == MOST_UNSAID
    with pytest.raises(DeniedError, match="16 answers in a row were empty or cut off at 120"):
        await asker.ask(replace(INQUIRY, key="another"))
    # What is on record can still be had.
    assert not (await asker.ask(replace(INQUIRY, key="0"))).is_new


@pytest.mark.parametrize("other", [GOOD, BAD], ids=["good", "unreadable"])
async def test_a_model_that_ever_said_something_is_asked_on(ledger: Ledger, other: Completion):
    asker = make_asker(ledger, EMPTY, other, *[EMPTY] * 2 * MOST_UNSAID)
    assert set(await ask_many(asker, 2 * MOST_UNSAID)) == {Asked}
