"""One exchange with a server, over httpx. Imported when something is asked, and not before."""

from collections.abc import Mapping
from http.cookiejar import CookieJar, DefaultCookiePolicy

import httpx

from clerp.errors import RemoteError
from clerp.remote.address import find_origin, show
from clerp.remote.answer import Answer, Call
from clerp.remote.body import read_body
from clerp.remote.patience import TransientError

# What is not wanted is read so far, because an answer left unread costs its connection.
_DRAINED_BYTES = 2**16


class Connection:
    """The open connections of one client."""

    def __init__(self, base: str, timeout: float) -> None:
        self._timeout = timeout
        self._http = httpx.Client(
            timeout=timeout,
            follow_redirects=False,
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
            # A proxy cannot reach this machine.
            trust_env=find_origin(base).scheme == "https",
            headers={"User-Agent": "clerp"},
        )

    def exchange(self, call: Call, url: str, headers: Mapping[str, str]) -> Answer:
        """Ask one address once.

        Raises:
            TransientError: It cannot be reached, or its answer is cut short.
            RemoteError: The address cannot be asked; the answer is too large or malformed.
        """
        where = show(url)
        try:
            with self._http.stream(
                call.method, url, headers=dict(headers), content=call.body
            ) as response:
                return Answer(
                    status=response.status_code,
                    headers={name.lower(): value for name, value in response.headers.items()},
                    content=_read_content(call, response, where),
                )
        except httpx.TransportError as error:
            raise TransientError(self._describe(error), where=where) from error
        except (httpx.InvalidURL, UnicodeError) as error:
            raise RemoteError("this is no address that can be asked", where=where) from error

    def close(self) -> None:
        """Close them all."""
        self._http.close()

    def _describe(self, error: httpx.TransportError) -> str:
        """Say what happened, without words of httpx that may hold an address."""
        match error:
            case httpx.TimeoutException():
                return f"no answer within {self._timeout:g} s"
            case httpx.ConnectError():
                return f"the server cannot be reached ({error})"
            case httpx.ProxyError():
                return "the proxy does not let it through"
            case httpx.RemoteProtocolError():
                return "the answer was cut short or malformed"
            case _:
                return "the connection broke"


def _read_content(call: Call, response: httpx.Response, where: str) -> bytes:
    if call.method == "HEAD":
        return b""
    if not call.wants(response.status_code):
        _drain(response)
        return b""
    encoding = response.headers.get("content-encoding", "")
    return read_body(response.iter_raw(), encoding, call.max_bytes, where)


def _drain(response: httpx.Response) -> None:
    n_bytes = 0
    for piece in response.iter_raw():
        n_bytes += len(piece)
        if n_bytes > _DRAINED_BYTES:
            return
