"""A way to a model: a prompt goes in, a completion comes out."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol, runtime_checkable

from clerp.errors import AnswerError
from clerp.llm.prompt import AnswerFormat, Prompt
from clerp.llm.redaction import hide_keys, write_line

MAX_TOKENS = 120
"""Of an answer; one that keeps to the rules takes about 80."""
MAX_ANSWER_CHARS = 20_000
MAX_NAME_CHARS = 200

Parameters = Mapping[str, str | float | int | None]


@dataclass(frozen=True, slots=True)
class Completion:
    """What came back. There is always some text; it may be cut off (`finish_reason`)."""

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
            AnswerError: It answered without any text, or with far too much. The details say what
                that cost.
        """
        ...

    async def aclose(self) -> None:
        """Close the connections, in the event loop that opened them."""
        ...


def check_completion(completion: Completion, *, where: str) -> Completion:
    """Return a completion that may be kept: no key of this machine, nothing unencodable.

    Raises:
        AnswerError: As `Transport.complete`.
    """
    checked = replace(
        completion,
        text=hide_keys(completion.text.encode(errors="replace").decode()),
        model=write_line(hide_keys(completion.model), MAX_NAME_CHARS),
        finish_reason=write_line(hide_keys(completion.finish_reason), MAX_NAME_CHARS),
        request_id=write_line(hide_keys(completion.request_id), MAX_NAME_CHARS),
    )
    if not checked.text:
        raise _refuse(checked, f"the answer is empty ({checked.finish_reason})", where)
    if len(checked.text) > MAX_ANSWER_CHARS:
        raise _refuse(checked, f"the answer has {len(checked.text):,} characters", where)
    return checked


def _refuse(completion: Completion, what: str, where: str) -> AnswerError:
    fault = AnswerError(what, where=where)
    fault.details = {
        "model": completion.model,
        "cost_usd": completion.cost_usd,
        "prompt_tokens": completion.prompt_tokens,
        "completion_tokens": completion.completion_tokens,
    }
    return fault
