"""What a run would take, before it asks."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest
from tests.pools import FEATURES, make_pool
from tests.scripted_transport import GOOD, make_script

from clerp.config import Settings
from clerp.dry_run import estimate_pools
from clerp.evidence import EvidenceGap
from clerp.labelers.llm import open_llm
from clerp.ledger import Ledger, open_ledger
from clerp.llm.costs import Estimate
from clerp.llm.transport import MAX_TOKENS
from clerp.pool import Pool
from clerp.requests import Requests
from clerp.router import Tier

# Nobody listens there, and nobody is asked.
MODEL = "http:big@http://127.0.0.1:9/v1"
SMALL = "http:small@http://127.0.0.1:9/v1"
PRICES = {"http:big": {"input": 1.0, "output": 10.0}, "http:small": {"input": 0.1, "output": 1.0}}
POOL = make_pool("input", "output", "cross", "cross", "obscure", "artefact")


@pytest.fixture
def ledger() -> Iterator[Ledger]:
    with open_ledger(":memory:") as opened:
        yield opened


async def estimate(ledger: Ledger, pool: Pool = POOL, **given: Any) -> Mapping[Tier, Estimate]:
    settings = Settings.model_validate({"prices": PRICES, **given})
    return await estimate_pools([pool], settings, ledger)


def count_calls(estimates: Mapping[Tier, Estimate]) -> dict[Tier, int]:
    return {tier: one.calls for tier, one in estimates.items()}


async def answer(ledger: Ledger, *features: Any) -> None:
    """Have the model answer of these features, by a transport that is like the real one."""
    labeler = open_llm(MODEL)
    script = make_script(
        [GOOD] * len(features),
        model=labeler.transport.model,
        parameters=labeler.transport.parameters,
    )
    requests = Requests(POOL, Settings())
    asking = replace(labeler, transport=script).with_ledger(ledger)
    for feature in features:
        await asking.label(await requests.make(feature))


@pytest.mark.parametrize(
    ("given", "calls"),
    [
        ({}, {}),
        ({"llm": MODEL}, {2: 2}),
        ({"llm": MODEL, "llm_all": True}, {1: 2, 2: 2, 3: 1}),
        ({"refine": SMALL}, {1: 2}),
        ({"refine": SMALL, "llm": MODEL}, {1: 2, 2: 2}),
        ({"llm": MODEL, "fallback_model": SMALL}, {2: 2}),
    ],
    ids=["none", "llm", "all", "refine", "both", "fallback"],
)
async def test_calls_are_counted_by_tier_and_artefacts_need_none(
    ledger: Ledger, given: dict[str, Any], calls: dict[Tier, int]
):
    assert count_calls(await estimate(ledger, **given)) == calls


async def test_a_feature_without_evidence_needs_no_call(ledger: Ledger):
    gap = {FEATURES[2]: EvidenceGap(FEATURES[2], "lost")}
    pool = make_pool("input", "output", "cross", "cross", known=gap)
    assert count_calls(await estimate(ledger, pool, llm=MODEL)) == {2: 1}


async def test_what_the_ledger_knows_is_not_counted(ledger: Ledger):
    await answer(ledger, FEATURES[2])
    assert count_calls(await estimate(ledger, llm=MODEL)) == {2: 1}
    await answer(ledger, FEATURES[3])
    assert await estimate(ledger, llm=MODEL) == {}


async def test_every_tier_has_the_price_of_its_own_model(ledger: Ledger):
    estimates = await estimate(ledger, refine=SMALL, llm=MODEL)
    for one, price in ((estimates[1], 0.1), (estimates[2], 1.0)):
        assert one.most_completion_tokens == one.calls * MAX_TOKENS
        tokens = one.prompt_tokens + 10 * one.calls * 80
        assert one.likely_usd == pytest.approx(tokens * price / 1e6)
        assert one.most_usd is not None
        assert one.likely_usd is not None
        assert one.most_usd > one.likely_usd


async def test_without_a_price_there_are_tokens_and_no_cost(ledger: Ledger):
    estimates = await estimate(ledger, llm=MODEL, prices={}, budget=1.0)
    assert estimates[2].prompt_tokens > 0
    assert (estimates[2].likely_usd, estimates[2].most_usd) == (None, None)


async def test_several_pools_are_added_up(ledger: Ledger):
    estimates = await estimate_pools([POOL, make_pool("cross")], Settings(llm=MODEL), ledger)
    assert count_calls(estimates) == {2: 3}
