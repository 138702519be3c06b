"""What a model costs, as configured or as litellm's map says."""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from clerp.errors import UsageError
from clerp.llm.model_map import find_entry

_MILLION = 1_000_000
# These are billed for searches or for whole requests, beside their tokens.
_ALWAYS_SEARCHES = re.compile(r"perplexity|deep-research|search-(preview|api)")
_OTHER_FEES = ("input_cost_per_request", "input_cost_per_character", "output_cost_per_character")


@dataclass(frozen=True, slots=True)
class Price:
    """What the tokens of a model cost.

    Args:
        input_usd_per_million: US dollars for a million tokens of prompt.
        output_usd_per_million: US dollars for a million tokens of answer.

    Raises:
        UsageError: An amount is negative, infinite or no number.
    """

    input_usd_per_million: float
    output_usd_per_million: float

    def __post_init__(self) -> None:
        for amount in (self.input_usd_per_million, self.output_usd_per_million):
            if not (math.isfinite(amount) and amount >= 0):
                raise UsageError(
                    f"{amount!r} is not a price",
                    remedy="Write US dollars per million tokens, 0 or more",
                )

    def bill(self, prompt_tokens: int, completion_tokens: int) -> float:
        """Return what a call costs, in US dollars."""
        spent = (
            prompt_tokens * self.input_usd_per_million
            + completion_tokens * self.output_usd_per_million
        )
        return spent / _MILLION


def find_price(model: str, configured: Mapping[str, Price]) -> Price | None:
    """Look up what a model costs.

    Args:
        model: As asked for, for example `anthropic/claude-sonnet-4-5` or `http:my-model`.
        configured: The prices of `clerp.toml`, by that same name; these come first.

    Returns:
        The configured price; else that of the map inside the litellm that is installed, read
        without importing it; else None. A model is not priced by the map where that says 0 for all
        tokens, which stands for free and for unknown, or where tokens are not all that is billed.
    """
    if model in configured:
        return configured[model]
    if model.startswith("http:"):
        return None
    entry = find_entry(model)
    return None if entry is None else _read_entry(model, entry)


def require_price(model: str, configured: Mapping[str, Price]) -> Price:
    """Look up what a model costs, where a budget depends on it.

    Args:
        model: As for `find_price`.
        configured: As for `find_price`.

    Raises:
        UsageError: Nobody knows. Says how to write the price into `clerp.toml`.
    """
    price = find_price(model, configured)
    if price is None:
        raise UsageError(
            f"there is a budget, but the price of {model} is not known",
            remedy=f"Put it into clerp.toml, in US dollars per million tokens, under "
            f"[prices.{json.dumps(model)}], for example: input = 0.15 and, on the next line, "
            "output = 0.60",
        )
    return price


def _read_entry(model: str, entry: Mapping[str, Any]) -> Price | None:
    # Prices for prompts of 100,000 tokens and more are left out: ours are some thousand.
    tokens = (entry.get("input_cost_per_token"), entry.get("output_cost_per_token"))
    if not all(isinstance(amount, int | float) for amount in tokens) or not any(tokens):
        return None
    if _ALWAYS_SEARCHES.search(model) or any(entry.get(fee) for fee in _OTHER_FEES):
        return None
    asked, answered = cast("tuple[float, float]", tokens)
    reasoned = cast(float, entry.get("output_cost_per_reasoning_token") or 0.0)
    return Price(asked * _MILLION, max(answered, reasoned) * _MILLION)
