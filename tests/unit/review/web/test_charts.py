import math
import xml.etree.ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup

from clerp.review.web.charts import Range, draw_histogram, draw_weight

_COUNTS = st.lists(st.floats(0, 1e12), max_size=60)
_NUMBERS = st.floats(-1e9, 1e9)


def _find_rects(svg: Markup, kind: str) -> list[dict[str, float]]:
    rects = [rect.attrib for rect in ET.fromstring(svg) if rect.attrib["class"] == kind]
    return [{n: float(v) for n, v in rect.items() if n != "class"} for rect in rects]


@given(_COUNTS, _NUMBERS, _NUMBERS, st.lists(_NUMBERS, max_size=5))
def test_a_histogram_stays_within_its_frame(
    counts: list[float], one: float, other: float, fires_at: list[float]
):
    covered = Range(min(one, other), max(one, other))
    svg = draw_histogram(counts, covered, fires_at)
    if not any(counts):
        return
    drawn = [*_find_rects(svg, "bar"), *_find_rects(svg, "rug")]
    assert all(math.isfinite(value) for rect in drawn for value in rect.values())
    assert all(r["x"] >= 0 and r["x"] + r["width"] <= 240.6 for r in drawn)
    assert all(r["y"] >= 0 and r["y"] + r["height"] <= 56.1 for r in drawn)
    assert len(_find_rects(svg, "rug")) == len(fires_at)


def test_taller_bars_count_more_and_marks_are_where_the_feature_fires():
    svg = draw_histogram([100.0, 0.0, 10.0, 1.0], Range(0.0, 8.0), [4.0])
    heights = [bar["height"] for bar in _find_rects(svg, "bar")]
    assert heights == sorted(heights, reverse=True)
    assert len(heights) == 3
    assert _find_rects(svg, "rug")[0]["x"] == 119.0


def test_nothing_to_count_is_not_drawn():
    assert draw_histogram([], Range(0.0, 1.0), [0.5]) == ""
    assert draw_histogram([0.0, 0.0], Range(0.0, 1.0), []) == ""


def test_drawings_say_what_they_show_and_hold_no_style():
    svg = draw_histogram([3.0], Range(0.5, 2.0), [1.0, 1.5])
    assert "style" not in svg
    says = ET.fromstring(svg).attrib["aria-label"]
    assert says == ("Histogram of 1 bins from 0.5 to 2, log scale; 2 activations in graphs marked")
    assert ET.fromstring(draw_weight(-0.12, 0.5)).attrib["aria-label"] == "weight -0.12"


def test_negative_weights_point_to_the_left():
    (minus,) = _find_rects(draw_weight(-0.5, 1.0), "minus")
    (plus,) = _find_rects(draw_weight(0.5, 1.0), "plus")
    assert (minus["x"], minus["width"]) == (12.0, 12.0)
    assert (plus["x"], plus["width"]) == (24.0, 12.0)
    assert _find_rects(draw_weight(0.0, 0.0), "plus")[0]["width"] == 0.5
