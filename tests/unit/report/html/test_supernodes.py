import os
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.graph.conftest import build_graph

from clerp.errors import GraphError
from clerp.feature import FeatureId
from clerp.graph import AttributionGraph, read_graph
from clerp.report.html.circuit_figure import draw_circuit
from clerp.report.html.supernodes import MAX_ARROWS, MAX_BOXES, Circuit, condense

_POINT = re.compile(r"(-?[\d.]+) (-?[\d.]+)")
NAMES = st.text(st.characters(codec="utf-8"), max_size=60)


def make(
    supernodes: Any, links: list[tuple[str, str, float]] | None = None, n: int = 6
) -> AttributionGraph:
    document = build_graph(n_features=n)
    document["qParams"]["supernodes"] = supernodes
    if links is not None:
        document["links"] = [
            {"source": source, "target": target, "weight": weight}
            for source, target, weight in links
        ]
    return read_graph(document)


def condensed(graph: AttributionGraph) -> Circuit:
    circuit = condense(graph, {})
    assert circuit is not None
    return circuit


def list_arrows(circuit: Circuit) -> dict[tuple[str, str], float]:
    return {(a.source.name, a.target.name): a.weight for a in circuit.arrows}


def test_links_between_groups_are_added_with_their_signs():
    graph = make(
        [["one", "0_10_1", "1_11_1"], ["two", "2_12_1"]],
        [
            ("0_10_1", "2_12_1", 3.0),
            ("1_11_1", "2_12_1", -1.0),
            ("2_12_1", "0_10_1", -0.5),
            ("0_10_1", "1_11_1", 9.0),
            ("3_13_1", "4_14_1", 9.0),
        ],
    )
    assert list_arrows(condensed(graph)) == {("one", "two"): 2.0, ("two", "one"): -0.5}


def test_a_group_stands_at_the_mean_of_its_members():
    graph = make([["one", "0_10_1", "3_13_1", "no such node"]])
    circuit = condense(graph, {FeatureId(0, 10): "output", FeatureId(3, 13): "output"})
    assert circuit is not None
    box = circuit.boxes[0]
    assert (box.name, box.n_nodes, box.layer, box.position, box.role) == (
        "one",
        2,
        1.5,
        1.0,
        "output",
    )


def test_tokens_and_logits_that_groups_are_tied_to_are_in_it():
    graph = make(
        [["one", "0_10_1"]],
        [("E_1_1", "0_10_1", 1.0), ("0_10_1", "27_0_1", 2.0), ("E_0_0", "27_0_1", 5.0)],
    )
    circuit = condensed(graph)
    assert {box.kind: box.name for box in circuit.boxes} == {
        "group": "one",
        "token": "Dallas",
        "logit": " word0",
    }
    assert circuit.n_arrows == 2


def test_a_node_that_people_put_into_two_groups_counts_for_both():
    graph = make(
        [["one", "0_10_1", "1_11_1"], ["other", "0_10_1"], ["end", "2_12_1"]],
        [("0_10_1", "2_12_1", 1.0), ("1_11_1", "2_12_1", 2.0)],
    )
    assert list_arrows(condensed(graph)) == {("one", "end"): 3.0, ("other", "end"): 1.0}


def test_an_id_that_an_error_has_too_ties_nothing():
    document = build_graph(n_features=3)
    document["nodes"][3]["node_id"] = "0_10_1"
    document["nodes"][3]["jsNodeId"] = "0_10-0"
    document["links"] = [{"source": "0_10_1", "target": "1_11_1", "weight": 1.0}]
    document["qParams"]["supernodes"] = [["one", "0_10_1"], ["two", "1_11_1"]]
    circuit = condensed(read_graph(document))
    assert circuit.arrows == ()
    assert circuit.n_groups == 2


def test_groups_of_one_name_stay_two():
    graph = make([["same", "0_10_1"], ["same", "1_11_1"]], [("0_10_1", "1_11_1", 1.0)])
    assert len(condensed(graph).boxes) == 2
    assert len(condensed(graph).arrows) == 1


@pytest.mark.parametrize("supernodes", [[], None, [["empty"]], [["errors", "0_20_1"]]])
def test_a_graph_without_supernodes_of_features_has_no_picture(supernodes: Any):
    assert condense(make(supernodes), {}) is None


def test_supernodes_that_cannot_be_read_are_refused_by_their_place():
    with pytest.raises(GraphError, match=r"qParams\.supernodes"):
        condense(make([[1, 2]]), {})


def test_of_many_groups_the_largest_and_of_many_arrows_the_strongest_are_drawn():
    n = MAX_BOXES + 20
    ids = [f"{i}_{10 + i}_1" for i in range(n)]
    links = [
        (a, b, float(1 + i + j)) for i, a in enumerate(ids) for j, b in enumerate(ids) if i < j
    ]
    circuit = condensed(make([[f"g{i}", node_id] for i, node_id in enumerate(ids)], links, n))
    assert sum(box.kind == "group" for box in circuit.boxes) == MAX_BOXES
    assert circuit.n_groups == n
    assert len(circuit.arrows) == MAX_ARROWS
    weights = [abs(arrow.weight) for arrow in circuit.arrows]
    assert weights == sorted(weights, reverse=True)
    assert draw_circuit(circuit, "many").startswith("<svg")


def test_many_long_words_stay_within_the_picture():
    document = build_graph(n_features=1, n_errors=0, n_embeddings=12, n_logits=12)
    words = [f"{'w' * 30}{n}" for n in range(12)]
    document["metadata"]["prompt_tokens"] = words
    feature, *ends = document["nodes"]
    for word, logit in zip(words, ends[12:], strict=True):
        logit["clerp"] = f'Output "{word}" (p=0.100)'
    document["links"] = [
        *({"source": end["node_id"], "target": "0_10_1", "weight": 1.0} for end in ends[:12]),
        *({"source": "0_10_1", "target": end["node_id"], "weight": 1.0} for end in ends[12:]),
    ]
    document["qParams"]["supernodes"] = [["one", feature["node_id"]]]
    circuit = condensed(read_graph(document))
    assert len(circuit.boxes) == 25
    root = ElementTree.fromstring(draw_circuit(circuit, "wide"))
    _, _, width, height = map(float, root.attrib["viewBox"].split())
    drawn = " ".join(path.attrib["d"] for path in root.iter("path"))
    places = [(float(x), float(y)) for x, y in _POINT.findall(drawn)]
    assert len(places) > 25 * 8
    assert all(0 <= x <= width and 0 <= y <= height for x, y in places)


@given(st.lists(NAMES, min_size=1, max_size=5), st.randoms(use_true_random=False))
def test_any_names_can_be_drawn(names: list[str], rng: Any):
    ids = [f"{i}_{10 + i}_1" for i in range(6)]
    groups = [[name, *rng.sample(ids, rng.randint(1, 3))] for name in names]
    svg = draw_circuit(condensed(make(groups)), "any")
    assert svg.isprintable()
    assert "<script" not in svg.lower()


def test_equal_graphs_make_equal_pictures():
    graph = make([["one", "0_10_1", "1_11_1"], ["two", "2_12_1"]])
    assert draw_circuit(condensed(graph), "a") == draw_circuit(condensed(graph), "a")


@pytest.mark.parametrize(
    ("name", "n_groups", "strongest"),
    [
        ("haiku-capital-state-dallas", 6, {"capital", "state", "Dallas"}),
        ("haiku-opposite-of-small", 8, {"small/little/tiny"}),
    ],
)
def test_supernodes_of_people_are_drawn_with_the_words_that_act_on_them(
    name: str, n_groups: int, strongest: set[str]
):
    folder = os.environ.get("CLERP_TEST_DATA")
    if not folder:
        pytest.skip("needs the public graphs: set CLERP_TEST_DATA")
    graph = read_graph(Path(folder) / "real-graphs" / f"{name}.json")
    circuit = condensed(graph)
    assert circuit.n_groups == n_groups
    from_words = [arrow for arrow in circuit.arrows if arrow.source.kind == "token"]
    assert strongest <= {arrow.target.name for arrow in from_words[:4]}
    assert all(arrow.weight > 0 for arrow in from_words[:4])
    svg = draw_circuit(circuit, name)
    assert all(box.n_nodes == 1 or f"{box.n_nodes} nodes" in svg for box in circuit.boxes)
