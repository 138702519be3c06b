"""Which effort of thinking is asked for: only what a provider is known to take."""

import importlib.util

import pytest

from clerp.llm.effort import find_effort

needs_litellm = pytest.mark.skipif(
    importlib.util.find_spec("litellm") is None, reason="litellm is not installed"
)


@needs_litellm
@pytest.mark.parametrize("model", ["gpt-5.5", "openai/gpt-5.1", "gemini/gemini-2.5-flash"])
def test_thinking_is_turned_off_where_it_can_be(model: str):
    assert find_effort(model) == {"reasoning_effort": "none"}


@needs_litellm
@pytest.mark.parametrize("model", ["gpt-5", "openai/gpt-5-nano"])
def test_thinking_is_as_short_as_it_can_be(model: str):
    assert find_effort(model) == {"reasoning_effort": "minimal"}


@needs_litellm
@pytest.mark.parametrize(
    "model",
    [
        *("openai/gpt-4o-mini", "o3-mini", "gpt-5-pro", "openai/my-model", "hosted_vllm/qwen3"),
        *("anthropic/claude-sonnet-4-5", "gemini/gemini-2.5-pro", "deepseek/deepseek-reasoner"),
        *("gemini/gemini-2.5-flash-image", "mistral/magistral-small-latest"),
    ],
)
def test_nothing_is_asked_of_a_model_that_may_refuse_it_or_think_by_it(model: str):
    assert find_effort(model) == {}


@pytest.mark.parametrize(
    ("change", "level"),
    [
        ({}, "none"),
        ({"supports_none_reasoning_effort": False}, "minimal"),
        ({"supports_none_reasoning_effort": None, "litellm_provider": "azure"}, "minimal"),
        ({"supports_none_reasoning_effort": False, "litellm_provider": "bedrock"}, None),
        ({"supports_reasoning": False}, None),
        ({"mode": "responses"}, None),
    ],
)
def test_the_least_that_the_map_vouches_for_is_taken(
    monkeypatch: pytest.MonkeyPatch, change: dict[str, object], level: str | None
):
    entry = {
        "mode": "chat",
        "litellm_provider": "openai",
        "supports_reasoning": True,
        "supports_none_reasoning_effort": True,
        "supports_minimal_reasoning_effort": True,
    }
    monkeypatch.setattr("clerp.llm.model_map._read_map", lambda: {"thinker": entry | change})
    assert find_effort("thinker").get("reasoning_effort") == level
