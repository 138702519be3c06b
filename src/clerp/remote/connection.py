"""One exchange with a server, over httpx. Imported when something is asked, and not before."""

import os
from collections.abc import Mapping, Sequence
from http.cookiejar import CookieJar, DefaultCookiePolicy

import httpx

from clerp.errors import RemoteError, UsageError
from clerp.remote.address import find_origin, show
from clerp.remote.answer import Answer, Call
from clerp.remote.body import read_body, read_start
from clerp.remote.pace import Pace, Streams
from clerp.remote.patience import TransientError

# What is not wanted is read so far, because an answer left unread costs its connection.
_DRAINED_BYTES = 2**16
_PROXIES = ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY")
_CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR")


class Connection:
    """The open connections of one client.

    Raises:
        UsageError: The environment names a proxy or certificates that cannot be used.
    """

    def __init__(self, base: str, timeout: float) -> None:
        self._timeout = timeout
        self._streams = Streams()
        try:
            self._http = httpx.Client(
                timeout=timeout,
                follow_redirects=False,
                cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
                # A proxy cannot reach this machine.
                trust_env=find_origin(base).scheme == "https",
                headers={"User-Agent": "clerp"},
            )
        # Not from the error: the address of a proxy may hold a password.
        except (ImportError, ValueError, httpx.InvalidURL):
            raise _refuse("the proxy cannot be used", _PROXIES) from None
        except OSError:
            raise _refuse("the certificates cannot be read", _CERTIFICATES) from None

    def exchange(self, call: Call, url: str, headers: Mapping[str, str]) -> Answer:
        """Ask one address once.

        Raises:
            TransientError: It cannot be reached, or its answer is cut short or too slow.
            RemoteError: The address cannot be asked; the answer is too large or malformed.
        """
        where = show(url)
        self._streams.start(Pace(self._timeout, where))
        try:
            with self._http.stream(
                call.method,
                url,
                headers=dict(headers),
                content=call.body,
                extensions={"trace": self._streams.trace},
            ) as response:
                return _read(call, response, where)
        except httpx.LocalProtocolError:
            # Not from the error, which shows the header that it is about.
            raise RemoteError("this cannot be asked over HTTP", where=where) from None
        except httpx.TransportError as error:
            raise TransientError(self._describe(error), where=where) from error
        except (httpx.InvalidURL, UnicodeError) as error:
            raise RemoteError("this is no address that can be asked", where=where) from error

    def close(self) -> None:
        """Close them all; what other threads wait for breaks off."""
        self._streams.hang_up()
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


def _refuse(what: str, variables: Sequence[str]) -> UsageError:
    known = [name for upper in variables for name in (upper, upper.lower()) if name in os.environ]
    return UsageError(what, remedy=f"Check {' and '.join(known) or variables[0]}")


def _read(call: Call, response: httpx.Response, where: str) -> Answer:
    status = response.status_code
    headers = {name.lower(): value for name, value in response.headers.items()}
    encoding = headers.get("content-encoding", "")
    if call.method == "HEAD":
        return Answer(status, headers, b"")
    if not call.wants(status):
        return Answer(status, headers, b"", page=read_start(_drain(response), encoding))
    return Answer(status, headers, read_body(response.iter_raw(), encoding, call.max_bytes, where))


def _drain(response: httpx.Response) -> list[bytes]:
    pieces: list[bytes] = []
    n_bytes = 0
    for piece in response.iter_raw():
        pieces.append(piece)
        n_bytes += len(piece)
        if n_bytes > _DRAINED_BYTES:
            break
    return pieces
