import gzip
import json
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from email.utils import formatdate
from time import monotonic, time

import pytest
from tests.loopback import Reply, serve

from clerp.errors import MissingEvidenceError, RemoteError, UsageError
from clerp.remote import Client, Patience
from clerp.remote.body import START_BYTES

CONTENT = bytes(range(256))
ROOM = 10_000
SECRET = "hf_VerySecretToken123"


class Waits(list[float]):
    """Keeps how long was waited, and waits no time at all."""

    def __call__(self, seconds):
        self.append(seconds)


@contextmanager
def ask(*script, answer=lambda asked: Reply(CONTENT), **settings):
    with serve(answer, *script) as server:
        waits = Waits()
        with Client(server.address, sleep=waits, **settings) as client:
            yield client, server, waits


def refuse(client, path="/a", **settings):
    with pytest.raises(RemoteError) as caught:
        client.get(path, **{"max_bytes": ROOM, **settings})
    return caught.value


def test_an_answer_has_status_headers_in_lower_case_and_content():
    with ask(Reply(b"hello", headers={"X-Repo-Commit": "abc"})) as (client, server, waits):
        answer = client.get("/a?b=c", max_bytes=5)
    assert (answer.status, answer.content, answer.headers["x-repo-commit"]) == (
        200,
        b"hello",
        "abc",
    )
    assert server.paths == ["/a?b=c"]
    assert waits == []


def test_a_base_may_have_a_prefix_and_a_slash_at_its_end():
    with serve(lambda asked: Reply()) as server, Client(f"{server.address}/mirror/") as client:
        client.get("/a", max_bytes=0)
    assert server.paths == ["/mirror/a"]


@pytest.mark.parametrize(
    "base",
    [
        "http://huggingface.co",
        "https://user:password@huggingface.co",
        "https://huggingface.co?key=password",
        "ftp://127.0.0.1",
        "https://",
        "huggingface.co",
        "http://127.0.0.1:99999",
        "https://huggingface.co\\@127.0.0.1",
        "https://hugging face.co",
        "",
    ],
)
def test_other_addresses_are_refused_without_their_secrets(base):
    with pytest.raises(UsageError) as caught:
        Client(base)
    assert "password" not in str(caught.value)


@pytest.mark.parametrize("token", ["hf_abc\n", "hf_ä", " hf_abc", "hf_abc ", " "])
def test_a_header_that_cannot_be_sent_is_refused_unseen(token):
    with pytest.raises(UsageError, match="Authorization") as caught:
        Client("https://huggingface.co", headers={"Authorization": token})
    assert "hf_" not in str(caught.value)


@pytest.mark.parametrize("status", [500, 502, 503, 429])
def test_what_may_be_gone_next_time_is_tried_again(status):
    with ask(Reply(status=status), Reply(status=status)) as (client, server, waits):
        assert client.get("/a", max_bytes=ROOM).content == CONTENT
    assert len(server.requests) == 3
    assert len(waits) == 2
    assert 0 <= waits[0] <= 0.5
    assert 0 <= waits[1] <= 1.0


@pytest.mark.parametrize(
    "broken",
    [
        Reply(CONTENT, cut=100),
        Reply(CONTENT, cut=100, chunked=True),
        Reply(refuses=True),
        Reply(gzip.compress(CONTENT)[:-6], headers={"Content-Encoding": "gzip"}),
        Reply(gzip.compress(CONTENT), headers={"Content-Encoding": "gzip"}, unsized=True, cut=40),
    ],
)
def test_half_an_answer_is_no_answer(broken):
    with ask(broken) as (client, server, _):
        assert client.get("/a", max_bytes=ROOM).content == CONTENT
    assert len(server.requests) == 2


def test_a_server_that_says_nothing_is_left_after_the_timeout():
    patience = Patience(attempts=2, timeout=0.1)
    with ask(Reply(hangs=True), Reply(hangs=True), patience=patience) as (client, server, waits):
        fault = refuse(client)
    assert fault.what == "no answer within 0.1 s, 2 times"
    assert len(server.requests) == 2
    assert len(waits) == 1


@pytest.mark.parametrize(
    "reply",
    [Reply(CONTENT), Reply(CONTENT, headers={"X": "x" * 999}), Reply(CONTENT, chunked=True)],
    ids=["body", "head", "chunked"],
)
def test_a_server_that_only_drips_is_left_after_twice_the_timeout(reply):
    patience = Patience(attempts=1, timeout=0.05)
    dripping = replace(reply, drips=0.01)
    with ask(dripping, patience=patience) as (client, _, _):
        start = monotonic()
        assert refuse(client).what == "the answer came too slowly, 1 times"
        assert monotonic() - start < 2


def test_a_drip_on_a_connection_that_is_used_again_is_left_too():
    patience = Patience(attempts=1, timeout=0.05)
    with ask(Reply(CONTENT), Reply(CONTENT, drips=0.01), patience=patience) as (client, server, _):
        client.get("/a", max_bytes=ROOM)
        assert "too slowly" in refuse(client).what
        assert server.n_connections == 1


def test_a_packed_answer_that_goes_on_after_its_end_is_left():
    reply = Reply(
        gzip.compress(CONTENT),
        headers={"Content-Encoding": "gzip"},
        unsized=True,
        endless=gzip.compress(b"") * 1000,
    )
    with ask(reply) as (client, _, _):
        assert "larger than 256 bytes" in refuse(client, max_bytes=256).what


def test_closing_wakes_whoever_waits_for_an_answer():
    asked = threading.Event()

    def hang(_):
        asked.set()
        return Reply(hangs=True)

    patience = Patience(attempts=1, timeout=60.0)
    with ask(answer=hang, patience=patience) as (client, _, _), ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(client.get, "/a", max_bytes=ROOM)
        assert asked.wait(60)
        client.close()
        assert isinstance(waiting.exception(10), RemoteError)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("HTTPS_PROXY", "socks5://user:password@127.0.0.1:9"),
        ("all_proxy", "ftp://user:password@127.0.0.1"),
        ("HTTPS_PROXY", "http://user:password@127.0.0.1:port"),
        ("SSL_CERT_FILE", "/password/nonexistent"),
    ],
)
def test_an_environment_that_cannot_be_used_is_named_but_not_shown(monkeypatch, variable, value):
    monkeypatch.setenv(variable, value)
    with pytest.raises(UsageError, match=variable) as caught:
        Client("https://huggingface.co")
    assert caught.value.__suppress_context__
    assert "password" not in str(caught.value)


def test_a_request_that_httpx_refuses_is_asked_once_and_not_shown(monkeypatch):
    monkeypatch.setattr("clerp.remote.client._check_headers", dict)
    with ask(headers={"X-Api-Key": f" {SECRET}"}) as (client, server, waits):
        fault = refuse(client)
    assert (fault.what, waits, server.requests) == ("this cannot be asked over HTTP", [], [])
    assert fault.__suppress_context__


def test_a_server_that_never_recovers_is_an_error_with_the_next_step():
    with ask(answer=lambda asked: Reply(status=502)) as (client, server, waits):
        fault = refuse(client)
    assert str(fault) == (
        f"{server.address}/a: the server failed (502), 5 times. "
        "Run the same command again: what has been read is kept"
    )
    assert fault.exit_code == 2
    assert len(server.requests) == 5
    assert len(waits) == 4


def test_a_server_that_is_not_there_is_an_error():
    with serve() as server:
        pass
    with Client(server.address, sleep=Waits()) as client:
        assert "cannot be reached" in refuse(client).what


@pytest.mark.parametrize("status", [400, 402, 408, 418, 304])
def test_other_refusals_are_not_tried_again(status):
    with ask(Reply(status=status)) as (client, server, _):
        assert str(status) in refuse(client).what
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [401, 403])
def test_who_is_refused_is_told_to_set_a_token(status):
    with ask(Reply(status=status)) as (client, server, _):
        assert refuse(client).remedy == "Set a token that may read it"
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [404, 410])
def test_nothing_at_a_place_is_missing_evidence(status):
    with (
        ask(Reply(status=status)) as (client, server, _),
        pytest.raises(MissingEvidenceError, match=rf"/a: nothing there \({status}\)"),
    ):
        client.get("/a", max_bytes=ROOM)
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [404, 401, 302, 500])
@pytest.mark.parametrize("page", [b"why", b"<html>" * 1000, b"<html>" * 100_000])
def test_an_accepted_status_is_handed_back_without_its_page(status, page):
    reply = Reply(page, status=status, headers={"Location": "/elsewhere"})
    with ask(reply) as (client, server, _):
        answer = client.get("/a", max_bytes=3, span=(3, 5), accept=(status,))
    assert (answer.status, answer.content) == (status, b"")
    assert answer.headers["location"] == "/elsewhere"
    assert len(server.requests) == 1


@pytest.mark.parametrize("page", [b"why", b"<html>" * 1000, b"<html>" * 100_000])
@pytest.mark.parametrize("encoding", ["", "gzip"])
def test_the_start_of_its_page_is_kept_apart(page, encoding):
    sent = gzip.compress(page) if encoding else page
    headers = {"Content-Encoding": encoding} if encoding else {}
    with ask(Reply(sent, status=400, headers=headers)) as (client, _, _):
        answer = client.post_json("/a", {}, max_bytes=1, accept=(400,))
    assert answer.content == b""
    assert answer.page == page[:START_BYTES]


def test_a_page_that_is_damaged_is_no_fault():
    packed = {"Content-Encoding": "gzip"}
    with ask(Reply(b"<html>", status=400, headers=packed)) as (client, server, _):
        assert client.get("/a", max_bytes=1, accept=(400,)).page == b""
    assert len(server.requests) == 1


def test_what_was_asked_for_has_no_page():
    with ask(Reply(CONTENT)) as (client, _, _):
        answer = client.get("/a", max_bytes=ROOM)
    assert (answer.content, answer.page) == (CONTENT, b"")


@pytest.mark.parametrize("written", ["7", "1.5", "0.75"])
def test_retry_after_in_seconds_is_kept_to(written: str):
    with ask(Reply(status=429, headers={"Retry-After": written})) as (client, _, waits):
        client.get("/a", max_bytes=ROOM)
    assert waits == [float(written)]


def test_retry_after_as_a_date_is_kept_to():
    date = formatdate(time() + 30, usegmt=True)
    with ask(Reply(status=503, headers={"Retry-After": date})) as (client, _, waits):
        client.get("/a", max_bytes=ROOM)
    assert 20 < waits[0] <= 30


@pytest.mark.parametrize(
    "written", ["soon", "-1", "1e3", "1.", ".5", "1.5.2", "Wed, 99 Foo 2015 07:28:00 GMT", ""]
)
def test_a_retry_after_that_says_nothing_changes_nothing(written):
    with ask(Reply(status=429, headers={"Retry-After": written})) as (client, _, waits):
        client.get("/a", max_bytes=ROOM)
    assert 0 <= waits[0] <= 0.5


def test_a_wait_beyond_the_longest_is_an_error_that_says_how_long():
    with ask(Reply(status=429, headers={"Retry-After": "3600"})) as (client, server, waits):
        fault = refuse(client)
    assert "to be asked again in 3600 s" in fault.what
    assert "what has been read is kept" in fault.remedy
    assert len(server.requests) == 1
    assert waits == []


def test_waits_grow_no_longer_than_the_longest():
    patience = Patience(attempts=50, longest_wait=2.0)
    with ask(answer=lambda asked: Reply(status=500), patience=patience) as (client, _, waits):
        refuse(client)
    assert len(waits) == 49
    assert 0.5 < max(waits) <= 2.0


def test_a_span_is_asked_for_and_nothing_packed_comes():
    reply = Reply(b"def", status=206, headers={"Content-Range": "bytes 3-5/8"})
    with ask(reply) as (client, server, _):
        assert client.get("/a", max_bytes=3, span=(3, 5)).content == b"def"
    assert server.ranges == [(3, 5)]
    assert server.requests[0].headers["accept-encoding"] == "identity"


@pytest.mark.parametrize(
    ("status", "content_range", "what"),
    [
        (200, "bytes 3-5/8", "the server answered with all of them"),
        (206, "bytes 3-4/8", "the server sent bytes 3 to 4"),
        (206, "bytes 0-2/8", "the server sent bytes 0 to 2"),
        (206, "", "does not say which"),
        (206, "bytes 3-5", "does not say which"),
        (206, "lines 3-5/8", "does not say which"),
    ],
)
def test_another_span_than_asked_is_refused_at_once(status, content_range, what):
    reply = Reply(b"def", status=status, headers={"Content-Range": content_range})
    with ask(reply) as (client, server, _):
        fault = refuse(client, span=(3, 5))
    assert fault.what.startswith("asked for bytes 3 to 5")
    assert what in fault.what
    assert len(server.requests) == 1


def test_a_span_with_too_few_bytes_is_asked_for_again():
    headers = {"Content-Range": "bytes 3-5/8"}
    with ask(
        Reply(b"de", status=206, headers=headers),
        Reply(b"de", status=206, headers=headers, unsized=True),
        Reply(b"def", status=206, headers=headers),
    ) as (client, server, _):
        assert client.get("/a", max_bytes=3, span=(3, 5)).content == b"def"
    assert len(server.requests) == 3


@pytest.mark.parametrize("framing", [{}, {"chunked": True}, {"unsized": True}])
def test_an_answer_larger_than_asked_for_is_refused(framing):
    with ask(Reply(CONTENT, **framing)) as (client, server, _):
        assert "larger than 255 bytes" in refuse(client, max_bytes=255).what
    assert len(server.requests) == 1


def test_a_packed_answer_is_unpacked():
    reply = Reply(gzip.compress(CONTENT), headers={"Content-Encoding": "gzip"})
    with ask(reply) as (client, server, _):
        assert client.get("/a", max_bytes=256).content == CONTENT
    assert server.requests[0].headers["accept-encoding"] == "gzip"


def test_a_packed_answer_that_unpacks_to_too_much_is_refused():
    bomb = Reply(gzip.compress(bytes(50_000_000)), headers={"Content-Encoding": "gzip"})
    with ask(bomb) as (client, server, _):
        assert "larger than 100,000 bytes" in refuse(client, max_bytes=100_000).what
    assert len(server.requests) == 1


def test_an_answer_packed_in_an_unknown_way_is_refused():
    with ask(Reply(CONTENT, headers={"Content-Encoding": "br"})) as (client, _, _):
        assert refuse(client).what == "the answer is packed as 'br'"


def test_damaged_packing_is_refused():
    with ask(Reply(CONTENT, headers={"Content-Encoding": "gzip"})) as (client, _, _):
        assert "damaged" in refuse(client).what


def redirect(location, status=302):
    return Reply(b"moved", status=status, headers={"Location": location})


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("location", ["/b", "b", "//{host}/b", "http://{host}/b"])
def test_a_redirect_within_the_host_is_followed_with_its_range(status, location):
    headers = {"Content-Range": "bytes 3-5/8"}
    with ask(headers={"X-Api-Key": SECRET}) as (client, server, _):
        host = server.address.removeprefix("http://")
        server.script.append(redirect(location.format(host=host), status))
        server.script.append(Reply(b"def", status=206, headers=headers))
        assert client.get("/a", max_bytes=3, span=(3, 5)).content == b"def"
    assert server.paths == ["/a", "/b"]
    assert server.ranges == [(3, 5)] * 2
    assert [asked.headers["x-api-key"] for asked in server.requests] == [SECRET] * 2


def test_an_allowed_host_is_asked_for_the_range_but_not_shown_the_token():
    other_reply = Reply(b"def", status=206, headers={"Content-Range": "bytes 3-5/8"})
    settings = {"redirects": ("localhost",), "headers": {"Authorization": f"Bearer {SECRET}"}}
    with serve(lambda asked: other_reply) as other, ask(**settings) as (client, server, _):
        elsewhere = other.address.replace("127.0.0.1", "localhost")
        server.script.append(redirect(f"{elsewhere}/c?signature=x"))
        assert client.get("/a", max_bytes=3, span=(3, 5)).content == b"def"
    assert server.requests[0].headers["authorization"] == f"Bearer {SECRET}"
    assert (other.paths, other.ranges) == (["/c?signature=x"], [(3, 5)])
    assert SECRET not in str(other.requests[0].headers)


def test_another_port_of_the_host_is_not_shown_the_token():
    with (
        serve(lambda asked: Reply(b"hello")) as other,
        ask(headers={"X-Api-Key": SECRET}) as (client, server, _),
    ):
        server.script.append(redirect(f"{other.address}/c"))
        assert client.get("/a", max_bytes=5).content == b"hello"
    assert "x-api-key" not in other.requests[0].headers


def test_a_foreign_host_is_never_asked():
    with serve() as other, ask(redirects=("hf.co",)) as (client, server, _):
        elsewhere = other.address.replace("127.0.0.1", "localhost")
        server.script.append(redirect(f"{elsewhere}/c?signature={SECRET}"))
        fault = refuse(client)
    assert "redirects to localhost, which is not its own" in fault.what
    assert SECRET not in str(fault)
    assert other.requests == []


@pytest.mark.parametrize(
    "location",
    [
        "https://evilhf.co/a",
        "https://hf.co.evil.com/a",
        "https://hf.co@evil.com/a",
        "https://evil.com\\@hf.co/a",
        "http://hf.co/a",
        "ftp://hf.co/a",
        "file:///etc/passwd",
        "https://hf.co:99999/a",
        "",
    ],
)
def test_no_trick_leads_to_another_host(location):
    with ask(redirect(location), redirects=("hf.co",)) as (client, server, _):
        refuse(client)
    assert len(server.requests) == 1


def test_a_server_that_only_redirects_is_left_after_five():
    with ask(answer=lambda asked: redirect("/a")) as (client, server, _):
        assert refuse(client).what == "more than 5 redirects"
    assert len(server.requests) == 6


def test_head_brings_headers_and_no_content():
    reply = Reply(CONTENT, headers={"X-Repo-Commit": "abc", "Content-Encoding": "gzip"})
    with ask(reply) as (client, server, _):
        answer = client.head("/a")
    assert (answer.headers["x-repo-commit"], answer.content) == ("abc", b"")
    assert server.requests[0].method == "HEAD"


def test_json_is_posted_and_posted_again_after_a_fault():
    with ask(Reply(status=500)) as (client, server, _):
        assert client.post_json("/a", [{"layer": 3}], max_bytes=ROOM).content == CONTENT
    asked = server.requests[1]
    assert (asked.method, json.loads(asked.body)) == ("POST", [{"layer": 3}])
    assert asked.headers["content-type"] == "application/json"
    assert server.requests[0].body == asked.body


def test_what_was_posted_is_not_sent_elsewhere():
    with ask(redirect("/b", 307)) as (client, server, _):
        with pytest.raises(RemoteError, match="redirects what was sent"):
            client.post_json("/a", {}, max_bytes=ROOM)
        assert server.paths == ["/a"]


@pytest.mark.parametrize(
    "reply",
    [
        Reply(status=401),
        Reply(status=404),
        Reply(status=418),
        Reply(status=500),
        Reply(refuses=True),
        Reply(CONTENT * 100),
        redirect(f"https://evil.com/?{SECRET}"),
    ],
)
def test_no_error_holds_a_token_or_a_query(reply):
    with (
        ask(
            answer=lambda asked: reply,
            headers={"Authorization": f"Bearer {SECRET}"},
            patience=Patience(attempts=2),
        ) as (client, _, _),
        pytest.raises((RemoteError, MissingEvidenceError)) as caught,
    ):
        client.get(f"/a?key={SECRET}", max_bytes=ROOM)
    assert SECRET not in str(caught.value)
    assert "?" not in str(caught.value)


def test_cookies_are_not_kept():
    reply = Reply(headers={"Set-Cookie": "session=1"})
    with ask(answer=lambda asked: reply) as (client, server, _):
        client.get("/a", max_bytes=0)
        client.get("/b", max_bytes=0)
    assert "cookie" not in server.requests[1].headers


def test_a_path_that_is_no_address_is_an_error():
    with ask() as (client, server, _):
        assert refuse(client, path="/a\x00b").what == "this is no address that can be asked"
    assert server.requests == []


def test_sixteen_threads_share_a_client():
    barrier = threading.Barrier(16, timeout=60)

    def answer(asked):
        barrier.wait()
        return Reply(asked.path.encode())

    with ask(answer=answer) as (client, server, _), ThreadPoolExecutor(16) as pool:
        paths = [f"/{n}" for n in range(160)]
        found = [a.content.decode() for a in pool.map(lambda p: client.get(p, max_bytes=9), paths)]
    assert found == paths
    assert server.most_at_once == 16
    assert server.n_connections == 16


def test_a_connection_is_used_again_also_after_redirects_and_refusals():
    with ask(redirect("/b"), Reply(status=500), redirect("/b"), Reply()) as (client, server, _):
        client.get("/a", max_bytes=ROOM)
    assert len(server.requests) == 4
    assert server.n_connections == 1


def test_the_server_knows_who_asks():
    with ask() as (client, server, _):
        client.get("/a", max_bytes=ROOM)
    assert re.match("clerp", server.requests[0].headers["user-agent"])
