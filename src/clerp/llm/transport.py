"""A way to a model: a prompt goes in, a completion comes out."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol, runtime_checkable

from clerp.llm.prompt import AnswerFormat, Prompt
from clerp.llm.redaction import hide_keys, write_line

MAX_TOKENS = 120
"""Of an answer; one that keeps to the rules takes about 80."""
MAX_ANSWER_CHARS = 20_000
MAX_NAME_CHARS = 200
NO_CHOICES, REFUSED, TOO_LARGE = "no choices", "refusal", "too large"
"""Reasons to finish that servers show but have no word for."""
_REASONS = ("stop", "length", "content_filter", "tool_calls", NO_CHOICES, REFUSED)

Parameters = Mapping[str, str | float | int | None]


@dataclass(frozen=True, slots=True)
class Completion:
    """What came back. It may be cut off, empty or endless: see `find_complaint`."""

    text: str
    model: str
    """As returned by the provider."""
    finish_reason: str
    prompt_tokens: int | None
    completion_tokens: int | None
    cost_usd: float | None
    """US dollars by litellm's price map; None where nobody knows."""
    request_id: str = ""
    """The provider's own, for asking it what happened."""
    answer_format: AnswerFormat = "json_schema"
    """How the answer was asked for."""
    parameters: Parameters = field(default_factory=dict[str, str | float | int | None])
    """Those that were really sent, by the provider's names."""


@runtime_checkable
class Transport(Protocol):
    """A way to one model."""

    model: str
    """As asked for."""

    @property
    def parameters(self) -> dict[str, str | float | int | None]:
        """Everything but the prompt that decides the answer."""
        ...

    async def complete(
        self, prompt: Prompt, answer_format: AnswerFormat = "json_schema"
    ) -> Completion:
        """Ask once.

        Raises:
            BusyError: The provider cannot answer now.
            DeniedError: It will not answer this or any other prompt.
            FormatError: It does not take `answer_format`.
            TransportError: It did not take this prompt.
        """
        ...

    async def aclose(self) -> None:
        """Close the connections, in the event loop that opened them."""
        ...


@runtime_checkable
class LimitChecking(Protocol):
    """A transport whose provider may not be told the most that an answer may have."""

    def check_limit(self) -> None:
        """Make sure that it is.

        Raises:
            UsageError: It is not: its answers may cost anything.
        """
        ...


def clean_completion(completion: Completion) -> Completion:
    """Return a completion that may be kept: no key of this machine, nothing unencodable."""
    return replace(
        completion,
        text=hide_keys(completion.text.encode(errors="replace").decode()),
        model=write_line(hide_keys(completion.model), MAX_NAME_CHARS),
        finish_reason=write_line(hide_keys(completion.finish_reason), MAX_NAME_CHARS),
        request_id=write_line(hide_keys(completion.request_id), MAX_NAME_CHARS),
    )


def find_complaint(completion: Completion) -> str:
    """Say why there is nothing to read in a completion, in clerp's own words; empty if there is."""
    if completion.finish_reason == TOO_LARGE:
        return "the answer is too large to be read"
    if not completion.text:
        reason = completion.finish_reason
        # The server's own words would reach the prompt that asks again.
        return f"the answer is empty ({reason if reason in _REASONS else 'unknown'})"
    if len(completion.text) > MAX_ANSWER_CHARS:
        return f"the answer has {len(completion.text):,} characters"
    return ""
