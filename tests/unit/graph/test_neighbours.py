import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.graph.conftest import Document, build_graph

from clerp.feature import FeatureId
from clerp.graph import (
    AttributionGraph,
    Neighbour,
    Neighbourhood,
    digest_neighbours,
    list_neighbours,
    rank_neighbours,
    read_graph,
)
from clerp.graph.neighbours import MAX_STRONGEST

A, B, C, D = (FeatureId(i, 10 + i) for i in range(4))
Link = tuple[str, str, float]


def read(*links: Link, **changed: Any) -> AttributionGraph:
    document = build_graph(n_features=4) | changed
    document["links"] = [
        {"source": source, "target": target, "weight": weight} for source, target, weight in links
    ]
    return read_graph(document)


def rank(*links: Link, **changed: Any) -> dict[FeatureId, tuple[FeatureId, ...]]:
    return dict(rank_neighbours(read(*links, **changed)))


def find(feature: FeatureId, *links: Link, **changed: Any) -> Neighbourhood:
    return list_neighbours(read(*links, **changed))[feature]


def add_nodes(*nodes: Document) -> list[Document]:
    return [*build_graph(n_features=4)["nodes"], *nodes]


def copy_node(node_id: str, /, **changed: Any) -> Document:
    nodes = build_graph(n_features=4)["nodes"]
    return next(node for node in nodes if node["node_id"] == node_id) | changed


def name(feature: FeatureId, position: int = 1) -> str:
    return f"{feature}_{position}"


def test_ties_count_both_ways_and_by_their_size():
    ranked = rank((name(A), name(B), 0.2), (name(C), name(A), -0.5), (name(A), name(D), 0.1))
    assert ranked == {A: (C, B, D), B: (A,), C: (A,), D: (A,)}


def test_ties_of_all_nodes_of_a_feature_add_up():
    document = build_graph(n_features=4)
    second = {**document["nodes"][0], "node_id": name(A, 0), "ctx_idx": 0}
    ranked = rank(
        (name(A), name(B), 0.3),
        (name(A), name(C), -0.2),
        (name(A, 0), name(C), 0.2),
        nodes=[*document["nodes"], second],
    )
    assert ranked[A] == (C, B)


def test_equal_ties_are_in_the_order_of_features():
    assert rank((name(A), name(D), 0.3), (name(C), name(A), -0.3), (name(A), name(B), 0.3))[A] == (
        B,
        C,
        D,
    )


def test_only_other_features_are_neighbours():
    document = build_graph(n_features=4)
    second = {**document["nodes"][0], "node_id": name(A, 0), "ctx_idx": 0}
    assert (
        rank(
            (name(A), "27_0_1", 5.0),
            ("E_0_0", name(A), 5.0),
            (name(A, 0), name(A), 1.0),
            nodes=[*document["nodes"], second],
        )
        == {}
    )


def test_an_id_that_an_error_shares_ties_nothing():
    document = build_graph(n_features=4)
    error = next(n for n in document["nodes"] if n["feature_type"] == "mlp reconstruction error")
    error["node_id"] = name(A)
    ranked = rank((name(A), name(B), 9.0), (name(C), name(B), 0.1), nodes=document["nodes"])
    assert ranked == {B: (C,), C: (B,)}


def test_neighbours_have_their_side_and_their_sign():
    found = list_neighbours(read((name(A), name(B), 0.5), (name(C), name(A), -2.0)))
    assert found == {
        A: Neighbourhood(
            upstream=(Neighbour("feature", str(C), -2.0),),
            downstream=(Neighbour("feature", str(B), 0.5),),
        ),
        B: Neighbourhood(upstream=(Neighbour("feature", str(A), 0.5),)),
        C: Neighbourhood(downstream=(Neighbour("feature", str(A), -2.0),)),
    }


def test_prompt_tokens_are_upstream_and_logits_downstream_by_their_text():
    found = find(B, ("E_1_1", name(B), 0.5), (name(B), "27_0_1", -0.25))
    assert found.upstream == (Neighbour("token", "Dallas", 0.5),)
    assert found.downstream == (Neighbour("logit", " word0", -0.25),)


def test_weights_of_all_nodes_of_a_feature_or_text_are_summed_with_their_signs():
    nodes = add_nodes(
        copy_node(name(A), node_id=name(A, 0), ctx_idx=0),
        copy_node("E_1_1", node_id="E_9_1"),
        copy_node("27_0_1", node_id="27_9_1"),
    )
    found = find(
        A,
        *((name(A), name(B), 0.5), (name(A, 0), name(B), -0.125)),
        *(("E_1_1", name(A), 0.25), ("E_9_1", name(A), 0.5)),
        *((name(A), "27_0_1", 1.0), (name(A, 0), "27_9_1", -4.0)),
        nodes=nodes,
    )
    assert found.upstream == (Neighbour("token", "Dallas", 0.75),)
    assert found.downstream == (
        Neighbour("logit", " word0", -3.0),
        Neighbour("feature", str(B), 0.375),
    )


def test_a_token_and_a_logit_of_one_text_are_two_neighbours():
    nodes = add_nodes(copy_node("27_0_1", node_id="27_9_1", clerp='Output "Dallas" (p=0.1)'))
    found = find(A, ("E_1_1", name(A), 0.5), ("27_9_1", name(A), 0.25), nodes=nodes)
    assert found.upstream == (Neighbour("token", "Dallas", 0.5), Neighbour("logit", "Dallas", 0.25))


def test_the_strongest_are_kept_whatever_their_sign():
    nodes = [
        copy_node("27_0_1", node_id=f"27_{i}_1", clerp=f'Output "w{i:02}" (p=0.1)')
        for i in range(10, 30)
    ]
    weights = [0.01 * i * (-1) ** i for i in range(20)]
    links = [(name(A), f"27_{10 + i}_1", weight) for i, weight in enumerate(weights)]
    found = find(A, *links, nodes=add_nodes(*nodes)).downstream
    assert [n.name for n in found] == [f"w{10 + i}" for i in range(19, 19 - MAX_STRONGEST, -1)]
    assert [n.weight for n in found] == weights[: -MAX_STRONGEST - 1 : -1]


@given(st.permutations([name(B), name(C), name(D), "27_0_1", "27_1_1"]))
def test_equally_strong_neighbours_have_an_order(targets: list[str]):
    found = find(A, *((name(A), target, 0.5) for target in targets)).downstream
    assert [n.name for n in found] == [str(B), str(C), str(D), " word0", " word1"]


def test_errors_and_a_features_own_nodes_are_no_neighbours():
    nodes = add_nodes(copy_node(name(A), node_id=name(A, 0), ctx_idx=0))
    links = (("0_20_1", name(A), 9.0), (name(A), "0_20_1", 9.0), (name(A, 0), name(A), 9.0))
    assert list_neighbours(read(*links, nodes=nodes)) == {}


@pytest.mark.parametrize("shared", [name(A), "E_1_1", "27_0_1"])
def test_an_id_that_an_error_shares_is_nobodys_neighbour(shared: str):
    nodes = add_nodes(copy_node("0_20_1", node_id=shared))
    links = ((shared, name(B), 9.0), (name(B), shared, 9.0), (name(C), name(B), 0.5))
    found = list_neighbours(read(*links, nodes=nodes))
    assert found == {
        B: Neighbourhood(upstream=(Neighbour("feature", str(C), 0.5),)),
        C: Neighbourhood(downstream=(Neighbour("feature", str(B), 0.5),)),
    }


@pytest.mark.parametrize(
    ("node_id", "change"),
    [("27_0_1", {"clerp": ""}), ("27_0_1", {"clerp": None}), ("E_1_1", {"ctx_idx": 2})],
)
def test_what_has_no_text_is_no_neighbour(node_id: str, change: Document):
    nodes = [
        node | change if node["node_id"] == node_id else node
        for node in build_graph(n_features=4)["nodes"]
    ]
    links = ((node_id, name(A), 1.0), (name(A), node_id, 1.0))
    assert list_neighbours(read(*links, nodes=nodes)) == {}


def test_a_sum_that_is_no_number_is_left_out():
    nodes = add_nodes(copy_node(name(A), node_id=name(A, 0), ctx_idx=0))
    huge = 1.7e308
    found = find(
        B,
        *((name(A), name(B), huge), (name(A, 0), name(B), huge), (name(C), name(B), huge)),
        nodes=nodes,
    )
    assert found.upstream == (Neighbour("feature", str(C), huge),)


def change_link(document: Document) -> None:
    document["links"][0]["weight"] += 0.125


def drop_link(document: Document) -> None:
    # One that does not end at a logit, which the digest of the graph leaves out.
    document["links"] = document["links"][:-1]


def rename_token(document: Document) -> None:
    document["metadata"]["prompt_tokens"] = ["<bos>", "Austin"]


def rename_logit(document: Document) -> None:
    document["nodes"][-1]["clerp"] = 'Output " other" (p=0.2)'


def move_node(document: Document) -> None:
    document["nodes"][0]["ctx_idx"] = 0


@pytest.mark.parametrize("change", [change_link, drop_link, rename_token, rename_logit, move_node])
def test_the_digest_changes_with_what_is_listed(change: Any):
    document = build_graph()
    document["links"].append({"source": name(A), "target": name(B), "weight": 0.5})
    before = digest_neighbours(read_graph(document))
    change(document)
    assert digest_neighbours(read_graph(document)) != before


def test_the_digest_covers_every_link_of_many():
    links = [(name(A), name(B), 0.5)] * 25_000
    digests = {
        digest_neighbours(read(*links[:place], (name(A), name(B), 0.25), *links[place + 1 :]))
        for place in (0, 9_999, 10_000, 24_999)
    }
    assert len(digests | {digest_neighbours(read(*links))}) == 5


def test_labels_slug_and_viewer_settings_do_not_change_the_digest():
    document = build_graph()
    before = digest_neighbours(read_graph(document))
    document["nodes"][0]["clerp"] = "Texas"
    document["metadata"]["slug"] = "another"
    document["qParams"]["pinnedIds"] = [name(A)]
    assert digest_neighbours(read_graph(document)) == before


@pytest.mark.skipif("CLERP_TEST_DATA" not in os.environ, reason="needs the real graphs")
def test_neighbours_in_real_graphs_are_those_that_the_links_name():
    for path in sorted(Path(os.environ["CLERP_TEST_DATA"]).glob("real-graphs/*.json")):
        graph = read_graph(path)
        found, ranked = list_neighbours(graph), rank_neighbours(graph)
        assert set(ranked) <= set(found) <= set(graph.features)
        for feature, around in found.items():
            listed = {n.name for n in (*around.upstream, *around.downstream) if n.kind == "feature"}
            assert listed <= set(map(str, ranked.get(feature, ())))
