"""How little a model may think before it answers: what it thinks counts as answer."""

import re
from collections.abc import Mapping
from typing import Any

from clerp.llm.model_map import find_entry

# https://ai.google.dev/gemini-api/docs/thinking: a budget of 0, which litellm makes of "none", is
# taken by these and refused by 2.5 Pro. litellm's map does not tell them apart.
_GEMINI_THAT_NEED_NOT_THINK = re.compile(r"(?:gemini|vertex_ai)/gemini-2\.5-flash(?:-lite)?")
_OPENAI = ("openai", "azure")


def find_effort(model: str) -> dict[str, str | float | int | None]:
    """Say which `reasoning_effort` keeps a model from thinking, as a parameter of litellm.

    Only levels that are known to be taken: any other is refused by the provider, and every call
    with it. "low" is none of them, since it lets models think longer than an answer may be, and
    since litellm turns on by it the thinking of models that do not think unless they are asked to
    (Claude).

    Args:
        model: litellm's name of it.

    Returns:
        `{"reasoning_effort": "none"}`, or "minimal" where that is the least; empty where the model
        does not think, or nobody knows how to keep it from doing so.
    """
    entry = find_entry(model)
    if entry is None or entry.get("mode") != "chat" or not entry.get("supports_reasoning"):
        return {}
    level = _find_level(model, entry)
    return {"reasoning_effort": level} if level else {}


def _find_level(model: str, entry: Mapping[str, Any]) -> str:
    if entry.get("supports_none_reasoning_effort") or _GEMINI_THAT_NEED_NOT_THINK.fullmatch(model):
        return "none"
    # Elsewhere litellm makes a budget of thinking of it, larger than an answer.
    is_openai = entry.get("litellm_provider") in _OPENAI
    return "minimal" if is_openai and entry.get("supports_minimal_reasoning_effort") else ""
