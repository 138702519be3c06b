from collections import Counter
from itertools import groupby
from typing import NamedTuple
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.outcomes import make_artefact, make_named, make_route, make_unnamed

from clerp.feature import FeatureId
from clerp.report.tier_plot import draw_tiers

SVG = "{http://www.w3.org/2000/svg}"
ROLES = {1: "input", 2: "cross", 3: "obscure"}


def make(layer: int, index: int, tier: int | None):
    feature = FeatureId(layer, index)
    if tier is None:
        return make_artefact(feature)
    made = make_named if tier == 1 else make_unnamed
    return made(feature, route=make_route(feature, role=ROLES[tier], tier=tier))


class Bar(NamedTuple):
    says: str
    x: float
    y: float
    height: float


def read_bars(svg: str) -> list[Bar]:
    rects = [rect for rect in ElementTree.fromstring(svg).iter(f"{SVG}rect") if len(rect)]
    return [
        Bar(str(r[0].text), float(r.attrib["x"]), float(r.attrib["y"]), float(r.attrib["height"]))
        for r in rects
    ]


def test_every_layer_says_how_many_of_each_tier_it_has():
    features = [make(0, 1, 1), make(0, 2, 1), make(0, 3, None), make(2, 4, 3)]
    said = [bar.says for bar in read_bars(draw_tiers(features))]
    assert said == ["layer 0: 2 tier 1", "layer 0: 1 artefact", "layer 2: 1 tier 3"]


@given(st.lists(st.tuples(st.integers(0, 80), st.sampled_from([1, 2, 3, None])), min_size=1))
def test_bars_are_as_high_as_their_counts_and_stand_on_each_other(drawn):
    features = [make(layer, index, tier) for index, (layer, tier) in enumerate(drawn)]
    bars = read_bars(draw_tiers(features))
    tallest = max(Counter(layer for layer, _ in drawn).values())
    for text, _, _, height in bars:
        assert height == pytest.approx(120 * int(text.split()[2]) / tallest, abs=0.1)
    for _, stacked in groupby(bars, key=lambda bar: bar.x):
        reached = 146.0
        for _, _, top, height in stacked:
            assert top + height == pytest.approx(reached, abs=0.2)
            reached = top
    assert sum(int(text.split()[2]) for text, *_ in bars) == len(features)


def test_the_legend_counts_all_layers_together():
    svg = draw_tiers([make(0, 1, 1), make(5, 2, 1), make(9, 3, 2)])
    texts = [text.text for text in ElementTree.fromstring(svg).iter(f"{SVG}text")]
    assert texts[:4] == ["tier 1: 2", "tier 2: 1", "tier 3: 0", "artefact: 0"]


def test_many_layers_are_numbered_sparsely():
    svg = draw_tiers([make(0, 1, 1), make(79, 2, 1)])
    texts = [text.text for text in ElementTree.fromstring(svg).iter(f"{SVG}text")]
    assert texts[6:-1] == [str(layer) for layer in range(0, 80, 5)]


def test_a_graph_without_features_has_no_picture():
    assert draw_tiers([]) == ""
