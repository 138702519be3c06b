import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.graph.conftest import build_graph

from clerp.errors import GraphError
from clerp.graph import AttributionGraph, read_graph
from clerp.graph.viewer_settings import MAX_IDS, NamedNodes, read_pins, read_supernodes

IDS = ("0_10_1", "1_11_1", "2_12_1", "E_0_0", "27_0_1")
NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text("ab[]{},:\"'1", max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab", max_size=2), inner),
    max_leaves=6,
)


def read(**settings: object) -> AttributionGraph:
    return read_graph(build_graph() | {"qParams": settings})


@pytest.mark.parametrize("settings", [{}, {"supernodes": None, "pinnedIds": None}])
def test_a_graph_that_nobody_touched_has_neither(settings: dict[str, Any]):
    graph = read(**settings)

    assert read_supernodes(graph) == ()
    assert read_pins(graph) == ()


def test_a_graph_without_settings_has_neither():
    document = build_graph()
    del document["qParams"]

    assert read_supernodes(read_graph(document)) == ()
    assert read_pins(read_graph(document)) == ()


@pytest.mark.parametrize("text", ["", "null", "[]"])
def test_text_for_nothing_is_no_supernodes(text: str):
    assert read_supernodes(read(supernodes=text)) == ()


@given(st.lists(st.tuples(NAMES, st.lists(st.sampled_from(IDS)))))
def test_arrays_and_what_circuit_tracer_saves_say_the_same(groups: list[tuple[str, list[str]]]):
    entries = [[name, *ids] for name, ids in groups]
    expected = tuple(NamedNodes(name, tuple(dict.fromkeys(ids))) for name, ids in groups)

    assert read_supernodes(read(supernodes=entries)) == expected
    assert read_supernodes(read(supernodes=json.dumps(entries))) == expected


@given(st.lists(st.sampled_from(IDS), unique=True))
def test_pins_are_read_from_arrays_and_texts(pins: list[str]):
    assert read_pins(read(pinnedIds=pins)) == tuple(pins)
    assert read_pins(read(pinnedIds=",".join(pins))) == tuple(pins)


def test_a_repeated_pin_is_one():
    assert read_pins(read(pinnedIds="0_10_1,1_11_1,0_10_1,")) == ("0_10_1", "1_11_1")


def test_ids_that_name_no_node_are_kept_and_told():
    graph = read(supernodes=[["cities", "9_9_9", "0_10_1", "gone"]], pinnedIds=["gone", "0_10_1"])

    (cities,) = read_supernodes(graph)
    assert cities.node_ids == ("9_9_9", "0_10_1", "gone")
    assert cities.unknown == ("9_9_9", "gone")
    assert read_pins(graph) == ("gone", "0_10_1")


def test_two_groups_of_one_name_are_two():
    found = read_supernodes(read(supernodes=[["a", "0_10_1"], ["a", "1_11_1"]]))

    assert [group.name for group in found] == ["a", "a"]


def test_members_named_by_js_node_id_are_found():
    document = build_graph()
    for n, node in enumerate(document["nodes"]):
        node["jsNodeId"] = f"js{n}"
    document["qParams"] = {"supernodes": [["a", "js1", "js0"]], "pinnedIds": ["js2"]}
    graph = read_graph(document)

    assert read_supernodes(graph)[0].node_ids == ("1_11_1", "0_10_1")
    assert read_pins(graph) == ("2_12_1",)


def test_a_js_node_id_of_several_nodes_names_none():
    document = build_graph()
    document["nodes"][0]["jsNodeId"] = document["nodes"][1]["jsNodeId"] = "both"
    document["qParams"] = {"supernodes": [["a", "both"]]}

    assert read_supernodes(read_graph(document))[0].unknown == ("both",)


def test_a_node_id_comes_before_the_js_node_id_of_another():
    document = build_graph()
    document["nodes"][0]["jsNodeId"] = "1_11_1"
    document["qParams"] = {"pinnedIds": ["1_11_1"]}

    assert read_pins(read_graph(document)) == ("1_11_1",)


def test_nodes_without_js_node_id_are_named_by_node_id():
    document = build_graph()
    for node in document["nodes"][:1]:
        del node["jsNodeId"]
    document["qParams"] = {"pinnedIds": ["0_10_1"]}

    assert read_pins(read_graph(document)) == ("0_10_1",)


def test_nodes_that_only_attention_reads_are_known():
    document = build_graph()
    extra = document["nodes"][0] | {"node_id": "5_15_1", "jsNodeId": "5_15_1"}
    document["qk_only_nodes"] = {"5_15_1": extra}
    document["qParams"] = {"supernodes": [["a", "5_15_1"]]}

    assert read_supernodes(read_graph(document))[0].unknown == ()


@pytest.mark.parametrize(
    ("supernodes", "place"),
    [
        ("{", "qParams.supernodes"),
        ('[["a"]] more', "qParams.supernodes"),
        ({}, "qParams.supernodes"),
        (5, "qParams.supernodes"),
        ([["a", 5]], r"qParams.supernodes\[0\]\[1\]"),
        ([["a"], []], r"qParams.supernodes\[1\]"),
        ('[[["a"]]]', r"qParams.supernodes\[0\]\[0\]"),
        ("[" * 100_000, r"qParams.supernodes\[0\]\[0\]"),
    ],
)
def test_broken_supernodes_are_refused_by_place(supernodes: object, place: str):
    with pytest.raises(GraphError, match=rf"^small, {place}: cannot be read: .*remove the key$"):
        read_supernodes(read(supernodes=supernodes))


@pytest.mark.parametrize("pins", [{}, 5, ["0_10_1", None]])
def test_broken_pins_are_refused(pins: object):
    with pytest.raises(GraphError, match=r"^small, qParams.pinnedIds.*: cannot be read: Expected"):
        read_pins(read(pinnedIds=pins))


def test_more_ids_than_anybody_gives_are_refused():
    ids = [str(n) for n in range(MAX_IDS + 1)]

    with pytest.raises(GraphError, match="100,001 ids are more than 100,000"):
        read_pins(read(pinnedIds=",".join(ids)))
    with pytest.raises(GraphError, match="100,002 ids are more than 100,000"):
        read_supernodes(read(supernodes=[["a", *ids]]))


def test_ten_thousand_pins_are_read():
    assert len(read_pins(read(pinnedIds=[str(n) for n in range(10_000)]))) == 10_000


@given(JSON_VALUES)
def test_whatever_stands_there_is_read_or_refused(value: object):
    graph = read(supernodes=value, pinnedIds=value)
    for reads in (read_supernodes, read_pins):
        with suppress(GraphError):
            assert isinstance(reads(graph), tuple)


@pytest.mark.skipif("CLERP_TEST_DATA" not in os.environ, reason="needs $CLERP_TEST_DATA")
def test_the_supernodes_of_people_are_read_from_anthropics_files():
    folder = Path(os.environ["CLERP_TEST_DATA"]) / "real-graphs"
    graph = read_graph(folder / "haiku-capital-state-dallas.json")
    known = {node["node_id"] for node in graph.document["nodes"]}

    found = read_supernodes(graph)

    assert {"capital", "say Austin"} < {group.name for group in found}
    assert {node_id for group in found for node_id in group.node_ids} < known
    assert known.issuperset(read_pins(graph))
