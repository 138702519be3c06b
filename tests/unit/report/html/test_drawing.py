import re
from typing import Any
from xml.etree import ElementTree

import matplotlib
import pytest

from clerp.report.html.drawing import INK, ROLE_COLOURS, VARIABLES, draw, embed


def paint(figure: Any) -> None:
    axes = figure.subplots()
    axes.bar([0, 1], [2, 3], color=ROLE_COLOURS["input"], label="$x$ & <b>")
    axes.plot([0, 1], [1, 2], "o", color=INK)
    axes.set_title("東京 $a_1$ \u202b")
    axes.legend()


def test_a_figure_has_no_style_and_no_script_of_its_own():
    svg = draw("one", "what it shows", 2.0, paint)
    assert "style" not in svg
    assert "<script" not in svg
    assert "http" not in svg
    assert 'aria-label="what it shows"' in svg
    ElementTree.fromstring(svg)


def test_colours_are_those_of_the_page():
    svg = draw("one", "", 2.0, paint)
    assert 'fill="var(--input)"' in svg
    assert set(re.findall(r"#[0-9a-f]{6}", svg)) == set()
    assert len(set(VARIABLES.values())) == len(VARIABLES)


def test_text_stays_text_and_is_no_formula():
    svg = draw("one", "", 2.0, paint)
    assert ">$x$ &amp; &lt;b&gt;</text>" in svg
    assert "東京 $a_1$" in svg


def test_what_is_said_of_a_figure_is_escaped():
    root = ElementTree.fromstring(draw("one", '"><script>', 2.0, paint))
    assert root.attrib["aria-label"] == '"><script>'


def test_ids_are_used_and_no_other_figure_has_them():
    one, other = draw("one", "", 2.0, paint), draw("other", "", 2.0, paint)
    ids = re.findall(r' id="([^"]+)"', one)
    assert ids
    assert len(set(ids)) == len(ids)
    assert set(ids).isdisjoint(re.findall(r' id="([^"]+)"', other))
    assert set(re.findall(r'(?:href="#|url\(#)([^")]+)', one)) == set(ids)


def test_figures_are_alike_whatever_the_settings_of_matplotlib():
    plain = draw("one", "", 2.0, paint)
    with matplotlib.rc_context({"font.size": 30, "axes.grid": True, "svg.fonttype": "path"}):
        assert draw("one", "", 2.0, paint) == plain
        assert matplotlib.rcParams["font.size"] == 30


@pytest.mark.parametrize("key", ["id", "class"])
def test_what_an_attribute_says_stays_in_it(key: str):
    path = '<path d="M 0 0\nL 1 1" style="fill: a&quot;b"/>'
    svg = f'<svg viewBox="0 0 1 1"><g {key}="x">{path}</g></svg>'
    root = ElementTree.fromstring(embed(svg.encode(), "one", ""))
    assert [e.attrib["fill"] for e in root.iter() if "d" in e.attrib] == ['a"b']
