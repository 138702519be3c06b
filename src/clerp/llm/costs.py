"""What calls cost: as recorded, and as they may before any is made."""

import json
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import NamedTuple, Protocol, runtime_checkable

from clerp.llm.budget import count_most_tokens
from clerp.llm.prices import Price
from clerp.llm.prompt import Prompt, read_schema
from clerp.router import Tier

# Medians of 30 prompts of the bundled graph: 3.3 by Llama's tokenizer, 3.7 by Claude's of old. The
# greatest cost does not rest on it.
_BYTES_PER_TOKEN = 3.5
_LIKELY_COMPLETION_TOKENS = 80
# What an answer may be blamed for when it is asked for once more.
_LONGEST_COMPLAINT = "-" * 500

_Details = Mapping[str, str | float | int | None]


class CostKey(NamedTuple):
    """Whose costs are added up."""

    tier: Tier
    model: str
    """As returned by the provider."""
    method: str


_NONE_CACHED: Mapping[CostKey, int] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class CostRow:
    """What the answers of one method of one model for one tier cost when they were made."""

    tier: Tier
    model: str
    method: str
    calls: int
    """Answers that the labels rest on, in whatever run they were paid for."""
    cached: int
    """Those of them that this run found in the ledger."""
    prompt_tokens: int | None
    """None where a provider did not count them; so are the two below."""
    completion_tokens: int | None
    cost_usd: float | None

    def to_record(self) -> dict[str, str | float | int | None]:
        """Return what is the same in every run, for a graph."""
        record = asdict(self)
        del record["cached"]
        return record


@dataclass(frozen=True, slots=True)
class LostCalls:
    """Calls of a run that no answer came of, and that may be billed all the same."""

    calls: int = 0
    most_usd: float | None = 0.0
    """What they cost together at most, in US dollars; None where a price is not known."""

    @classmethod
    def of(cls, reserved: Sequence[float | None]) -> "LostCalls":
        """Add up what was set aside for each, None where the price is not known."""
        return cls(len(reserved), _add_dollars(reserved))


NOTHING_LOST = LostCalls()


@runtime_checkable
class _Routed(Protocol):
    @property
    def tier(self) -> Tier: ...


@runtime_checkable
class Charged(Protocol):
    """A feature with what its labeler put on record: `clerp.outcome.LabeledFeature`."""

    @property
    def route(self) -> _Routed: ...  # noqa: D102 - the class says it
    @property
    def method(self) -> str: ...  # noqa: D102
    @property
    def details(self) -> _Details: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class Estimate:
    """What calls that were not made yet would take."""

    calls: int
    """Without those that repeat an answer that cannot be used."""
    prompt_tokens: int
    """Of these calls, at 3.5 bytes a token."""
    most_completion_tokens: int
    """Of these calls."""
    likely_usd: float | None
    """At 80 tokens an answer; None where the price is not known."""
    most_usd: float | None
    """If every call has to be repeated once, every answer is as long as may be and every byte is a
    token; None where the price is not known."""


def tabulate_costs(
    features: Iterable[Charged], *, cached: Mapping[CostKey, int] = _NONE_CACHED
) -> tuple[CostRow, ...]:
    """Add up what answers cost, by tier, model and method.

    Args:
        features: Each once. Those whose details hold no `cost_usd` were not asked about; `calls` is
            the number of answers, one where the details do not say.
        cached: How many answers came out of the ledger.

    Returns:
        Rows in the order of tier, model and method.
    """
    details: defaultdict[CostKey, list[_Details]] = defaultdict(list)
    for feature in features:
        if "cost_usd" in feature.details:
            model = str(feature.details.get("model") or "")
            # A label that a model had nothing to add to is another method's.
            method = str(feature.details.get("method") or feature.method)
            details[CostKey(feature.route.tier, model, method)].append(feature.details)
    return tuple(_add_up(key, details[key], cached.get(key, 0)) for key in sorted(details))


def estimate_run(prompts: Iterable[Prompt], price: Price | None, max_tokens: int) -> Estimate:
    """Say what it takes to ask these prompts.

    Args:
        prompts: Those that the ledger does not answer.
        price: Of the model, if it is known.
        max_tokens: Largest answer that a request allows.
    """
    asked = list(prompts)
    prompt_tokens = sum(map(_count_likely_tokens, asked))
    if price is None:
        return Estimate(len(asked), prompt_tokens, len(asked) * max_tokens, None, None)
    repeated = [prompt.with_complaint(_LONGEST_COMPLAINT) for prompt in asked]
    most_tokens = sum(map(count_most_tokens, asked + repeated))
    return Estimate(
        calls=len(asked),
        prompt_tokens=prompt_tokens,
        most_completion_tokens=len(asked) * max_tokens,
        likely_usd=price.bill(
            prompt_tokens, len(asked) * min(max_tokens, _LIKELY_COMPLETION_TOKENS)
        ),
        most_usd=price.bill(most_tokens, 2 * len(asked) * max_tokens),
    )


def add_known(amounts: Iterable[object]) -> float | int | None:
    """Add up; a sum with an unknown part is unknown. Whole numbers stay whole."""
    listed = list(amounts)
    known = [amount for amount in listed if isinstance(amount, int | float)]
    if len(known) < len(listed):
        return None
    whole = [amount for amount in known if isinstance(amount, int)]
    return sum(whole) if len(whole) == len(known) else math.fsum(known)


def _add_dollars(amounts: Iterable[object]) -> float | None:
    total = add_known(amounts)
    return None if total is None else float(total)


def _add_up(key: CostKey, details: list[_Details], cached: int) -> CostRow:
    prompt_tokens = add_known([one.get("prompt_tokens") for one in details])
    completion_tokens = add_known([one.get("completion_tokens") for one in details])
    return CostRow(
        *key,
        calls=int(add_known([one.get("calls", 1) for one in details]) or 0),
        cached=cached,
        prompt_tokens=None if prompt_tokens is None else int(prompt_tokens),
        completion_tokens=None if completion_tokens is None else int(completion_tokens),
        cost_usd=_add_dollars([one["cost_usd"] for one in details]),
    )


def _count_likely_tokens(prompt: Prompt) -> int:
    sent = [prompt.system, prompt.user, json.dumps(read_schema(prompt.schema))]
    n_bytes = sum(len(text.encode("utf-8", "surrogatepass")) for text in sent)
    return math.ceil(n_bytes / _BYTES_PER_TOKEN)
