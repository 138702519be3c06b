"""`clerp open` on loopback: who is answered, with what, and what a save changes."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.opened_graph import OpenedSite, serve_opened
from tests.tiny_graph import FEATURES, build_records, build_tiny_graph

from clerp.local_page.security import HEADERS

pytest.importorskip("circuit_tracer")

POLICY = "content-security-policy"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    document = build_tiny_graph()
    for node, feature in zip(document["nodes"], FEATURES, strict=False):
        node["feature"] = feature.cantor
    document["qParams"]["pinnedIds"] = ["0_10_1"]
    (tmp_path / "g.json").write_text(json.dumps(document))
    (tmp_path / "features").mkdir()
    for feature, record in build_records().items():
        (tmp_path / "features" / f"{feature.cantor}.json").write_text(json.dumps(record))
    (tmp_path / "secret.js").write_text("secret")
    return tmp_path / "g.json"


@pytest.fixture
def stranger(path: Path) -> Iterator[OpenedSite]:
    """Has not opened the link."""
    with serve_opened(path) as site:
        yield site


@pytest.fixture
def site(stranger: OpenedSite) -> OpenedSite:
    stranger.enter()
    return stranger


def check_headers(answer: httpx.Response) -> None:
    for name, value in HEADERS.items():
        if name != POLICY:
            assert answer.headers.get_list(name) == [value], name
    assert "'unsafe-eval'" not in answer.headers[POLICY]
    assert not [name for name in answer.headers if name.startswith("access-control-")]


def list_addresses(site: OpenedSite) -> dict[str, str]:
    return {
        "/": "text/plain",
        "/index.html": "text/html",
        "/data/graph-metadata.json": "application/json",
        f"/graph_data/{site.opened.slug}.json": "application/json",
        f"/examples/x/{FEATURES[0].cantor}.json": "application/json",
        "/util.js": "text/javascript",
        "/attribution_graph/cg.css": "text/css",
        "/clerp/d3.js": "text/javascript",
    }


def test_the_link_leads_to_the_graph(stranger: OpenedSite):
    entered = stranger.client.get(stranger.link)
    assert entered.status_code == 200
    assert 'content="0; url=/"' in entered.text
    check_headers(entered)
    home = stranger.client.get("/")
    assert home.headers["location"].startswith("/index.html?slug=g&supernodes=%5B%5D&clerp=")
    assert stranger.client.get(stranger.link).text == entered.text


def test_the_link_lets_one_browser_in_once(stranger: OpenedSite):
    stranger.enter()
    stranger.client.cookies.clear()
    assert stranger.client.get(stranger.link).status_code == 403
    assert stranger.client.get("/enter?token=wrong").status_code == 403


def test_everything_that_the_page_loads_is_answered_with_its_type(site: OpenedSite):
    for address, kind in list_addresses(site).items():
        answer = site.client.get(address)
        assert answer.status_code == (303 if address == "/" else 200), address
        if address != "/":
            assert answer.headers["content-type"].startswith(kind), address
        check_headers(answer)
    assert site.client.get("/index.html").headers[POLICY] != HEADERS[POLICY]
    assert site.client.get("/util.js").headers[POLICY] == HEADERS[POLICY]


def test_nobody_else_is_answered(stranger: OpenedSite):
    for address in (*list_addresses(stranger), "/nothing"):
        assert stranger.client.get(address).status_code == 401, address
    stranger.enter()
    for address in list_addresses(stranger):
        evil = stranger.client.get(address, headers={"host": "evil.example"})
        assert evil.status_code == 400, address
        check_headers(evil)


@pytest.mark.parametrize(
    "address",
    [
        *("/secret.js", "/../secret.js", "/..%2fsecret.js", "/%2e%2e/secret.js", "//etc/passwd"),
        *("/graph_data/other.json", "/graph_data/..%2fg.json", "/data/g.json", "/g.json"),
        *("/feature-view.html", "/addition/index.html", "/LICENSE", "/index.html/", "/clerp/"),
        *("/clerp/README.md", "/vendor/d3.min.js", "/util.js%00", "/UTIL.JS", "/docs"),
        *("/openapi.json", "/examples/x/999999.json", "/examples/x/..%2f..%2fg.json"),
    ],
)
def test_nothing_but_listed_files_is_sent(site: OpenedSite, address: str):
    answer = site.client.get(httpx.URL(site.address.rstrip("/") + address))
    assert answer.status_code == 404
    assert "secret" not in answer.text
    check_headers(answer)


def test_a_click_gets_the_examples_of_the_record(site: OpenedSite):
    record = site.client.get(f"/examples/x/{FEATURES[3].cantor}.json").json()
    expected = build_records()[FEATURES[3]]
    assert record["top_logits"] == expected["top_logits"]
    shown = record["examples_quantiles"][0]["examples"]
    assert len(shown) == len(expected["examples_quantiles"][0]["examples"])


def test_a_save_is_written_and_told(site: OpenedSite, path: Path):
    assert site.save({"pinnedIds": "1_11_1", "supernodes": "[]", "clerps": None}).status_code == 200
    assert json.loads(path.read_text())["qParams"]["pinnedIds"] == "1_11_1"
    assert site.told == [f"Saved: {path}"]


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"x-csrf-token": "wrong"}, 403),
        ({"x-csrf-token": ""}, 403),
        ({"content-type": "text/plain"}, 415),
        ({"cookie": ""}, 401),
        ({"host": "evil.example"}, 400),
    ],
)
def test_what_another_page_posts_changes_nothing(
    site: OpenedSite, path: Path, changed: dict[str, str], status: int
):
    before = path.read_bytes()
    headers = {**site.own_headers, "content-type": "application/json", **changed}
    body = b'{"qParams": {"pinnedIds": ""}}'
    answer = site.client.post("/save_graph/g", content=body, headers=headers)
    assert answer.status_code == status
    assert path.read_bytes() == before
    check_headers(answer)


@pytest.mark.parametrize(
    "body",
    [
        *({}, [], {"qParams": None}, {"qParams": {"pinnedIds": []}}),
        *({"qParams": {}, "nodes": []}, {"qParams": {"links": "[]"}}),
        *({"qParams": {"supernodes": "[[]]"}}, {"qParams": {"clerps": "{}"}}),
    ],
)
def test_what_the_page_does_not_post_changes_nothing(site: OpenedSite, path: Path, body: Any):
    before = path.read_bytes()
    answer = site.client.post("/save_graph/g", json=body, headers=site.own_headers)
    assert answer.status_code == 422
    assert path.read_bytes() == before


def test_only_the_open_graph_is_saved_to(site: OpenedSite, path: Path):
    (path.parent / "other.json").write_bytes(path.read_bytes())
    for slug in ("other", "..%2fother", "g.json", "graph-metadata"):
        answer = site.client.post(
            f"/save_graph/{slug}", json={"qParams": {}}, headers=site.own_headers
        )
        assert answer.status_code in (404, 405)
    assert (path.parent / "other.json").read_bytes() == path.read_bytes()


def test_a_page_saves_what_follows_with_the_version_that_it_was_answered(site: OpenedSite):
    version = site.save({"pinnedIds": "1_11_1"}).headers["x-clerp-version"]
    assert site.save({"pinnedIds": ""}, version).status_code == 200
    assert site.save({"pinnedIds": "0_10_1"}, version).status_code == 409


def test_a_page_of_other_settings_is_refused_and_told(site: OpenedSite, path: Path):
    version = site.version
    document = json.loads(path.read_text())
    document["qParams"]["supernodes"] = [["of another program", "0_10_1"]]
    path.write_text(json.dumps(document))
    before = path.read_bytes()
    answer = site.save({"supernodes": "[]"}, version)
    assert answer.status_code == 409
    assert "changed since the page was opened" in answer.text
    assert site.told == [f"clerp: {answer.text}"]
    unversioned = {"json": {"qParams": {"supernodes": "[]"}}, "headers": site.own_headers}
    assert site.client.post("/save_graph/g", **unversioned).status_code == 409
    assert path.read_bytes() == before


def test_a_save_that_fails_is_told_and_changes_nothing(site: OpenedSite, path: Path):
    version = site.version
    path.write_text("{")
    assert site.save({"pinnedIds": ""}, version).status_code == 409
    assert path.read_text() == "{"
    assert site.told[0].startswith(f"clerp: {path}")


def test_a_bug_shows_no_traceback_and_keeps_the_headers(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    def fail(_: object) -> bytes:
        raise ZeroDivisionError("of <b>secret</b>")

    with serve_opened(path) as site:
        site.enter()
        monkeypatch.setattr(type(site.opened), "encode", fail)
        answer = site.client.get("/graph_data/g.json")
        assert answer.status_code == 500
        assert "secret" not in answer.text
        check_headers(answer)
    assert "ZeroDivisionError" in caplog.text
