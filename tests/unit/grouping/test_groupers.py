import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.grouping.planted_circuit import (
    OUTPUTS,
    make_graph,
    make_logit,
    make_node,
    make_token,
    plant_circuit,
)

from clerp.errors import PluginError, UsageError
from clerp.feature import FeatureId
from clerp.graph import AttributionGraph, read_graph
from clerp.grouping import Named, read_names
from clerp.grouping.edge_profiles import EdgeGrouper
from clerp.grouping.equal_names import NameGrouper
from clerp.grouping.semantic import SemanticGrouper
from clerp.testing import check_grouper

GROUPERS = [NameGrouper(), EdgeGrouper(), SemanticGrouper()]
each_grouper = pytest.mark.parametrize("grouper", GROUPERS, ids=lambda grouper: grouper.name)


def group(grouper: Any, graph: AttributionGraph) -> dict[str, frozenset[str]]:
    groups = grouper.group(graph, read_names(graph))
    return {each.name: frozenset(each.node_ids) for each in groups}


def partition(grouper: Any, graph: AttributionGraph) -> set[frozenset[str]]:
    return {frozenset(g.node_ids) for g in grouper.group(graph, read_names(graph))}


@each_grouper
def test_every_grouper_keeps_the_contract(grouper: object):
    check_grouper(grouper, plant_circuit().read())


@each_grouper
@pytest.mark.parametrize("seed", range(3))
def test_planted_groups_are_found(grouper: object, seed: int):
    planted = plant_circuit(seed)

    found = {members - planted.strays for members in partition(grouper, planted.read())}

    assert found - {frozenset()} == set(planted.groups.values())


@pytest.mark.parametrize("grouper", [NameGrouper(), SemanticGrouper()], ids=["name", "semantic"])
def test_groups_are_named_by_their_labels(grouper: object):
    planted = plant_circuit()

    assert group(grouper, planted.read()) == planted.groups


@pytest.mark.parametrize("seed", range(3))
def test_unlabelled_nodes_join_the_group_that_they_are_wired_like(seed: int):
    planted = plant_circuit(seed, size=6, unlabelled=0.4)

    assert group(SemanticGrouper(), planted.read()) == planted.groups


def test_unlabelled_nodes_elsewhere_in_the_prompt_join_no_group():
    planted = plant_circuit(size=6)
    moved = planted.document["nodes"][3]
    moved |= {"ctx_idx": 5, "clerp": ""}

    found = group(SemanticGrouper(), read_graph(planted.document))

    assert found["Texas"] == planted.groups["Texas"] - {moved["node_id"]}


@each_grouper
@settings(max_examples=20)
@given(st.randoms(use_true_random=False), st.integers(0, 5))
def test_the_order_of_the_file_changes_nothing(grouper: Any, order: random.Random, seed: int):
    document = plant_circuit(seed, unlabelled=0.3).document
    expected = group(grouper, read_graph(document))

    order.shuffle(document["nodes"])
    order.shuffle(document["links"])

    assert group(grouper, read_graph(document)) == expected


@each_grouper
@settings(max_examples=20)
@given(st.integers(0, 50), st.floats(0, 1))
def test_outputs_are_never_with_inputs(grouper: Any, seed: int, unlabelled: float):
    planted = plant_circuit(seed, unlabelled=unlabelled)
    graph = planted.read()
    names = read_names(graph)
    said = {n.node_id for n in graph.feature_nodes if names[n.feature].text in OUTPUTS}
    read = {n.node_id for n in graph.feature_nodes if names[n.feature].role == "input"}

    for found in partition(grouper, graph):
        assert not (found & said and found & read)


@each_grouper
@pytest.mark.parametrize("links", [[], [("1_1_0", "2_2_0", 0.0)]], ids=["no links", "no weight"])
def test_a_graph_without_edges_is_grouped_by_labels_or_not_at_all(grouper: Any, links: Any):
    graph = make_graph([make_node("1_1_0", "Texas"), make_node("2_2_0", "texas")], links)

    assert partition(grouper, graph) <= {frozenset({"1_1_0", "2_2_0"})}


@each_grouper
def test_one_node_makes_no_group(grouper: Any):
    assert group(grouper, make_graph([make_node("1_1_0", "Texas")])) == {}


@each_grouper
def test_nodes_without_names_are_no_error(grouper: Any):
    graph = plant_circuit().read()

    assert all(len(found.members) > 1 for found in grouper.group(graph, {}))


@each_grouper
def test_artefacts_are_in_no_group(grouper: Any):
    planted = plant_circuit()
    for node in planted.document["nodes"]:
        if node["node_id"] in planted.groups["Texas"]:
            node |= {"clerp_role": "artefact", "clerp_status": "abstained"}

    assert not planted.groups["Texas"] & frozenset().union(
        *partition(grouper, read_graph(planted.document))
    )


@each_grouper
def test_names_with_what_frontends_interpret_are_grouped(grouper: Any):
    planted = plant_circuit()
    for node in planted.document["nodes"]:
        if node["node_id"] in planted.groups["Texas"]:
            node["clerp"] = 'Tex & as # 100% <b> + "😀"\n'

    assert planted.groups["Texas"] in partition(grouper, read_graph(planted.document))


def test_equal_names_ignore_case_and_composition():
    graph = make_graph([make_node("1_1_0", "Café"), make_node("2_2_4", "cafe\u0301")])

    assert set(group(NameGrouper(), graph).values()) == {frozenset({"1_1_0", "2_2_4"})}


def test_equal_names_of_another_role_are_another_group():
    roles = ("input", "input", "output", "output")
    nodes = [make_node(f"{i}_{i}_0", "Texas", clerp_role=role) for i, role in enumerate(roles)]

    found = partition(NameGrouper(), make_graph(nodes))

    assert found == {frozenset({"0_0_0", "1_1_0"}), frozenset({"2_2_0", "3_3_0"})}


@pytest.mark.parametrize("label", ["of", "the", "comma", "is / was", "say the", "words"])
@pytest.mark.parametrize("grouper", [NameGrouper(), SemanticGrouper()], ids=["name", "semantic"])
def test_a_function_word_makes_no_group_by_its_name_alone(grouper: Any, label: str):
    graph = make_graph([make_node("1_1_0", label), make_node("2_2_0", label)])

    assert group(grouper, graph) == {}


def two_nodes(
    first: str, second: str, *, edges: float = 1.0, position: int = 1
) -> AttributionGraph:
    """Two nodes, the second of which reads what the first does as far as `edges` says."""
    other = (1 - edges**2) ** 0.5
    links = [
        ("E_0_0", "1_1_1", 1.0),
        ("E_0_0", f"2_2_{position}", edges),
        ("E_1_1", f"2_2_{position}", other),
        ("1_1_1", "27_0_5", 1.0),
        (f"2_2_{position}", "27_0_5", edges),
        (f"2_2_{position}", "27_1_5", other),
    ]
    nodes = [make_node("1_1_1", first), make_node(f"2_2_{position}", second)]
    ends = [make_token(0), make_token(1), make_logit(0), make_logit(1)]
    return make_graph([*nodes, *ends], [link for link in links if link[2]])


def is_one_group(graph: AttributionGraph) -> bool:
    return len(group(SemanticGrouper(), graph)) == 1


def test_function_words_at_one_position_make_a_group_when_they_are_wired_alike():
    assert is_one_group(two_nodes("of", "of", edges=1.0))
    assert not is_one_group(two_nodes("of", "of", edges=0.1))
    assert not is_one_group(two_nodes("of", "to", edges=1.0))
    assert not is_one_group(two_nodes("of", "of", edges=1.0, position=2))


@pytest.mark.parametrize(
    ("first", "second"),
    [("Texas", "texas"), ("state", "states"), ("capital of", "capital"), ("city", "cities")],
)
def test_forms_of_one_word_are_one_group_whatever_their_edges(first: str, second: str):
    assert is_one_group(two_nodes(first, second, edges=0.0))
    assert is_one_group(two_nodes(first, second, edges=0.0, position=2))


def test_equal_labels_with_opposed_edges_are_no_group():
    assert not is_one_group(two_nodes("Texas", "Texas", edges=-1.0))


@pytest.mark.parametrize(
    ("first", "second"), [("small", "tiny"), ("Texas", "Texas cities"), ("Texas", "laws of Texas")]
)
def test_labels_of_like_meaning_are_a_group_when_they_are_wired_alike(first: str, second: str):
    assert is_one_group(two_nodes(first, second, edges=1.0))
    assert not is_one_group(two_nodes(first, second, edges=-1.0))


@pytest.mark.parametrize("edges", [1.0, 0.5, 0.0])
def test_labels_of_other_meaning_are_no_group_whatever_their_edges(edges: float):
    assert not is_one_group(two_nodes("Texas", "piano", edges=edges))


def test_equal_labels_far_apart_are_a_group_only_when_they_are_wired_alike():
    assert is_one_group(two_nodes("Texas", "Texas", edges=1.0, position=4))
    assert not is_one_group(two_nodes("Texas", "Texas", edges=0.1, position=4))


def test_a_label_and_what_says_it_are_no_group():
    assert not is_one_group(two_nodes("Austin", "say Austin"))
    assert not is_one_group(two_nodes("avoid Austin", "say Austin"))


def join(edges: float, role: str = "") -> dict[str, frozenset[str]]:
    """Group two nodes of one label and an unlabelled one that reads a part of what they do."""
    nodes = [make_node("1_1_1", "Texas"), make_node("2_2_1", "Texas"), make_node("3_3_1")]
    links = [(token, node["node_id"], 1.0) for token in ("E_0_0",) for node in nodes]
    links += [(node["node_id"], "27_0_5", 1.0) for node in nodes[:2]]
    links += [("3_3_1", "27_0_5", edges), ("3_3_1", "27_1_5", (1 - edges**2) ** 0.5)]
    ends = [make_token(0), make_logit(0), make_logit(1)]
    graph = make_graph([*nodes, *ends], [link for link in links if link[2]])
    names = read_names(graph) | {FeatureId(3, 3): Named("", role)}
    groups = SemanticGrouper().group(graph, names)
    return {found.name: frozenset(found.node_ids) for found in groups}


def test_an_unlabelled_node_joins_the_group_that_it_is_wired_like():
    assert join(edges=1.0) == {"Texas": frozenset({"1_1_1", "2_2_1", "3_3_1"})}
    assert join(edges=-1.0) == {"Texas": frozenset({"1_1_1", "2_2_1"})}


def test_an_unlabelled_node_makes_no_group_with_a_lone_one():
    assert not is_one_group(two_nodes("Texas", ""))
    assert not is_one_group(two_nodes("", ""))


def test_a_role_keeps_an_unlabelled_node_out():
    nodes = [make_node("1_1_1", "say Texas"), make_node("2_2_1", "say Texas"), make_node("3_3_1")]
    graph = make_graph([*nodes, make_token(0)], [("E_0_0", node["node_id"], 1.0) for node in nodes])
    alike = read_names(graph)
    for role, joins in (("", True), ("output", True), ("input", False)):
        (found,) = SemanticGrouper().group(graph, {**alike, FeatureId(3, 3): Named("", role)})
        assert ("3_3_1" in found.node_ids) == joins


def test_a_group_is_named_by_the_label_nearest_to_all():
    labels = ("laws of Texas", "Texas", "Texas cities", "Texas history")
    nodes = [make_node(f"{i}_{i}_1", label) for i, label in enumerate(labels)]
    links = [("E_0_0", node["node_id"], 1.0) for node in nodes]
    graph = make_graph([*nodes, make_token(0)], links)

    assert list(group(SemanticGrouper(), graph)) == ["Texas"]


def test_a_group_without_labels_is_named_by_its_token():
    planted = plant_circuit()
    for node in planted.document["nodes"]:
        if node["feature_type"] == "cross layer transcoder":
            node["clerp"] = ""

    found = group(EdgeGrouper(), read_graph(planted.document))

    assert "near Dallas" in found


def test_every_member_says_why():
    planted = plant_circuit(unlabelled=0.5)

    for grouper in GROUPERS:
        for found in grouper.group(planted.read(), read_names(planted.read())):
            assert all(member.reason for member in found.members)
            assert found.origin == "clerp"


def test_another_embedder_is_named():
    assert SemanticGrouper("wordllama").name == "semantic:wordllama"
    with pytest.raises(PluginError, match="there is no embedder 'none-such'"):
        SemanticGrouper("none-such")


@pytest.mark.parametrize("grouper", [NameGrouper, EdgeGrouper])
def test_an_argument_that_means_nothing_is_refused(grouper: Any):
    with pytest.raises(UsageError, match="takes no argument, not 'x'"):
        grouper("x")


def test_only_the_most_influential_of_very_many_nodes_are_compared(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr("clerp.grouping.candidates.MAX_NODES", 3)
    nodes = [
        make_node(f"1_{i}_0", "Texas", influence=value)
        for i, value in enumerate((0.2, 0.9, 0.5, 1.0))
    ]

    assert partition(NameGrouper(), make_graph(nodes)) == {frozenset({"1_0_0", "1_1_0", "1_2_0"})}


def test_similarities_are_numbers_whatever_the_weights():
    graph = make_graph(
        [make_node("1_1_0", "Texas"), make_node("2_2_0", "Texas"), make_logit(0)],
        [("1_1_0", "27_0_5", 1.7e308), ("2_2_0", "27_0_5", 1.7e308), ("1_1_0", "2_2_0", 5e-324)],
    )

    with np.errstate(all="raise", under="ignore"):
        assert len(partition(SemanticGrouper(), graph)) == 1
