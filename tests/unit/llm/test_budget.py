"""Money that is set aside before a call and settled after it."""

import asyncio
import importlib.util
import json
import logging
import random
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from clerp.errors import BudgetError, UsageError
from clerp.llm.answer import LabelAnswer
from clerp.llm.budget import Budget, Reservation, count_most_tokens, estimate_most
from clerp.llm.prices import Price
from clerp.llm.prompt import Prompt

AMOUNTS = st.floats(0.0, 0.02)


@cache
def load_tokenizers() -> tuple[Any, ...]:
    """Llama's, which falls back to bytes, and Claude's of old, which rewrites text (NFKC)."""
    folder = files("wordllama") / "tokenizers"
    found = [Path(str(folder)) / "l2_supercat_tokenizer_config.json"]
    litellm = importlib.util.find_spec("litellm")
    if litellm is not None and litellm.origin is not None:
        inside = "litellm_core_utils/tokenizers/anthropic_tokenizer.json"
        found.append(Path(litellm.origin).parent / inside)
    loaded = [Tokenizer.from_file(str(path)) for path in found]
    for tokenizer in loaded:
        tokenizer.no_truncation()
        tokenizer.no_padding()
    return tuple(loaded)


def make_prompt(user: str, system: str = "") -> Prompt:
    return Prompt(system, user, LabelAnswer)


def count(text: str) -> int:
    return max(
        len(tokenizer.encode(text, add_special_tokens=False).ids) for tokenizer in load_tokenizers()
    )


@settings(deadline=None)
@given(text=st.text(st.characters(exclude_categories=["Cs"])))
@example("ﷺ" * 200)  # 3 bytes that stand for 18 letters
@example("\U0001f9d1\u200d\U0001f680 ก็ ½" * 50)
@example("\x00\x01\x02" * 300)
@example(" " * 3 + "\n\n\t" * 100)
def test_no_text_has_more_tokens_than_are_reckoned_with(text: str):
    alone = count_most_tokens(make_prompt(text)) - count_most_tokens(make_prompt(""))
    # A tokenizer may begin with a token of its own: that is what the marks of a message are for.
    assert count(text) <= alone + 1


@given(text=st.text())
def test_every_byte_of_every_part_counts(text: str):
    n_bytes = len(text.encode("utf-8", "surrogatepass"))
    assert count_most_tokens(make_prompt(text, text)) >= 2 * n_bytes + 1024


def test_the_schema_counts_however_it_travels():
    prompt = make_prompt("Name it.")
    schema = json.dumps(LabelAnswer.model_json_schema(), indent=4)
    in_text = prompt.write_messages("text")[1]["content"]
    assert count_most_tokens(prompt) >= count(f"Name it.{schema}") + 1024
    assert count_most_tokens(prompt) >= count(in_text) + 1024


def test_the_greatest_cost_has_the_longest_answer():
    prompt = make_prompt("Name it.")
    answer_alone = estimate_most(prompt, Price(0.0, 10.0), 200)
    assert answer_alone == pytest.approx(0.002)
    both = estimate_most(prompt, Price(1.0, 10.0), 200)
    assert both == pytest.approx(0.002 + count_most_tokens(prompt) / 1e6)


def test_what_is_reserved_is_spent_or_comes_back():
    budget = Budget(1.0)
    budget.reserve(0.4).settle(0.1)
    kept = budget.reserve(0.3)
    assert (budget.settled, budget.reserved) == (0.1, 0.3)
    kept.release()
    assert (budget.settled, budget.reserved) == (0.1, 0.0)


@pytest.mark.parametrize("cost", [None, float("nan"), float("inf"), -1.0])
def test_a_call_of_unknown_cost_is_taken_for_the_dearest(cost: float | None):
    budget = Budget(1.0)
    budget.reserve(0.25).settle(cost)
    assert (budget.settled, budget.reserved) == (0.25, 0.0)


def test_a_reservation_ends_once():
    budget = Budget(1.0)
    reservation = budget.reserve(0.5)
    reservation.settle(0.2)
    reservation.release()
    reservation.settle(0.4)
    assert (budget.settled, budget.reserved) == (0.2, 0.0)


def test_the_limit_is_refused_by_name(caplog: pytest.LogCaptureFixture):
    budget = Budget(0.01)
    budget.reserve(0.004).settle(0.002)
    budget.reserve(0.005)
    with (
        caplog.at_level(logging.INFO, "clerp"),
        pytest.raises(BudgetError, match=r"budget of \$0\.01 is reached.*Raise --budget"),
    ):
        budget.reserve(0.004)
    assert "could cost $0.0040 is not made: $0.0020 spent, $0.0050 set aside" in caplog.text
    assert budget.reserved == 0.005


@given(st.lists(AMOUNTS, min_size=1, max_size=5))
def test_a_refusal_is_the_same_whatever_was_spent_before(spent: list[float]):
    used = Budget(1.0)
    for amount in spent:
        used.reserve(amount).settle(amount / 2)
    used.reserve(spent[0])
    assert say_refusal(used, 1.01) == say_refusal(Budget(1.0), 1.1)


def say_refusal(budget: Budget, most: float) -> str:
    with pytest.raises(BudgetError) as refused:
        budget.reserve(most)
    return str(refused.value)


def test_the_limit_itself_may_be_spent():
    budget = Budget(0.3)
    for _ in range(3):
        budget.reserve(0.1).settle(0.1)
    assert budget.settled == 0.3
    with pytest.raises(BudgetError):
        budget.reserve(1e-6)


def test_a_free_call_fits_into_a_budget_of_nothing():
    budget = Budget(0.0)
    budget.reserve(0.0).settle(0.0)
    with pytest.raises(BudgetError):
        budget.reserve(0.001)


def test_without_a_limit_money_is_only_counted():
    budget = Budget(None)
    budget.reserve(1e6).settle(5e5)
    assert budget.settled == 5e5


@pytest.mark.parametrize("limit", [-0.01, float("nan"), float("inf")])
def test_what_is_no_budget_is_refused(limit: float):
    with pytest.raises(UsageError, match="is not a budget"):
        Budget(limit)


def test_a_call_dearer_than_its_price_stops_the_next():
    budget = Budget(0.1)
    budget.reserve(0.05).settle(0.2)
    assert budget.settled == 0.2
    with pytest.raises(BudgetError):
        budget.reserve(0.0001)


@given(
    limit=st.floats(0.0, 0.1),
    calls=st.lists(st.tuples(AMOUNTS, st.floats(0.0, 1.0), st.integers(0, 5)), max_size=60),
)
def test_the_limit_is_never_passed(limit: float, calls: list[tuple[float, float, int]]):
    budget = Budget(limit)
    under_way: list[tuple[Reservation, float]] = []
    for most, share, n_ending in calls:
        try:
            under_way.append((budget.reserve(most), most * share))
        except BudgetError:
            assert budget.settled + budget.reserved + most > limit - 1e-11
        for reservation, cost in under_way[:n_ending]:
            reservation.settle(cost)
        del under_way[:n_ending]
        assert budget.settled + budget.reserved <= limit + 1e-11


async def test_64_calls_at_once_never_pass_the_limit():
    budget, drawn = Budget(0.5), random.Random(5)
    greatest, refused = 0.0, 0

    async def call() -> None:
        nonlocal greatest, refused
        most = drawn.uniform(0.005, 0.02)
        try:
            reservation = await budget.reserve_when_free(most)
        except BudgetError:
            refused += 1
            return
        greatest = max(greatest, budget.settled + budget.reserved)
        for _ in range(drawn.randrange(5)):
            await asyncio.sleep(0)
        reservation.settle(drawn.choice([None, most * drawn.random()]))

    async def work() -> None:
        for _ in range(10):
            await call()

    await asyncio.gather(*(work() for _ in range(64)))
    assert greatest <= 0.5
    assert 0.45 < budget.settled <= 0.5
    assert budget.reserved == 0.0
    assert refused > 0


async def test_who_finds_the_rest_set_aside_waits_for_what_comes_back():
    budget = Budget(0.01)
    first = budget.reserve(0.008)
    waiting = asyncio.create_task(budget.reserve_when_free(0.005))
    await asyncio.sleep(0)
    assert not waiting.done()
    first.settle(0.001)
    (await waiting).settle(0.005)
    assert budget.settled == pytest.approx(0.006)


async def test_who_finds_the_rest_spent_does_not_wait():
    budget = Budget(0.01)
    first = budget.reserve(0.008)
    waiting = asyncio.create_task(budget.reserve_when_free(0.005))
    await asyncio.sleep(0)
    first.settle(None)
    with pytest.raises(BudgetError):
        await waiting
