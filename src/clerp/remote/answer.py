"""What a server said, and whether that is what was asked for."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from clerp.errors import MissingEvidenceError, RemoteError
from clerp.remote.patience import TransientError, read_retry_after

_CONTENT_RANGE = re.compile(r"bytes ([0-9]{1,18})-([0-9]{1,18})/(?:[0-9]{1,18}|\*)")
_PARTIAL = 206


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server said."""

    status: int
    headers: Mapping[str, str]
    """Names in lower case."""
    content: bytes
    """Decoded; empty when it was asked for by HEAD, or when the status is no good one."""
    page: bytes = b""
    """The start of what came where no content did: a stranger's words, whole or not."""


@dataclass(frozen=True, slots=True)
class Call:
    """What a server is asked."""

    method: str
    path: str
    max_bytes: int
    accept: Collection[int] = ()
    """Statuses, besides the good ones, that are an answer."""
    span: tuple[int, int] | None = None
    """First and last byte."""
    body: bytes | None = None

    def wants(self, status: int) -> bool:
        """Say whether the content that comes with a status is wanted."""
        return status == _PARTIAL if self.span else 200 <= status < 300


def check(call: Call, answer: Answer, where: str) -> Answer:
    """Return the answer if it is one.

    Raises:
        TransientError: Another attempt may bring it.
        MissingEvidenceError: There is nothing at that place.
        RemoteError: The server refuses, or answers something else.
    """
    if answer.status not in call.accept:
        _check_status(answer, where)
        _check_span(call.span, answer, where)
    return answer


def _check_status(answer: Answer, where: str) -> None:
    match answer.status:
        case status if 200 <= status < 300:
            return
        case 401 | 403:
            raise RemoteError(
                f"the server refuses to show this ({answer.status})",
                where=where,
                remedy="Set a token that may read it",
            )
        case 404 | 410:
            raise MissingEvidenceError(f"nothing there ({answer.status})", where=where)
        case 429:
            raise TransientError(
                "too many requests (429)", where=where, retry_after=read_retry_after(answer.headers)
            )
        case status if status >= 500:
            raise TransientError(
                f"the server failed ({status})",
                where=where,
                retry_after=read_retry_after(answer.headers),
            )
        case status:
            raise RemoteError(f"the server answered with status {status}", where=where)


def _check_span(span: tuple[int, int] | None, answer: Answer, where: str) -> None:
    if span is None:
        return
    first, last = span
    asked = f"bytes {first} to {last}"
    if answer.status != _PARTIAL:
        raise RemoteError(f"asked for {asked}, the server answered with all of them", where=where)
    given = _CONTENT_RANGE.fullmatch(answer.headers.get("content-range", ""))
    if given is None:
        raise RemoteError(f"asked for {asked}, the server does not say which it sent", where=where)
    if (int(given[1]), int(given[2])) != span:
        raise RemoteError(
            f"asked for {asked}, the server sent bytes {given[1]} to {given[2]}", where=where
        )
    if len(answer.content) != last - first + 1:
        raise TransientError("the answer was cut short", where=where)
