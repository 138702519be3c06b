import numpy as np
from tests.unit.grouping.planted_circuit import make_graph, make_logit, make_node, make_token

from clerp.graph import AttributionGraph, read_graph
from clerp.grouping.link_table import list_ends, read_links

NODES = [make_node("1_1_1"), make_node("2_2_1"), make_token(0), make_logit(0)]
LINKS = [("E_0_0", "1_1_1", -4.0), ("1_1_1", "2_2_1", 2.0), ("2_2_1", "27_0_5", 1.0)]


def read(graph: AttributionGraph) -> list[tuple[str, str, float]]:
    table = read_links(graph)
    ids = sorted(table.place)
    return [
        (ids[source], ids[target], weight)
        for source, target, weight in zip(
            table.sources.tolist(), table.targets.tolist(), table.weights.tolist(), strict=True
        )
    ]


def test_links_are_read_by_weights_of_which_the_largest_is_1():
    assert sorted(read(make_graph(NODES, LINKS))) == [
        ("1_1_1", "2_2_1", 0.5),
        ("2_2_1", "27_0_5", 0.25),
        ("E_0_0", "1_1_1", -1.0),
    ]


def test_the_order_of_the_file_is_not_that_of_the_table():
    assert read(make_graph(NODES, LINKS)) == read(make_graph(NODES[::-1], LINKS[::-1]))


def test_a_link_without_weight_is_none():
    assert read(make_graph(NODES, [("E_0_0", "1_1_1", 0.0)])) == []
    assert read(make_graph(NODES)) == []


def test_a_link_whose_end_could_be_either_of_two_nodes_is_left_out():
    error = make_node("1_1_1") | {"feature_type": "mlp reconstruction error", "feature": -1}

    assert [link[:2] for link in read(make_graph([*NODES, error], LINKS))] == [("2_2_1", "27_0_5")]


def test_chosen_ids_are_numbered_and_others_are_not():
    table = read_links(make_graph(NODES))

    numbers = table.number({"2_2_1": 7, "gone": 8})

    assert {i: n for i, n in zip(sorted(table.place), numbers.tolist(), strict=True) if n >= 0} == {
        "2_2_1": 7
    }
    assert numbers.dtype == np.int64


def test_tokens_and_logits_are_the_ends():
    document = make_graph(NODES).document
    extra = make_token(3)

    graph = read_graph(document | {"qk_only_nodes": {extra["node_id"]: extra}})

    assert list_ends(graph) == ["27_0_5", "E_0_0", "E_3_3"]
