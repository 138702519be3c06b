"""What the package holds of the page: files, templates, colours, keys."""

import re
from importlib.resources import files
from pathlib import Path

import pytest
from tests.unit.review.web.review_session import FakeSession, name_item
from tests.unit.review.web.visitor import Visitor

from clerp.report.html.heat import N_LEVELS
from clerp.review.web.assets import read_assets
from clerp.review.web.keys import list_keys

_FOLDER = Path(str(files("clerp.review.web")))
_TEMPLATES = sorted((_FOLDER / "templates").glob("*.html"))
_CSS = (_FOLDER / "static" / "review.css").read_text()
_JS = (_FOLDER / "static" / "review.js").read_text()
_JINJA = re.compile(r"\{%.*?%\}|\{#.*?#\}", re.DOTALL)
_TAG = re.compile(r"<[a-z][^<>]*>", re.DOTALL)


def test_the_files_that_are_sent_are_those_of_the_folder(visitor: Visitor):
    names = {path.name for path in (_FOLDER / "static").iterdir()}
    assert set(read_assets()) == names
    for name, asset in read_assets().items():
        answer = visitor.get(asset.address)
        assert answer.content == (_FOLDER / "static" / name).read_bytes()
        assert answer.headers["content-type"] == asset.type
        assert answer.headers["cache-control"] == "private, max-age=31536000, immutable"


@pytest.mark.parametrize("template", _TEMPLATES, ids=lambda path: path.name)
def test_templates_quote_every_attribute_and_run_nothing_inline(template: Path):
    source = template.read_text()
    for tag in _TAG.findall(_JINJA.sub("", source.replace("->", ""))):
        unquoted = re.sub(r'"[^"]*"', "", tag)
        assert "{{" not in unquoted, tag
        assert "=" not in unquoted.replace('=""', "").replace("=", "", tag.count('="')), tag
        assert re.search(r"\s(style|on[a-z]+)=", tag) is None, tag
    assert "| safe" not in source
    assert "autoescape" not in source
    assert "//" not in re.sub(r"<!doctype[^>]*>", "", source), "asks another host"
    for script in re.findall(r"<script[^>]*>(?!</script>)", source):
        assert 'type="application/json"' in script


def test_scripts_write_text_only_and_ask_nobody_else():
    for name in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "http"):
        assert name not in _JS, name


def test_every_key_of_the_sheet_is_on_the_page(session: FakeSession, visitor: Visitor):
    html = visitor.get(f"/item/{name_item(1)}").text
    worn = set(re.findall(r'aria-keyshortcuts="([^"]+)"', html))
    assert worn == {*"axecsfurjklogt?", *"12345"}
    for key in list_keys("labels"):
        first = key.name.split(" ")[0]
        assert first in worn or f'event.key === "{first}"' in _JS, key
        assert f"<dd>{key.does}</dd>" in html.replace("&#39;", "'")


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_text_can_be_read_on_every_step_of_heat(theme: int):
    darkness: list[float] = []
    for level in range(1, N_LEVELS):
        rule = re.search(rf"^\.h{level} \{{ (.*) \}}$", _CSS, re.MULTILINE)
        assert rule is not None
        pairs = re.findall(r"light-dark\((#\w+), (#\w+)\)", rule[1])
        paper, ink = (_find_luminance(pair[theme]) for pair in pairs)
        low, high = sorted((paper, ink))
        assert (high + 0.05) / (low + 0.05) >= 4.5, level
        darkness.append(paper)
    ordered = sorted(darkness, reverse=theme == 0)
    assert darkness == ordered
    assert len(set(darkness)) == N_LEVELS - 1


def _find_luminance(colour: str) -> float:
    """Return the relative luminance of a colour, 0 to 1 (WCAG 2.2)."""
    digits = colour[1:]
    if len(digits) == 3:
        digits = "".join(2 * digit for digit in digits)
    parts = (int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4))
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
