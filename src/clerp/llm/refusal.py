"""A provider that answered with an error: what that means for this call and for the next."""

import re
import ssl
from dataclasses import dataclass
from typing import TypeVar

from clerp.errors import BusyError, DeniedError, FormatError, TransportError
from clerp.llm.prompt import AnswerFormat
from clerp.llm.redaction import redact

_Cause = TypeVar("_Cause", bound=BaseException)

MAX_WAIT_SECONDS = 3600.0

# The word "quota" alone will not do: Gemini says it of a limit per minute.
_USED_UP = re.compile(
    r"insufficient_quota|billing_(?:hard_limit_reached|not_active)|account_deactivated"
    r"|credit balance is too low|insufficient balance",
    re.IGNORECASE,
)
_FORMAT = re.compile(
    r"response.?format|json.?schema|json.?object|structured.?output|response.?schema",
    re.IGNORECASE,
)
# The word alone is one that a quoted prompt may well hold.
_GRAMMAR = re.compile(
    r"(?:compil|pars|initiali[sz]|invalid)\w*.{0,20}grammar|grammar.{0,20}(?:error|invalid)",
    re.IGNORECASE,
)
# llama.cpp of 2024 and the server of llama-cpp-python say with a 500 that they do not know
# json_schema.
_FORMAT_REFUSED = re.compile(
    r"response_format.{0,60}(?:(?:must|should) be|not support|unsupported|unavailable|invalid)",
    re.IGNORECASE | re.DOTALL,
)
# OpenRouter's 403 of one text that it, or the provider behind it, will not have.
_MODERATED = re.compile(r"moderat|flagged|content.{0,8}(?:policy|filter)", re.IGNORECASE)
# What hangs on this machine, this run or the address, on which no output may hang.
_PLACE = re.compile(
    r"Traceback \(most recent call last\):?|File \"[^\"]*\"?(?:, line \d+)?(?:, in \S+)?"
    r"|\b\w+://\S+|\b(?:[\w-]+\.)*[\w-]+:\d{2,5}\b|\[[0-9A-Fa-f:]*::[0-9A-Fa-f:]*\](?::\d+)?"
    r"|\b(?:\d{1,3}\.){3}\d{1,3}\b|\b0x[0-9A-Fa-f]+"
)
_READ_CHARS = 4000
_START_CHARS = 400
_MALFORMED = (400, 415, 422)
# Turned away before a model saw them. Behind every other status, 500 and a gateway's 502 and 504
# among them, an answer may have been made and lost.
_UNBILLED = (400, 401, 402, 403, 404, 405, 413, 415, 422, 429)
_OVERLOADED = (503, 529)


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
    is_quotable: bool = True
    """Whether the message is the provider's own, and may be shown."""
    follows_answer: bool = False
    """Whether an answer may have been made before it: it is not the status of an HTTP reply."""

    @property
    def may_be_billed(self) -> bool:
        """Whether the provider may want money for what it was asked."""
        if self.follows_answer:
            return True
        # Who says when to ask again has not begun.
        turned_away = self.status in _OVERLOADED and self.retry_after is not None
        is_redirect = 300 <= self.status < 400
        return not (self.status in _UNBILLED or is_redirect or turned_away)


def explain(refusal: Refusal, answer_format: AnswerFormat, *, where: str) -> TransportError:
    """Say in one line without keys what a refusal means.

    Args:
        refusal: What the provider said.
        answer_format: What it was asked for.
        where: What the error calls the provider.

    Returns:
        BusyError, DeniedError or FormatError where it is one of them.
    """
    fault = _find_kind(refusal, answer_format, where)
    # A form that is refused was not used.
    fault.may_be_billed = refusal.may_be_billed and not isinstance(fault, FormatError)
    return fault


def explain_loss(error: Exception, *, where: str) -> BusyError:
    """Say in one line that a connection failed, without the address or how far the answer came."""
    refused = find_cause(error, ssl.SSLError)
    kind = type(error).__name__ if refused is None else f"[SSL: {refused.reason}]"
    return BusyError(f"the connection failed: {kind}", where=where)


def find_cause(error: BaseException, kind: type[_Cause]) -> _Cause | None:
    """Find the first of a kind among an error and what led to it."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, kind):
        cause = cause.__cause__ or cause.__context__
    return cause


def _find_kind(refusal: Refusal, answer_format: AnswerFormat, where: str) -> TransportError:
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
    if status == 403 and _MODERATED.search(said):
        return TransportError(_describe(refusal), where=where)
    return _explain_status(refusal, where)


def _complains_of_format(status: int, said: str) -> bool:
    if status in _MALFORMED:
        return bool(_FORMAT.search(said) or _GRAMMAR.search(said[:_START_CHARS]))
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
    )


def _describe(refusal: Refusal) -> str:
    # Of the whole message: half a key at the end of a part is none that would be known.
    said = strip_places(redact(refusal.message)) if refusal.is_quotable else ""
    return f"{refusal.name} ({refusal.status})" + (f": {said}" if said else "")


def strip_places(said: str) -> str:
    """Take addresses, paths and numbers of this machine out of what a provider said."""
    return " ".join(_PLACE.sub("…", said).split())
