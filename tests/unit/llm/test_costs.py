"""Costs on record, and costs to come."""

from dataclasses import replace
from typing import Any

import pytest
from tests.outcomes import FIRST, SECOND, THIRD, make_named, make_route, make_unnamed

from clerp.llm.answer import LabelAnswer
from clerp.llm.budget import estimate_most
from clerp.llm.costs import (
    CostKey,
    CostRow,
    Estimate,
    LostCalls,
    add_known,
    estimate_run,
    tabulate_costs,
)
from clerp.llm.prices import Price
from clerp.llm.prompt import Prompt
from clerp.outcome import LabeledFeature

PAID = {"model": "m-2026", "cost_usd": 0.01, "prompt_tokens": 600, "completion_tokens": 40}
METHOD = "max-act-logits"


def answered(feature: Any = FIRST, tier: Any = 2, **details: Any) -> LabeledFeature:
    route = make_route(feature, role="cross", tier=tier)
    return make_named(feature, route=route, method=METHOD, details={**PAID, **details})


def test_costs_are_added_up_by_tier_model_and_method():
    features = [
        answered(FIRST, cost_usd=0.01),
        answered(SECOND, cost_usd=0.02, calls=2),
        answered(THIRD, tier=1),
        replace(answered(THIRD), method="token-act-pairs"),
        answered(THIRD, model="a-2026"),
    ]
    rows = tabulate_costs(features)
    assert [(row.tier, row.model, row.method, row.calls) for row in rows] == [
        (1, "m-2026", METHOD, 1),
        (2, "a-2026", METHOD, 1),
        (2, "m-2026", METHOD, 3),
        (2, "m-2026", "token-act-pairs", 1),
    ]
    assert rows[2] == CostRow(2, "m-2026", METHOD, 3, 0, 1200, 80, 0.03)


def test_a_label_that_a_model_had_nothing_to_add_to_is_paid_for_by_the_method_that_asked():
    kept = replace(answered(FIRST, tier=1, method="small-llm"), method="token-frequency")
    assert [row.method for row in tabulate_costs([kept])] == ["small-llm"]


def test_the_order_of_features_changes_nothing():
    features = [answered(FIRST, cost_usd=0.1), answered(SECOND, cost_usd=0.2)] * 3
    features += [answered(THIRD, cost_usd=0.3)]
    assert tabulate_costs(features) == tabulate_costs(features[::-1])


def test_features_that_no_llm_was_asked_about_cost_nothing():
    assert tabulate_costs([make_named(FIRST), make_unnamed(SECOND)]) == ()


def test_what_was_paid_for_a_feature_without_a_label_counts():
    failed = make_unnamed(FIRST, route=make_route(FIRST, tier=2), method=METHOD, details=PAID)
    assert tabulate_costs([failed])[0].cost_usd == 0.01


@pytest.mark.parametrize("name", ["cost_usd", "prompt_tokens", "completion_tokens"])
def test_a_sum_with_an_unknown_part_is_unknown(name: str):
    (row,) = tabulate_costs([answered(FIRST), answered(SECOND, **{name: None})])
    assert getattr(row, name) is None
    assert row.calls == 2


def test_what_came_from_the_ledger_is_counted_but_not_on_record():
    key = CostKey(2, "m-2026", METHOD)
    (first,) = tabulate_costs([answered()])
    (second,) = tabulate_costs([answered()], cached={key: 1})
    assert (first.cached, second.cached) == (0, 1)
    assert first.to_record() == second.to_record()
    assert second.to_record() == {"tier": 2, "method": METHOD, "calls": 1, **PAID}


@pytest.mark.parametrize(
    ("reserved", "lost"),
    [
        ([], LostCalls(0, 0.0)),
        ([0.25, 0.5], LostCalls(2, 0.75)),
        ([0.25, None], LostCalls(2, None)),
    ],
)
def test_what_was_lost_is_added_up(reserved: list[float | None], lost: LostCalls):
    assert LostCalls.of(reserved) == lost


def test_whole_numbers_stay_whole_and_parts_do_not_drift():
    assert repr(add_known([600, 40])) == "640"
    assert add_known([0.1] * 10) == 1.0
    assert add_known([1, None]) is None


def test_nothing_to_ask_costs_nothing():
    assert estimate_run([], Price(1.0, 2.0), 200) == Estimate(0, 0, 0, 0.0, 0.0)


def test_an_unpriced_run_has_tokens_and_no_cost():
    estimate = estimate_run([Prompt("s" * 100, "u" * 100, LabelAnswer)] * 3, None, 200)
    assert (estimate.calls, estimate.most_completion_tokens) == (3, 600)
    assert estimate.prompt_tokens > 3 * 200 / 4
    assert (estimate.likely_usd, estimate.most_usd) == (None, None)


def test_what_a_run_may_cost_covers_a_second_try_of_every_call():
    price, prompt = Price(3.0, 15.0), Prompt("s" * 100, "u" * 1000, LabelAnswer)
    estimate = estimate_run([prompt] * 10, price, 200)
    assert estimate.likely_usd is not None
    assert estimate.most_usd is not None
    again = prompt.with_complaint("the label has 9 words, not 1 to 6")
    tries = estimate_most(prompt, price, 200) + estimate_most(again, price, 200)
    assert 10 * tries <= estimate.most_usd
    assert 0 < estimate.likely_usd < estimate.most_usd
