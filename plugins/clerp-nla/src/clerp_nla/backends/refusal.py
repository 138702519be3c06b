"""What a server says of a request that it calls a bad one."""

from dataclasses import dataclass

import msgspec

from clerp.llm.redaction import redact
from clerp.llm.refusal import strip_places
from clerp.remote import Answer

BAD_REQUEST = (400, 422)


class _Page(msgspec.Struct):
    error: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A status, and the server's own words: a short line without keys and addresses, or nothing."""

    status: int
    words: str

    def __str__(self) -> str:
        return f"{self.status}: {self.words}" if self.words else str(self.status)


def read_refusal(answer: Answer) -> Refusal:
    """Read why a request is refused, from an answer with a status of `BAD_REQUEST`."""
    return Refusal(answer.status, strip_places(redact(_find_words(answer.page))))


def _find_words(page: bytes) -> str:
    text = page.decode(errors="replace")
    try:
        read = msgspec.json.decode(page, type=_Page)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        # A page of some proxy, or a list of faults: shown as it is.
        return text
    return read.error or read.detail or text
