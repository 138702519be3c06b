from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.grouping.planted_circuit import (
    Link,
    make_graph,
    make_logit,
    make_node,
    make_token,
)

from clerp.grouping.profiles import compare_profiles

A, B, C = "1_1_1", "2_2_1", "3_3_1"
ENDS = [make_token(0), make_token(1), make_logit(0), make_logit(1)]
WEIGHTS = st.floats(-9, 9).filter(lambda weight: abs(weight) > 1e-3)


def compare(*links: Link, more: tuple[dict[str, Any], ...] = ()) -> float:
    graph = make_graph([make_node(A), make_node(B), make_node(C), *ENDS, *more], links)
    first, second, _ = sorted(graph.feature_nodes, key=lambda node: node.node_id)
    return float(compare_profiles(graph, [first, second])[0, 1])


def test_nodes_that_read_and_act_on_the_same_are_wholly_alike():
    found = compare(("E_0_0", A, 1), ("E_0_0", B, 3), (A, "27_0_5", 2), (B, "27_0_5", 2))

    assert found == 1.0


def test_what_is_read_counts_as_much_as_what_is_acted_on():
    assert compare(("E_0_0", A, 1), ("E_0_0", B, 1)) == 0.5
    assert compare((A, "27_0_5", 1), (B, "27_0_5", 1)) == 0.5


def test_edges_of_opposite_sign_count_against():
    assert compare((A, "27_0_5", 1), (B, "27_0_5", -1)) == -0.5


def test_an_edge_counts_by_its_share_of_what_the_target_reads():
    # B shares the logit 1, of which it is a hundredth, and the logit 0, of which both are half.
    shared = [(A, "27_0_5", 1.0), (B, "27_0_5", 1.0)]
    trifles = [(B, "27_1_5", 1.0), ("E_0_0", "27_1_5", 99.0)]

    assert compare(*shared, *trifles) == pytest.approx(0.5, abs=1e-3)


def test_edges_between_the_nodes_themselves_are_part_of_their_profiles():
    assert compare((A, C, 1), (B, C, 1), (A, B, 1)) == pytest.approx(0.25 / np.sqrt(1.25), abs=1e-6)


def test_an_error_that_both_read_makes_them_no_more_alike():
    error = make_node("0_9_1") | {"feature_type": "mlp reconstruction error", "feature": -1}

    assert compare(("0_9_1", A, 1), ("0_9_1", B, 1), more=(error,)) == 0.0


def test_links_of_an_id_that_names_two_nodes_count_for_none():
    error = make_node(A) | {"feature_type": "mlp reconstruction error", "feature": -1}

    assert compare((A, "27_0_5", 1), (B, "27_0_5", 1), more=(error,)) == 0.0


def test_a_node_without_edges_is_like_none():
    assert compare(("E_0_0", A, 1), (A, "27_0_5", 1)) == 0.0


@given(
    st.lists(st.tuples(st.sampled_from(["E_0_0", "E_1_1"]), st.sampled_from([A, B, C]), WEIGHTS))
)
def test_similarities_are_symmetric_bounded_and_free_of_scale(links: list[Link]):
    graph = make_graph([make_node(A), make_node(B), make_node(C), *ENDS], links)
    scaled = make_graph(
        [make_node(A), make_node(B), make_node(C), *ENDS],
        [(source, target, weight * 1e6) for source, target, weight in links],
    )

    found = compare_profiles(graph, graph.feature_nodes)

    assert (found == found.T).all()
    assert (np.abs(found) <= 1 + 1e-6).all()
    assert np.allclose(found, compare_profiles(scaled, scaled.feature_nodes), atol=1e-5)
