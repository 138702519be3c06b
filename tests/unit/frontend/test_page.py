import base64
import hashlib
import re
from pathlib import Path
from types import SimpleNamespace

import pytest

from clerp.errors import PluginError
from clerp.frontend import page as module
from clerp.frontend.page import Page, find_frontend, make_policy, read_page, rewrite_page
from clerp.frontend.scripts import SCRIPTS

HTML = "<title>x</title>\n<script src='./util.js'></script>\n<script>\nfetch('./a')\n</script>\n"


@pytest.fixture
def page() -> Page:
    pytest.importorskip("circuit_tracer")
    read_page.cache_clear()
    return read_page()


def install(monkeypatch: pytest.MonkeyPatch, places: list[str] | None) -> None:
    found = None if places is None else SimpleNamespace(submodule_search_locations=places)
    monkeypatch.setattr(module, "find_spec", lambda _: found)


def test_the_page_asks_no_other_host_for_a_script(page: Page):
    assert re.findall(r"(?:src|href)=['\"]?https?:", page.html) == []
    asked = re.findall(r"<script src='\./([^']+)'", page.html)
    assert set(asked) <= page.files.keys()
    assert asked[0] == "clerp/fetch.js"
    assert {"clerp/d3.js", "clerp/jetpack.js", "clerp/dagre.js", "util.js"} <= set(asked)
    styles = re.findall(r"<link rel='stylesheet' href='\./([^']+)'", page.html)
    assert styles
    assert set(styles) <= page.files.keys()


def test_only_scripts_and_styles_of_the_frontend_are_served(page: Page):
    assert {Path(name).suffix for name in page.files} == {".js", ".css"}
    assert not [name for name in page.files if ".." in name or name.startswith("/")]


def test_only_the_scripts_that_stand_in_the_page_may_run_inline(page: Page):
    inline = re.findall(r"<script>(.*?)</script>", page.html, re.DOTALL)
    assert len(inline) == 1
    digest = base64.b64encode(hashlib.sha256(inline[0].encode()).digest()).decode()
    assert f"script-src 'self' 'sha256-{digest}';" in page.policy
    assert "unsafe-eval" not in page.policy
    assert re.findall(r"\S*'unsafe-inline'", page.policy.partition("style-src")[0]) == []
    assert "default-src 'none'" in page.policy
    assert "connect-src 'self'" in page.policy


def test_the_token_stands_in_the_page_of_a_run_alone(page: Page):
    shown = page.show("secret-of-this-run")
    assert shown.count("secret-of-this-run") == 1
    assert "secret-of-this-run" not in page.show("another")
    assert make_policy(shown) == page.policy


def test_a_script_that_nothing_calls_is_left_out():
    unused = [address for address, script in SCRIPTS.items() if script is None]
    html = "".join(f"<script src='{address}'></script>\n" for address in unused) + HTML
    assert rewrite_page(html) == rewrite_page(HTML)


@pytest.mark.parametrize(
    "tag",
    [
        "<script src='https://example.org/x.js'></script>",
        '<script src="https://unpkg.com/dagre@9/dist/dagre.min.js"></script>',
        "<script defer src='https://example.org/x.js'></script>",
        "<script src=//example.org/x.js></script>",
        "<link rel='stylesheet' href='https://example.org/x.css'>",
        "<img src = 'http://example.org/x.png'>",
    ],
)
def test_a_page_that_asks_for_something_unknown_is_refused(tag: str):
    with pytest.raises(PluginError, match="which clerp has not") as raised:
        rewrite_page(tag + HTML)
    assert raised.value.remedy


def test_without_circuit_tracer_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch):
    install(monkeypatch, None)
    with pytest.raises(PluginError, match="circuit-tracer is not installed") as raised:
        find_frontend()
    assert "pip install" in raised.value.remedy


def test_an_installation_without_a_frontend_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    install(monkeypatch, [str(tmp_path)])
    with pytest.raises(PluginError, match="has no frontend"):
        find_frontend()


def test_files_that_are_much_too_large_are_not_read(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    folder = tmp_path / "frontend" / "assets"
    folder.mkdir(parents=True)
    (folder / "index.html").write_text(HTML)
    (folder / "util.js").write_bytes(b" " * (4 * 2**20 + 1))
    install(monkeypatch, [str(tmp_path)])
    read_page.cache_clear()
    with pytest.raises(PluginError, match="more than"):
        read_page()
    read_page.cache_clear()


def test_nothing_of_circuit_tracer_is_imported(monkeypatch: pytest.MonkeyPatch, page: Page):
    import sys

    monkeypatch.delitem(sys.modules, "circuit_tracer", raising=False)
    read_page.cache_clear()
    assert read_page().html == page.html
    assert "circuit_tracer" not in sys.modules
