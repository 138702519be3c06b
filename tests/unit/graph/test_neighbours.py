from typing import Any

from tests.unit.graph.conftest import build_graph

from clerp.feature import FeatureId
from clerp.graph import rank_neighbours, read_graph

A, B, C, D = (FeatureId(i, 10 + i) for i in range(4))


def rank(*links: tuple[str, str, float], **changed: Any) -> dict[FeatureId, tuple[FeatureId, ...]]:
    document = build_graph(n_features=4) | changed
    document["links"] = [
        {"source": source, "target": target, "weight": weight} for source, target, weight in links
    ]
    return dict(rank_neighbours(read_graph(document)))


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
