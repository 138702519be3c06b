"""A provider that answered with an error: what that means for this call and for the next."""

import re
from dataclasses import dataclass

from clerp.errors import BusyError, DeniedError, FormatError, TransportError
from clerp.llm.prompt import AnswerFormat
from clerp.llm.redaction import redact

MAX_WAIT_SECONDS = 3600.0

# The word "quota" alone will not do: Gemini says it of a limit per minute.
_USED_UP = re.compile(
    r"insufficient_quota|billing_(?:hard_limit_reached|not_active)|account_deactivated"
    r"|credit balance is too low|insufficient balance",
    re.IGNORECASE,
)
_FORMAT = re.compile(
    r"response.?format|json.?schema|json.?object|structured.?output|response.?schema|grammar",
    re.IGNORECASE,
)
# llama.cpp of 2024 and the server of llama-cpp-python say with a 500 that they do not know
# json_schema.
_FORMAT_REFUSED = re.compile(
    r"response_format.{0,60}(?:(?:must|should) be|not support|unsupported|unavailable|invalid)",
    re.IGNORECASE | re.DOTALL,
)
_READ_CHARS = 4000
_MALFORMED = (400, 415, 422)


@dataclass(frozen=True, slots=True)
class Refusal:
    """What a provider said when it did not answer."""

    status: int
    message: str
    """Its own words, whatever they hold."""
    codes: str = ""
    """The error's machine-readable type and code."""
    name: str = "the provider answered"
    """What the error is called."""
    retry_after: float | None = None
    """Seconds."""


def explain(refusal: Refusal, answer_format: AnswerFormat, *, where: str) -> TransportError:
    """Say in one line without keys what a refusal means.

    Args:
        refusal: What the provider said.
        answer_format: What it was asked for.
        where: What the error calls the provider.

    Returns:
        BusyError, DeniedError or FormatError where it is one of them.
    """
    said = f"{refusal.codes} {refusal.message[:_READ_CHARS]}"
    status = refusal.status
    if status == 402 or _USED_UP.search(said):
        return DeniedError(
            f"the provider's quota or credit is used up ({status})",
            where=where,
            remedy="Raise it, then run the same command again",
        )
    if answer_format != "text" and _complains_of_format(status, said):
        return FormatError(_describe(refusal), where=where)
    return _explain_status(refusal, where)


def _complains_of_format(status: int, said: str) -> bool:
    if status in _MALFORMED:
        return _FORMAT.search(said) is not None
    return status >= 500 and _FORMAT_REFUSED.search(said) is not None


def _explain_status(refusal: Refusal, where: str) -> TransportError:
    match refusal.status:
        case 401 | 403 as status:
            return DeniedError(
                f"the provider refused the key ({status})",
                where=where,
                remedy="Check the provider's ..._API_KEY in the environment",
            )
        case 404 | 405:
            return DeniedError(
                _describe(refusal), where=where, remedy="Check the model's name and the address"
            )
        case status if 300 <= status < 400:
            return DeniedError(
                f"the server redirects ({status}), which is not followed",
                where=where,
                remedy="Give the address that it leads to",
            )
        case 429:
            return _make_busy("the provider's rate limit is reached (429)", refusal, where)
        case status if status in (408, 409, 425) or status >= 500:
            return _make_busy(_describe(refusal), refusal, where)
        case _:
            return TransportError(_describe(refusal), where=where)


def _make_busy(what: str, refusal: Refusal, where: str) -> BusyError:
    asked = refusal.retry_after
    return BusyError(
        what,
        where=where,
        remedy="Run the same command again: what was answered is kept",
        retry_after=None if asked is None else min(asked, MAX_WAIT_SECONDS),
        may_be_billed=False,
    )


def _describe(refusal: Refusal) -> str:
    said = redact(refusal.message[:_READ_CHARS])
    return f"{refusal.name} ({refusal.status})" + (f": {said}" if said else "")
