"""Who may use the page, and what every answer carries.

Loopback alone keeps nobody out: other pages in the browser reach it by DNS rebinding or by forms,
and other users of the machine by its port. So a request needs the page's own host, the cookie that
the printed link gave once, and, to change something, the page's own origin and token.
"""

import hmac
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.message import Message
from types import MappingProxyType
from urllib.parse import urlencode

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.types import Message as Event

ENTRY = "/enter"
CSRF_HEADER = "x-csrf-token"
MAX_BODY_BYTES = 64 * 2**10
HEADERS: Mapping[str, str] = MappingProxyType(
    {
        "content-security-policy": (
            "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
            "img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
        ),
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
        "x-frame-options": "DENY",
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-resource-policy": "same-origin",
        "cache-control": "no-store",
    }
)
"""Of every answer; one may say otherwise how long it is kept."""

_METHODS = ("GET", "POST")


class Access:
    """The secrets of one run of the page."""

    def __init__(self) -> None:
        self.csrf = secrets.token_urlsafe(32)
        """Stands in every page, and comes back in the header of what it posts."""
        self.cookie = secrets.token_urlsafe(32)
        self._ticket: str | None = secrets.token_urlsafe(32)

    def make_link(self, address: str) -> str:
        """Return what lets one browser in, once.

        Args:
            address: Of the page, as `serve` tells it.
        """
        return f"{address.rstrip('/')}{ENTRY}?{urlencode({'token': self._ticket or ''})}"

    def redeem(self, ticket: str) -> bool:
        """Say whether a ticket lets somebody in; it does so once."""
        if self._ticket is None or not _equal(ticket, self._ticket):
            return False
        self._ticket = None
        return True

    def admits(self, cookie: str) -> bool:
        """Say whether a cookie is the one that the ticket gave."""
        return _equal(cookie, self.cookie)

    def allows_change(self, csrf: str) -> bool:
        """Say whether a header holds the page's own token."""
        return _equal(csrf, self.csrf)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request is not answered."""

    status: int
    what: str
    headers: Mapping[str, str] | None = None


class Guard:
    """Refuses what does not come from the page itself, before any route sees it (pure ASGI).

    It reads the path of `scope`: `request.url` is made of headers that the sender chooses.

    Args:
        app: What is guarded.
        access: Who may see it.
        write_refusal: Answers a request of this method that is refused.
    """

    def __init__(
        self, app: ASGIApp, access: Access, write_refusal: Callable[[str, Refusal], Response]
    ) -> None:
        self._app = app
        self._access = access
        self._write_refusal = write_refusal

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            await self._answer(scope, receive, _add_headers(send))

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = _check_place(scope) or self._check_person(scope)
        if refusal is None and scope["method"] == "POST":
            refusal = self._check_change(scope)
            if refusal is None:
                body = await _read_body(receive)
                refusal = _TOO_LARGE if body is None else None
                receive = _replay(body or b"", receive)
        if refusal is None:
            await self._app(scope, receive, send)
        else:
            answer = self._write_refusal(scope["method"], refusal)
            await answer(scope, receive, send)

    def _check_person(self, scope: Scope) -> Refusal | None:
        if scope["path"] == ENTRY:
            return None
        cookie = HTTPConnection(scope).cookies.get(name_cookie(scope), "")
        return None if self._access.admits(cookie) else _STRANGER

    def _check_change(self, scope: Scope) -> Refusal | None:
        headers = Headers(scope=scope)
        own = f"http://{headers['host']}"
        if headers.getlist("origin") != [own]:
            return Refusal(403, "This was not sent by the page itself")
        if headers.get("sec-fetch-site", "same-origin") != "same-origin":
            return Refusal(403, "This was not sent by the page itself")
        if not self._access.allows_change(headers.get(CSRF_HEADER, "")):
            return Refusal(403, "The page is of an earlier run: load it again")
        if not _is_json(headers.get("content-type", "")):
            return Refusal(415, "Only JSON is read")
        # What it says is checked first, so that too much is not read at all.
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length[:18]) > MAX_BODY_BYTES:
            return _TOO_LARGE
        return None


_STRANGER = Refusal(401, "Open the address that clerp printed")
_TOO_LARGE = Refusal(413, f"More than {MAX_BODY_BYTES // 2**10} KiB are not read")


def name_cookie(scope: Scope) -> str:
    """Return the name of the cookie: browsers share cookies between the ports of a host."""
    return f"clerp_{_find_port(scope)}"


def _check_place(scope: Scope) -> Refusal | None:
    port = _find_port(scope)
    allowed = (f"127.0.0.1:{port}", f"localhost:{port}")
    hosts = Headers(scope=scope).getlist("host")
    if len(hosts) != 1 or hosts[0] not in allowed:
        return Refusal(400, f"This page is only at http://{allowed[0]}/")
    if scope["method"] not in _METHODS:
        allow = ", ".join(_METHODS)
        return Refusal(405, f"Only {allow} are answered", {"allow": allow})
    return None


def _find_port(scope: Scope) -> int:
    """Return the port that the socket has, which no header can change."""
    return int(scope["server"][1])


def _is_json(content_type: str) -> bool:
    message = Message()
    message["content-type"] = content_type
    return message.get_content_type() == "application/json"


def _add_headers(send: Send) -> Send:
    async def send_with_headers(event: Event) -> None:
        if event["type"] == "http.response.start":
            headers = MutableHeaders(scope=event)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
        await send(event)

    return send_with_headers


async def _read_body(receive: Receive) -> bytes | None:
    """Read a body whole; None where it is too large."""
    body = bytearray()
    while True:
        event = await receive()
        body += event.get("body", b"")
        if len(body) > MAX_BODY_BYTES:
            return None
        if not event.get("more_body"):
            return bytes(body)


def _replay(body: bytes, receive: Receive) -> Receive:
    events: list[Event] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Event:
        return events.pop() if events else await receive()

    return replay


def _equal(given: str, secret: str) -> bool:
    # As bytes: compare_digest refuses text beyond ASCII.
    return hmac.compare_digest(given.encode(errors="replace"), secret.encode())
