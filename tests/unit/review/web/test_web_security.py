import itertools
import json
from typing import Any

import httpx
import pytest
from starlette.routing import Route
from tests.unit.review.web.review_session import FakeSession, name_item
from tests.unit.review.web.visitor import SHOWN, Visitor, serve_session

from clerp.local_page.security import HEADERS, MAX_BODY_BYTES, Access

_DECISION = f"/item/{name_item(1)}/decision"
# Every route, with an address of it and what its own page gets.
ROUTES = {
    ("GET", "/enter"): ("/enter", 200),
    ("GET", "/"): ("/", 303),
    ("GET", "/item/{item}"): (f"/item/{name_item(1)}", 200),
    ("GET", "/list"): ("/list", 200),
    ("GET", "/disputes"): ("/disputes", 200),
    ("GET", "/agreement"): ("/agreement", 200),
    ("GET", "/suggest"): ("/suggest?typed=say", 200),
    ("GET", "/static/{name}"): ("/static/review.css", 200),
    ("POST", "/item/{item}/decision"): (_DECISION, 200),
    ("POST", "/undo"): ("/undo", 200),
    ("POST", "/redo"): ("/redo", 200),
}
_ENTRY = "/enter"
_POSTS = [path for (method, _), (path, _) in ROUTES.items() if method == "POST"]
_ALL = [pytest.param(m, path, id=f"{m} {route}") for (m, route), (path, _) in ROUTES.items()]
_BODY = {**SHOWN, "act": "skip"}
_SENT = json.dumps(_BODY).encode()

_EVIL_HOSTS = [
    "evil.example",
    "evil.example:{port}",
    "127.0.0.1",
    "localhost",
    "127.0.0.1:1",
    "localhost.:{port}",
    "127.0.0.1.evil.example:{port}",
    "localhost@evil.example:{port}",
    "evil.example#127.0.0.1:{port}",
    "[::1]:{port}",
    "0.0.0.0:{port}",
    "LOCALHOST:{port}",
    "",
]
_REFUSED_POSTS = [
    pytest.param({"origin": "http://evil.example"}, 403, id="foreign origin"),
    pytest.param({"origin": "null"}, 403, id="opaque origin"),
    pytest.param({"origin": ""}, 403, id="empty origin"),
    pytest.param({"origin": "https://127.0.0.1:{port}"}, 403, id="other scheme"),
    pytest.param({"origin": "http://localhost:{port}"}, 403, id="other name of the host"),
    pytest.param({"sec-fetch-site": "cross-site"}, 403, id="cross-site"),
    pytest.param({"sec-fetch-site": "same-site"}, 403, id="same-site"),
    pytest.param({"sec-fetch-site": "none"}, 403, id="typed by a person"),
    pytest.param({"x-csrf-token": ""}, 403, id="no token"),
    pytest.param({"x-csrf-token": "A" * 43}, 403, id="wrong token"),
    pytest.param({"x-csrf-token": "\u00e9"}, 403, id="token beyond ASCII"),
    pytest.param({"content-type": "text/plain"}, 415, id="text"),
    pytest.param({"content-type": "application/x-www-form-urlencoded"}, 415, id="form"),
    pytest.param({"content-type": "multipart/form-data; boundary=x"}, 415, id="files"),
    pytest.param({"content-type": "text/plain; application/json"}, 415, id="disguised"),
    pytest.param({"content-type": ""}, 415, id="no type"),
]


def test_pages_may_use_their_own_files_only():
    assert HEADERS["content-security-policy"] == (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        "img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
    )


def test_every_route_is_in_the_table(visitor: Visitor):
    known = {
        (method, route.path)
        for route in visitor.app.routes
        if isinstance(route, Route)
        for method in route.methods or ()
    }
    assert len(visitor.app.routes) == len(ROUTES)
    assert known == set(ROUTES)


@pytest.mark.parametrize(("method", "path"), _ALL)
def test_answer_depends_on_host_origin_cookie_and_token_and_on_nothing_else(
    session: FakeSession, visitor: Visitor, method: str, path: str
):
    hosts = (f"127.0.0.1:{visitor.port}", f"localhost:{visitor.port}", "evil.example")
    product = itertools.product(hosts, ("", "own", "evil"), (False, True), (False, True))
    for host, origin, has_cookie, has_token in product:
        session.reset()
        headers = {"host": host, "content-type": "application/json"}
        if origin:
            headers["origin"] = "http://evil.example" if origin == "evil" else f"http://{host}"
        headers["cookie"] = f"clerp_{visitor.port}={visitor.access.cookie if has_cookie else ''}"
        if has_token:
            headers["x-csrf-token"] = visitor.access.csrf
        wanted = _find_status(method, path, host, origin, has_cookie, has_token)
        body = _BODY if method == "POST" else None
        answer = visitor.client.request(method, path, headers=headers, json=body)
        assert answer.status_code == wanted, headers
        assert len(session.decided) == int(path == _DECISION and wanted == 200), headers
        _check_headers(answer)


def _find_status(
    method: str, path: str, host: str, origin: str, has_cookie: bool, has_token: bool
) -> int:
    if host == "evil.example":
        return 400
    if not has_cookie:
        return 403 if path == _ENTRY else 401
    if method == "POST" and not (origin == "own" and has_token):
        return 403
    return next(status for address, status in ROUTES.values() if address == path)


def _check_headers(answer: httpx.Response) -> None:
    for name, value in HEADERS.items():
        if name != "cache-control" or not answer.request.url.path.startswith("/static/"):
            assert answer.headers.get_list(name) == [value], name
    assert not [name for name in answer.headers if name.startswith("access-control-")]
    assert "server" not in answer.headers


@pytest.mark.parametrize("host", _EVIL_HOSTS)
@pytest.mark.parametrize(("method", "path"), _ALL)
def test_no_other_host_is_answered(visitor: Visitor, method: str, path: str, host: str):
    headers = {
        **visitor.own_headers,
        "host": host.format(port=visitor.port),
        "cookie": f"clerp_{visitor.port}={visitor.access.cookie}",
    }
    answer = visitor.client.request(method, path, headers=headers)
    assert answer.status_code == 400
    _check_headers(answer)


def test_a_missing_or_repeated_host_is_not_answered(visitor: Visitor):
    cookie = f"Cookie: clerp_{visitor.port}={visitor.access.cookie}\r\n".encode()
    host = f"Host: 127.0.0.1:{visitor.port}\r\n".encode()
    for hosts in (b"", host + b"Host: evil.example\r\n", host * 2):
        for version in (b"1.1", b"1.0"):
            answer = visitor.send_raw(
                b"GET /list HTTP/" + version + b"\r\n" + hosts + cookie + b"\r\n"
            )
            assert answer.startswith(b"HTTP/1.1 400 "), (hosts, version)


def test_an_absolute_address_does_not_stand_for_the_host(visitor: Visitor):
    cookie = f"clerp_{visitor.port}={visitor.access.cookie}"
    answer = visitor.send_raw(
        f"GET http://127.0.0.1:{visitor.port}/list HTTP/1.1\r\nHost: evil.example\r\n"
        f"Cookie: {cookie}\r\nConnection: close\r\n\r\n".encode()
    )
    assert answer.startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize("method", ["HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "ODD"])
@pytest.mark.parametrize("path", sorted({path for path, _ in ROUTES.values()}))
def test_other_methods_are_refused(visitor: Visitor, method: str, path: str):
    cookie = f"clerp_{visitor.port}={visitor.access.cookie}"
    headers = {**visitor.own_headers, "cookie": cookie}
    answer = visitor.client.request(method, path, headers=headers)
    assert answer.status_code == 405
    assert answer.headers["allow"] == "GET, POST"
    _check_headers(answer)


@pytest.mark.parametrize(("method", "path"), _ALL)
def test_get_does_not_post_and_post_does_not_get(visitor: Visitor, method: str, path: str):
    answer = visitor.get(path) if method == "POST" else visitor.post(path, _BODY)
    assert answer.status_code == 405
    assert answer.headers["allow"] == method
    _check_headers(answer)


@pytest.mark.parametrize(("changed", "status"), _REFUSED_POSTS)
@pytest.mark.parametrize("path", _POSTS)
def test_what_another_page_posts_is_refused(
    session: FakeSession, visitor: Visitor, path: str, changed: dict[str, str], status: int
):
    given = {name: value.format(port=visitor.port) for name, value in changed.items()}
    headers = {**visitor.own_headers, **given}
    encoded = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    answer = visitor.client.post(path, content=_SENT, headers=encoded)
    assert answer.status_code == status
    assert list(answer.json()) == ["error"]
    assert session.decided == []
    _check_headers(answer)


@pytest.mark.parametrize("name", ["origin", "x-csrf-token", "content-type"])
@pytest.mark.parametrize("path", _POSTS)
def test_a_post_needs_every_header(visitor: Visitor, path: str, name: str):
    headers = {n: v for n, v in visitor.own_headers.items() if n != name}
    answer = visitor.client.post(path, content=b"{}", headers=headers)
    assert answer.status_code == (415 if name == "content-type" else 403)


def test_a_browser_that_says_nothing_of_the_site_may_post(visitor: Visitor):
    headers = {n: v for n, v in visitor.own_headers.items() if n != "sec-fetch-site"}
    assert visitor.client.post("/undo", content=b"{}", headers=headers).status_code == 200


@pytest.mark.parametrize("path", _POSTS)
def test_too_much_is_not_read(session: FakeSession, visitor: Visitor, path: str):
    filler = _SENT + b" " * MAX_BODY_BYTES
    declared = visitor.client.post(path, content=filler, headers=visitor.own_headers)
    assert declared.status_code == 413
    _check_headers(declared)
    cut = [filler[i : i + 4096] for i in range(0, len(filler), 4096)]
    chunked = visitor.client.post(path, content=iter(cut), headers=visitor.own_headers)
    assert chunked.status_code == 413
    assert session.decided == []


def test_as_much_as_is_allowed_is_read(session: FakeSession, visitor: Visitor):
    filled = _SENT + b" " * (MAX_BODY_BYTES - len(_SENT))
    answer = visitor.client.post(_DECISION, content=filled, headers=visitor.own_headers)
    assert answer.status_code == 200
    assert len(session.decided) == 1


def test_the_link_lets_one_browser_in_once(stranger: Visitor):
    assert stranger.get("/list").status_code == 401
    assert stranger.get("/enter?token=wrong").status_code == 403
    assert stranger.get("/enter").status_code == 403
    entered = stranger.get(stranger.link)
    assert entered.status_code == 200
    assert '<a href="/">' in entered.text
    assert stranger.get("/list").status_code == 200
    assert stranger.get(stranger.link).text == entered.text
    stranger.client.cookies.clear()
    assert stranger.get(stranger.link).status_code == 403
    assert stranger.get("/list").status_code == 401


def test_the_cookie_is_for_this_page_only(stranger: Visitor):
    given = stranger.get(stranger.link).headers["set-cookie"]
    name, _, rest = given.partition("=")
    value, *flags = [part.strip().lower() for part in rest.split(";")]
    assert name == f"clerp_{stranger.port}"
    assert value == stranger.access.cookie.lower()
    assert sorted(flags) == ["httponly", "path=/", "samesite=strict"]
    assert value not in stranger.link.lower()


def test_secrets_are_new_for_every_run():
    one, other = Access(), Access()
    secrets = [one.cookie, one.csrf, one.make_link("/"), other.cookie, other.csrf]
    assert len(set(secrets)) == len(secrets)
    assert min(len(secret) for secret in secrets) >= 43


@pytest.mark.parametrize("cookie", ["", "wrong", "\u00e9", "a" * 5000])
def test_no_other_cookie_is_taken(visitor: Visitor, cookie: str):
    header = f"clerp_{visitor.port}={cookie}".encode("latin-1")
    answer = visitor.client.get("/list", headers=[(b"cookie", header)])
    assert answer.status_code == 401


def test_unknown_addresses_are_only_told_from_others_by_who_may_enter(stranger: Visitor):
    unknown = ["/nothing", "/list/", "/docs", "/redoc", "/openapi.json", "/static/", "//list"]
    assert {stranger.get(f"http://127.0.0.1:{stranger.port}{p}").status_code for p in unknown} == {
        401
    }
    stranger.get(stranger.link)
    for path in unknown:
        answer = stranger.get(f"http://127.0.0.1:{stranger.port}{path}")
        assert answer.status_code == 404, path
        _check_headers(answer)


@pytest.mark.parametrize(
    "path",
    [
        "/static/../app.py",
        "/static/..%2fapp.py",
        "/static/%2e%2e/app.py",
        "/static//etc/passwd",
        "/static/%2fetc%2fpasswd",
        "/static/item.html",
        "/static/review.css%00",
        "/static/REVIEW.css",
    ],
)
def test_only_the_files_of_the_list_are_sent(visitor: Visitor, path: str):
    head = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{visitor.port}\r\nConnection: close\r\n"
    cookie = f"Cookie: clerp_{visitor.port}={visitor.access.cookie}\r\n\r\n"
    assert visitor.send_raw((head + cookie).encode()).startswith(b"HTTP/1.1 404 ")


@pytest.mark.parametrize(
    "path", ["/<script>alert(1)</script>", "/item/<b>", "/list?offset=<b>", "/item/'\"><b>"]
)
def test_errors_repeat_nothing_of_what_was_sent(visitor: Visitor, path: str):
    answer = visitor.get(path)
    assert answer.status_code in (404, 422)
    assert "<b>" not in answer.text
    assert "alert" not in answer.text


def test_a_websocket_is_not_opened(visitor: Visitor):
    answer = visitor.send_raw(
        f"GET /list HTTP/1.1\r\nHost: 127.0.0.1:{visitor.port}\r\nConnection: Upgrade\r\n"
        "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
    )
    assert answer.startswith(b"HTTP/1.1 401 ")


async def test_a_server_that_opens_websockets_gets_none_opened(visitor: Visitor):
    sent: list[Any] = []

    async def send(event: Any) -> None:
        sent.append(event)

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    scope = {"type": "websocket", "path": "/list", "headers": [], "query_string": b""}
    await visitor.app(scope, receive, send)
    assert sent == [{"type": "websocket.close", "code": 1008}]


def test_what_a_proxy_would_say_is_not_believed(stranger: Visitor):
    answer = stranger.client.get(
        "/list", headers={"host": "evil.example", "x-forwarded-host": f"127.0.0.1:{stranger.port}"}
    )
    assert answer.status_code == 400


def test_a_bug_shows_no_traceback_and_keeps_the_headers(caplog: pytest.LogCaptureFixture):
    session = FakeSession()
    with serve_session(session) as visitor:
        visitor.get(visitor.link)
        session.fault = ZeroDivisionError("of <b>secret</b>")
        for answer in (visitor.get("/list"), visitor.post("/undo")):
            assert answer.status_code == 500
            assert "secret" not in answer.text
            assert "Traceback" not in answer.text
            _check_headers(answer)
    assert caplog.text.count("ZeroDivisionError: of <b>secret</b>") == 2
