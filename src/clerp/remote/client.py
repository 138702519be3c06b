"""A client that retries, follows redirects with care and never takes half an answer for one."""

import json
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import count
from types import MappingProxyType, TracebackType

from clerp.errors import RemoteError, UsageError
from clerp.remote.address import check_base, find_origin, find_target, show
from clerp.remote.answer import Answer, Call, check
from clerp.remote.patience import RUN_AGAIN, Patience, TransientError

REDIRECTS = (301, 302, 303, 307, 308)
MAX_REDIRECTS = 5

_NO_HEADERS: Mapping[str, str] = MappingProxyType({})


class Client:
    """Asks one server. A context manager; threads may share it.

    Lost connections, timeouts, answers that only trickle or are cut, 5xx and 429 are tried again
    with growing waits, and Retry-After is kept to. Redirects lead to the own host and the allowed
    ones only; other origins are not shown `headers`. No error text holds a header or a query.

    Args:
        base: `https://HOST[/PREFIX]`; `http://` only on loopback.
        headers: Sent to this server only, so that a token may be among them.
        redirects: Hosts, or what they end in, that it may redirect to besides its own.
        patience: How often and how long it is waited for.
        sleep: Waits so many seconds.

    Raises:
        UsageError: The address is none of these, a header cannot be sent, or the environment names
            a proxy or certificates that cannot be used.
    """

    def __init__(
        self,
        base: str,
        *,
        headers: Mapping[str, str] = _NO_HEADERS,
        redirects: Sequence[str] = (),
        patience: Patience = Patience(),  # noqa: B008 - frozen
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        # httpx takes longer to import than all of clerp.
        from clerp.remote.connection import Connection

        self._base = check_base(base)
        self._headers = _check_headers(headers)
        self._redirects = tuple(redirects)
        self._patience = patience
        self._sleep = sleep
        self._connection = Connection(self._base, patience.timeout)

    def __enter__(self) -> "Client":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections; what other threads wait for breaks off."""
        self._connection.close()

    def get(
        self,
        path: str,
        *,
        max_bytes: int,
        span: tuple[int, int] | None = None,
        accept: Collection[int] = (),
    ) -> Answer:
        """Read what stands at a path.

        Args:
            path: Below the base; it may have a query.
            max_bytes: Most bytes of content, unpacked.
            span: First and last byte, both included, of which all must come and nothing else.
            accept: Statuses besides 2xx that are handed back, without content, instead of raised.

        Raises:
            MissingEvidenceError: There is nothing (404, 410).
            RemoteError: The server does not answer, or not as documented.
        """
        return self._ask(Call("GET", path, max_bytes, accept, span=span))

    def head(self, path: str, *, accept: Collection[int] = ()) -> Answer:
        """Read the headers of what stands at a path.

        Raises:
            MissingEvidenceError: There is nothing (404, 410).
            RemoteError: The server does not answer, or not as documented.
        """
        return self._ask(Call("HEAD", path, 0, accept))

    def post_json(
        self, path: str, body: object, *, max_bytes: int, accept: Collection[int] = ()
    ) -> Answer:
        """Send JSON to a path and read the answer; a redirect is refused.

        Asked again after a fault like the others: only for what may be asked twice.

        Raises:
            MissingEvidenceError: There is nothing (404, 410).
            RemoteError: The server does not answer, or not as documented.
        """
        content = json.dumps(body, allow_nan=False).encode()
        return self._ask(Call("POST", path, max_bytes, accept, body=content))

    def _ask(self, call: Call) -> Answer:
        for attempt in count(1):
            try:
                return self._follow(call)
            except TransientError as fault:
                if attempt >= self._patience.attempts:
                    raise RemoteError(
                        f"{fault.what}, {attempt} times", where=fault.where, remedy=RUN_AGAIN
                    ) from fault
                self._sleep(self._patience.choose_wait(fault, attempt))
        raise AssertionError("count() has no end")

    def _follow(self, call: Call) -> Answer:
        url = start = f"{self._base}/{call.path.lstrip('/')}"
        for _ in range(MAX_REDIRECTS + 1):
            answer = self._connection.exchange(call, url, self._choose_headers(call, url))
            if answer.status not in REDIRECTS or answer.status in call.accept:
                return check(call, answer, show(start))
            if call.method == "POST":
                raise RemoteError("the server redirects what was sent to it", where=show(start))
            url = find_target(url, answer.headers.get("location", ""), self._redirects)
        raise RemoteError(f"more than {MAX_REDIRECTS} redirects", where=show(start))

    def _choose_headers(self, call: Call, url: str) -> dict[str, str]:
        own = find_origin(url) == find_origin(self._base)
        chosen = dict(self._headers) if own else {}
        # Of packed content, the bytes asked for would be others.
        chosen["Accept-Encoding"] = "identity" if call.span else "gzip"
        if call.span:
            chosen["Range"] = f"bytes={call.span[0]}-{call.span[1]}"
        if call.body is not None:
            chosen["Content-Type"] = "application/json"
        return chosen


def _check_headers(headers: Mapping[str, str]) -> dict[str, str]:
    for name, value in headers.items():
        if not (value.isascii() and value.isprintable()) or value != value.strip():
            raise UsageError(
                f"the header {name} holds characters that cannot be sent",
                remedy="A token is one line of plain letters and digits",
            )
    return dict(headers)
