from collections import Counter
from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pytest
from tests.unit.report.html.labelled_graphs import Named, make_recorded

from clerp.report.html.distinct import list_distinct
from clerp.report.html.layer_order import (
    Contrast,
    LayerOrder,
    measure_layer_order,
)
from clerp.report.html.recorded import RecordedGraph
from clerp.report.html.strata import DEALS
from clerp.router import Role

N_LAYERS = 24
CALIBRATED = frozenset({"calibrated"})


def measure(graphs: Sequence[RecordedGraph], rules: frozenset[str] = CALIBRATED) -> LayerOrder:
    return measure_layer_order(list_distinct(graphs), len(graphs), rules)


def find(order: LayerOrder, earlier: str, later: str) -> Contrast:
    return next(c for c in order.contrasts if (c.earlier, c.later) == (earlier, later))


def plant_trend(seed: int, n: int = 60) -> RecordedGraph:
    """Make a graph whose input features lie early, cross in the middle, output late, with noise."""
    rng = np.random.default_rng(seed)
    middles: dict[Role, float] = {"input": 5.0, "cross": 11.0, "output": 18.0}
    planted: list[tuple[Role, float]] = [
        (role, middle) for role, middle in middles.items() for _ in range(n // 3)
    ]
    return make_recorded(
        [
            Named(int(np.clip(rng.normal(middle, 4), 0, N_LAYERS - 1)), 1000 * seed + i, role)
            for i, (role, middle) in enumerate(planted)
        ]
    )


def plant_nothing(seed: int, n: int = 40) -> RecordedGraph:
    """Make a graph whose roles have nothing to do with layers."""
    rng = np.random.default_rng(seed)
    roles: list[Role] = list(rng.permutation(["input"] * (n // 2) + ["output"] * (n // 2)))
    layers = rng.integers(0, N_LAYERS, n)
    return make_recorded(
        [
            Named(int(layer), 1000 * seed + i, role)
            for i, (layer, role) in enumerate(zip(layers, roles, strict=True))
        ]
    )


def test_a_planted_trend_is_found():
    order = measure([plant_trend(seed) for seed in range(6)])
    assert order.untested == ""
    for contrast in order.contrasts:
        assert contrast.is_supported, contrast
        assert contrast.interval is not None
        assert contrast.difference is not None
        assert 0 < contrast.interval.low <= contrast.difference <= contrast.interval.high
    assert find(order, "input", "output").difference == pytest.approx(13 / 23, abs=0.08)
    assert [depth.role for depth in order.depths] == ["input", "cross", "output"]
    assert all(len(depth.by_graph) == 6 for depth in order.depths)


def test_a_trend_the_other_way_is_not_supported():
    graph = [Named(layer, layer, "output" if layer < 12 else "input") for layer in range(24)]
    other = [Named(layer, 100 + layer, named.role) for layer, named in enumerate(graph)]
    contrast = find(measure([make_recorded(graph), make_recorded(other)]), "input", "output")
    assert contrast.difference == pytest.approx(-12 / 23)
    assert contrast.p == 1.0
    assert not contrast.is_supported


def test_without_a_trend_chances_are_spread_evenly():
    chances = [
        find(measure([plant_nothing(2 * seed), plant_nothing(2 * seed + 1)]), "input", "output").p
        for seed in range(60)
    ]
    below = Counter(p <= 0.2 for p in chances if p is not None)[True]
    # Of 60 at a chance of .2, more than 22 come up once in a thousand times, and so do less than 4.
    assert 4 <= below <= 22
    assert min(p for p in chances if p is not None) > 0.0005


def test_the_chance_is_that_of_all_deals_one_by_one():
    depths = [0, 3, 1, 7, 4, 7, 2]
    roles: list[Role] = ["input", "input", "input", "output", "output", "output", "input"]
    told = list(enumerate(zip(depths, roles, strict=True)))
    graphs = [make_recorded([Named(d, 10 * g + i, r) for i, (d, r) in told]) for g in range(2)]
    observed = 2 * (7 + 4 + 7)
    sums = [sum(depths[i] for i in dealt) for dealt in combinations(range(7), 3)]
    exact = np.mean([a + b >= observed for a in sums for b in sums])
    contrast = find(measure(graphs), "input", "output")
    assert contrast.p == pytest.approx((1 + DEALS * exact) / (1 + DEALS), abs=0.006)


def test_graphs_of_other_depths_are_no_evidence():
    """Pooled, output lies later; within each graph it does not."""
    early = [Named(i % 4, i, "input" if i < 16 else "output") for i in range(20)]
    late = [Named(20 + i % 4, 100 + i, "input" if i < 4 else "output") for i in range(20)]
    contrast = find(measure([make_recorded(early), make_recorded(late)]), "input", "output")
    assert contrast.difference == pytest.approx(0, abs=1e-12)
    assert contrast.p is not None
    assert contrast.p > 0.3


def test_what_density_alone_makes_is_gone_when_matched():
    """Dense features lie deep and are output more often; among equally dense ones nothing holds."""
    graphs: list[RecordedGraph] = []
    for seed in range(6):
        rng = np.random.default_rng(seed)
        features: list[Named] = []
        for i in range(120):
            band = i % 5
            role: Role = "output" if rng.random() < 0.1 + 0.2 * band else "input"
            layer = int(4 * band + rng.integers(0, 4))
            features.append(Named(layer, 1000 * seed + i, role, density=(band + 1) / 100))
        graphs.append(make_recorded(features))
    order = measure(graphs)
    assert find(order, "input", "output").is_supported
    matched = next(c for c in order.matched if (c.earlier, c.later) == ("input", "output"))
    assert matched.difference == pytest.approx(0, abs=0.03)
    assert not matched.is_supported


def test_one_graph_is_described_and_not_tested():
    order = measure([plant_trend(0)])
    assert "one graph" in order.untested
    assert order.matched == ()
    assert all(c.p is None and c.interval is None and c.p_adjusted is None for c in order.contrasts)
    assert find(order, "input", "output").difference is not None


def test_roles_that_were_given_by_layer_are_not_tested():
    order = measure([plant_trend(0), plant_trend(1)], frozenset({"layer"}))
    assert "in circles" in order.untested
    assert all(c.p is None for c in order.contrasts)


def test_roles_of_no_graph_together_are_not_told():
    graphs = [
        make_recorded([Named(i, i, "input") for i in range(5)]),
        make_recorded([Named(i, 50 + i, "output") for i in range(5)]),
    ]
    contrast = find(measure(graphs), "input", "output")
    assert (contrast.difference, contrast.p, contrast.n_graphs) == (None, None, 0)
    assert (contrast.n_earlier, contrast.n_later) == (5, 5)


def test_one_graph_alone_with_both_roles_is_not_tested():
    both = [Named(i, i, "input" if i < 6 else "output") for i in range(12)]
    graphs = [make_recorded(both), make_recorded([Named(i, 50 + i, "input") for i in range(5)])]
    order = measure(graphs)
    contrast = find(order, "input", "output")
    assert contrast.difference == pytest.approx(6 / 11)
    assert (contrast.p, contrast.interval, contrast.n_graphs) == (None, None, 1)
    assert (contrast.verdict, contrast.is_supported) == ("one graph alone", False)
    assert find(order, "cross", "output").verdict == "not told"


def test_a_graph_and_its_copy_are_one_graph():
    graph = plant_trend(0)
    order = measure([graph, graph])
    assert [c.verdict for c in order.contrasts] == ["one graph alone"] * 3
    assert [c.n_graphs for c in order.contrasts] == [1] * 3
    assert not order.has_several


def test_the_order_of_the_graphs_is_nothing_to_it():
    graphs = [plant_trend(seed) for seed in range(4)]
    one, other = measure(graphs), measure(graphs[::-1])
    for a, b in zip(one.contrasts, other.contrasts, strict=True):
        assert a.difference == pytest.approx(b.difference)
        assert a.p == pytest.approx(b.p, abs=0.01)
