"""Money that may be spent: reserved before a call, settled after it."""

import asyncio
import json
import logging
import math
import unicodedata
from collections.abc import Callable

from clerp.errors import BudgetError, UsageError
from clerp.llm.prices import Price
from clerp.llm.prompt import AnswerFormat, Prompt, read_schema

_log = logging.getLogger("clerp")
# Sums of floats drift; whole numbers of this part of a dollar do not.
_PARTS = 10**12
# What providers add to a prompt: the marks of two messages, and what they say to the model of a
# schema. Anthropic's for tools, the longest that is documented, has 530 tokens.
_MOST_ADDED_TOKENS = 1024


def estimate_most(prompt: Prompt, price: Price, max_tokens: int) -> float:
    """Say what a call can cost at most.

    A token of any tokenizer that falls back to bytes stands for one byte of UTF-8 or more, so that
    no text has more tokens than bytes; the longer of the text and its compatibility form (NFKD)
    counts, for a tokenizer may read that. The schema counts twice, as one form of request has it:
    in the text of the prompt, and beside it, written with indents. Real prompts have about a fifth
    of this; no half of it is safe.

    Args:
        prompt: What is asked, in whatever form.
        price: Of the model.
        max_tokens: Largest answer that the request allows.

    Returns:
        US dollars.
    """
    return price.bill(count_most_tokens(prompt), max_tokens)


def count_most_tokens(prompt: Prompt) -> int:
    """Return more tokens than any tokenizer makes of a prompt and what travels with it."""
    schema = json.dumps(read_schema(prompt.schema), indent=4)
    written = _count_bytes(prompt, "json_object_schema")
    return written + len(schema.encode()) + _MOST_ADDED_TOKENS


class Reservation:
    """Money set aside for one call. The first of `settle` and `release` counts, no later one.

    Args:
        close: Is told what the call cost, or None where all that was set aside counts.
        most_usd: What was set aside, in US dollars.
    """

    def __init__(self, close: Callable[[float | None], None], most_usd: float = 0.0) -> None:
        self._close: Callable[[float | None], None] | None = close
        self.most_usd = most_usd

    @property
    def is_open(self) -> bool:
        """Whether nobody has said yet what the call cost."""
        return self._close is not None

    def settle(self, cost_usd: float | None) -> None:
        """Put what the call cost in the place of what was set aside.

        Args:
            cost_usd: US dollars; without it, or where it is no amount of money, all that was set
                aside counts as spent.
        """
        known = cost_usd is not None and math.isfinite(cost_usd) and cost_usd >= 0
        self._end(cost_usd if known else None)

    def release(self) -> None:
        """Give all of it back: the request was surely not sent."""
        self._end(0.0)

    def _end(self, cost_usd: float | None) -> None:
        close, self._close = self._close, None
        if close is not None:
            close(cost_usd)


class Budget:
    """What the calls of a run may cost together. Used from one event loop.

    Whatever order calls end in, settled and reserved money together never pass the limit, as long
    as no call costs more than was set aside for it. One that does, against the price that was
    given, counts in full, and nothing more is reserved.

    Args:
        limit_usd: US dollars; None for no limit.

    Raises:
        UsageError: The limit is negative or no number.
    """

    def __init__(self, limit_usd: float | None) -> None:
        if limit_usd is not None and not (math.isfinite(limit_usd) and limit_usd >= 0):
            raise UsageError(f"{limit_usd!r} is not a budget", remedy="Give US dollars, 0 or more")
        self._limit = None if limit_usd is None else _to_parts(limit_usd)
        self._settled = 0
        self._reserved = 0
        self._freed = asyncio.Event()

    @property
    def is_limited(self) -> bool:
        """Whether there is a limit."""
        return self._limit is not None

    @property
    def settled(self) -> float:
        """US dollars spent."""
        return self._settled / _PARTS

    @property
    def reserved(self) -> float:
        """US dollars set aside for calls that have not ended."""
        return self._reserved / _PARTS

    def reserve(self, most_usd: float) -> Reservation:
        """Set money aside, now or not at all.

        Args:
            most_usd: What the call can cost at most, in US dollars.

        Raises:
            BudgetError: With it, the limit could be passed.
        """
        most = _to_parts(most_usd)
        if not self._has_room(self._settled + self._reserved + most):
            raise self._refuse(most_usd)
        self._reserved += most

        def close(cost_usd: float | None) -> None:
            self._reserved -= most
            self._settled += most if cost_usd is None else _to_parts(cost_usd)
            freed, self._freed = self._freed, asyncio.Event()
            freed.set()

        return Reservation(close, most_usd)

    async def reserve_when_free(self, most_usd: float) -> Reservation:
        """Set money aside, once enough of what other calls hold has come back.

        Args:
            most_usd: As for `reserve`.

        Raises:
            BudgetError: Nothing that other calls give back can make room for it.
        """
        most = _to_parts(most_usd)
        while not self._has_room(self._settled + self._reserved + most):
            if not self._has_room(self._settled + most):
                raise self._refuse(most_usd)
            await self._freed.wait()
        return self.reserve(most_usd)

    def _has_room(self, spent: int) -> bool:
        return self._limit is None or spent <= self._limit

    def _refuse(self, most_usd: float) -> BudgetError:
        limit = (self._limit or 0) / _PARTS
        # The error becomes the reason on record, which must not hang on the order of the calls.
        _log.info(
            "a call that could cost $%.4f is not made: $%.4f spent, $%.4f set aside",
            most_usd,
            self.settled,
            self.reserved,
        )
        return BudgetError(
            f"the budget of ${limit:g} is reached: one more call could pass it",
            remedy="Raise --budget and run the same command again: what is paid for is kept",
        )


def _to_parts(usd: float) -> int:
    return round(usd * _PARTS)


def _count_bytes(prompt: Prompt, answer_format: AnswerFormat) -> int:
    texts = [message["content"] for message in prompt.write_messages(answer_format)]
    return sum(max(_utf8(text), _utf8(unicodedata.normalize("NFKD", text))) for text in texts)


def _utf8(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))
