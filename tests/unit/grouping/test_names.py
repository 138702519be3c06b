import json
from typing import Any

import pytest
from tests.unit.grouping.planted_circuit import make_graph, make_node

from clerp.errors import GraphError
from clerp.feature import FeatureId
from clerp.graph import AttributionGraph, read_graph
from clerp.grouping import Named, read_names

FEATURE = FeatureId(1, 7)


def read(*nodes: dict[str, Any]) -> Named:
    return read_names(make_graph(nodes))[FEATURE]


def node(label: str, position: int = 0, **more: object) -> dict[str, Any]:
    return make_node(f"1_7_{position}", label, **more)


@pytest.mark.parametrize("status", ["labeled", "reviewed"])
def test_clerps_own_label_is_read_with_its_role(status: str):
    document_node = node("Texas", clerp_role="input", clerp_status=status)

    assert read(document_node) == Named("Texas", "input")


@pytest.mark.parametrize("status", ["needs_review", "abstained", "failed"])
def test_a_hint_is_no_label(status: str):
    record = {"schema_version": 1, "features": {"1_7": {"clerp": "? Texas | of"}}}
    graph = make_graph([node("? Texas | of", clerp_role="cross", clerp_status=status)])
    document = graph.document | {"metadata": {**graph.document["metadata"], "clerp": record}}

    assert read_names(read_graph(document))[FEATURE] == Named("", "cross")


def test_a_label_of_another_keeps_its_wording_and_tells_the_role():
    said = node("say Austin", clerp_role="input", clerp_status="kept")
    bare = node("Austin", clerp_role="input", clerp_status="kept")

    assert read(said) == Named("say Austin", "output")
    assert read(bare) == Named("Austin", "input")


def test_styles_and_prefixes_are_no_part_of_a_label():
    assert read(node("(say Austin)")).text == "say Austin"
    assert read(node("[supernode] Texas")).text == "Texas"


def test_a_placeholder_is_no_label():
    assert read(node("F1234")) == Named("", "")


def test_without_roles_the_wording_tells():
    names = read_names(
        make_graph([node("say Austin"), make_node("2_1_0", "Austin"), make_node("2_2_0")])
    )

    assert names[FEATURE].role == "output"
    assert names[FeatureId(2, 1)].role == "input"
    assert names[FeatureId(2, 2)].role == ""


def test_where_nobody_labels_outputs_as_such_a_bare_word_tells_no_role():
    assert read(node("Austin")) == Named("Austin", "")


@pytest.mark.parametrize("order", [1, -1])
def test_a_feature_goes_by_the_label_on_most_of_its_nodes(order: int):
    nodes = [node("Texas", 0), node("Dallas", 1), node("Texas", 2), node("", 3)]

    assert read(*nodes[::order]).text == "Texas"
    assert read(*nodes[:2][::order]).text == "Dallas"


def test_a_role_that_is_no_text_is_none():
    assert read(node("Texas", clerp_role=["input"])) == Named("Texas", "")


def test_nodes_that_only_attention_reads_are_named():
    graph = make_graph([make_node("2_1_0", "Austin")])
    document = graph.document | {"qk_only_nodes": {"1_7_0": node("Texas")}}
    assert read_names(read_graph(document))[FEATURE].text == "Texas"


def give_labels(clerps: object, *nodes: dict[str, Any]) -> AttributionGraph:
    return read_graph(make_graph(nodes).document | {"qParams": {"clerps": clerps}})


@pytest.mark.parametrize(
    "clerps", [json.dumps([["7", "say Austin"]]), [["1_7_0", "say Austin"]]], ids=["save", "array"]
)
@pytest.mark.parametrize("status", ["labeled", "kept", "needs_review"])
def test_a_label_given_in_a_frontend_comes_first(clerps: object, status: str):
    written = {**node("Texas", clerp_role="input", clerp_status=status), "feature": 7}

    assert read_names(give_labels(clerps, written))[FEATURE] == Named("say Austin", "output")


def test_an_occurrence_that_a_person_named_outvotes_no_two_others():
    nodes = [{**node("Texas", place), "feature": 7} for place in range(3)]

    assert read_names(give_labels([["1_7_0", "Austin"]], *nodes))[FEATURE].text == "Texas"
    assert read_names(give_labels('[["7", "Austin"]]', *nodes))[FEATURE].text == "Austin"


def test_given_labels_that_cannot_be_read_are_refused():
    with pytest.raises(GraphError, match=r"qParams\.clerps"):
        read_names(give_labels("[[", node("Texas")))
