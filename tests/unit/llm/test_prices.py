"""Prices from the configuration, and from the map of the litellm that is installed."""

import importlib.util
import sys

import pytest

from clerp.errors import UsageError
from clerp.llm.prices import Price, find_price, require_price

OURS = Price(1.0, 2.0)
needs_litellm = pytest.mark.skipif(
    importlib.util.find_spec("litellm") is None, reason="litellm is not installed"
)


def test_a_call_is_billed_by_its_tokens():
    assert Price(0.15, 0.60).bill(1_000_000, 500_000) == pytest.approx(0.45)


@pytest.mark.parametrize("amount", [-1.0, float("nan"), float("inf")])
def test_what_is_no_amount_is_refused(amount: float):
    with pytest.raises(UsageError, match="is not a price"):
        Price(0.1, amount)
    with pytest.raises(UsageError, match="is not a price"):
        Price(amount, 0.1)


@needs_litellm
def test_the_configured_price_comes_first():
    assert find_price("gpt-4o-mini", {"gpt-4o-mini": OURS}) == OURS
    assert find_price("gpt-4o-mini", {"openai/gpt-4o-mini": OURS}) != OURS


@needs_litellm
@pytest.mark.parametrize("model", ["gpt-4o-mini", "openai/gpt-4o-mini"])
def test_the_map_of_litellm_knows_the_large_providers(model: str):
    price = find_price(model, {})
    assert price is not None
    assert 0 < price.input_usd_per_million < price.output_usd_per_million < 100


def test_reasoning_that_costs_more_than_answers_is_the_price_of_an_answer(
    monkeypatch: pytest.MonkeyPatch,
):
    entry = {
        "input_cost_per_token": 1e-6,
        "output_cost_per_token": 2e-6,
        "output_cost_per_reasoning_token": 3e-6,
    }
    monkeypatch.setattr("clerp.llm.model_map._read_map", lambda: {"thinker": entry})
    assert find_price("thinker", {}) == Price(1.0, 3.0)


@pytest.mark.parametrize(
    ("model", "change"),
    [
        ("gifted", {"input_cost_per_token": 0, "output_cost_per_token": 0.0}),
        ("painter", {"output_cost_per_token": None}),
        ("perplexity/sonar", {}),
        ("gpt-4o-search-preview", {}),
        ("o3-deep-research", {}),
        ("metered", {"input_cost_per_request": 0.01}),
    ],
)
def test_the_map_prices_nothing_that_it_does_not_tell_all_about(
    monkeypatch: pytest.MonkeyPatch, model: str, change: dict[str, float | None]
):
    entry = {"input_cost_per_token": 1e-6, "output_cost_per_token": 2e-6}
    prices = {model: entry | change, "honest": entry}
    monkeypatch.setattr("clerp.llm.model_map._read_map", lambda: prices)
    assert find_price("honest", {}) == Price(1.0, 2.0)
    assert find_price(model, {}) is None


def test_a_name_is_not_taken_for_that_of_another_provider(monkeypatch: pytest.MonkeyPatch):
    entry = {
        "input_cost_per_token": 1e-6,
        "output_cost_per_token": 2e-6,
        "litellm_provider": "openai",
    }
    monkeypatch.setattr("clerp.llm.model_map._read_map", lambda: {"gpt": entry, "http:gpt": entry})
    assert find_price("openai/gpt", {}) == Price(1.0, 2.0)
    assert find_price("azure/gpt", {}) is None
    assert find_price("http:gpt", {}) is None
    assert find_price("http:gpt", {"http:gpt": OURS}) == OURS


def test_prices_are_found_without_importing_litellm(monkeypatch: pytest.MonkeyPatch):
    for name in [name for name in sys.modules if name.partition(".")[0] == "litellm"]:
        monkeypatch.delitem(sys.modules, name)
    find_price("gpt-4o-mini", {})
    assert "litellm" not in sys.modules


def test_without_litellm_only_configured_models_are_priced(monkeypatch: pytest.MonkeyPatch):
    from clerp.llm import model_map

    model_map._read_map.cache_clear()
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    try:
        assert find_price("gpt-4o-mini", {}) is None
        assert find_price("gpt-4o-mini", {"gpt-4o-mini": OURS}) == OURS
    finally:
        model_map._read_map.cache_clear()


def test_a_budget_without_a_price_says_how_to_give_one():
    with pytest.raises(UsageError) as caught:
        require_price("openai/my-model", {})
    said = str(caught.value)
    assert "the price of openai/my-model is not known" in said
    assert '[prices."openai/my-model"]' in said
    assert "input = 0.15" in said
    assert "clerp.toml" in said
    assert require_price("openai/my-model", {"openai/my-model": OURS}) == OURS
