import json
import os
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.evaluation.people_grouped import FakeGrouper
from tests.unit.grouped.made import (
    AUSTIN,
    TEXAS,
    build_labelled,
    make_grouped,
    make_grouping,
    make_supernode,
    name_node,
)
from tests.unit.test_viewer_address import HOSTILE, load_decoder

from clerp.errors import UsageError
from clerp.graph import read_graph
from clerp.grouped import Feature, GroupedGraph, group_graph
from clerp.viewer_address import COMMON_LIMIT, SERVER_LIMIT

REAL = Path(os.environ.get("CLERP_TEST_DATA", "/nonexistent")) / "real-graphs"
REAL_GRAPHS = sorted(REAL.glob("*.json"))


def test_features_are_named_as_circuit_tracer_names_them() -> None:
    (found,) = make_grouped(TEXAS).features().values()
    assert found == [(0, 1, 10), (1, 1, 11)]
    assert found[0] == Feature(layer=0, pos=1, feature_idx=10)
    assert repr(found[0]) == "Feature(layer=0, pos=1, feature_idx=10)"


@pytest.mark.parametrize("name", HOSTILE)
def test_circuit_tracer_reads_the_same_features_from_the_address(name: str) -> None:
    grouped = make_grouped(make_supernode(name, 0, 7, origin="person"), AUSTIN)
    groups, pinned = load_decoder()(grouped.address())
    assert groups == grouped.features()
    assert pinned == [feature for found in grouped.features().values() for feature in found]


def test_names_that_people_gave_twice_are_numbered_alike() -> None:
    twice = [make_supernode("same", i, origin="person") for i in (0, 1, 2)]
    grouped = make_grouped(*twice)
    assert list(grouped.features()) == ["same", "same (2)", "same (3)"]
    assert load_decoder()(grouped.address())[0] == grouped.features()


def test_members_that_are_no_features_are_left_out_of_features_alone() -> None:
    mixed = make_supernode("mixed", "E_0_0", 0, "27_0_1", "gone", origin="person")
    empty = make_supernode("only tokens", "E_1_1", origin="person")
    grouped = make_grouped(mixed, empty)
    assert grouped.features() == {"mixed": [(0, 1, 10)]}
    assert grouped.document["qParams"]["supernodes"][0][1:] == list(mixed.node_ids)
    assert "E_0_0" in grouped.address()
    (note,) = grouped.notes
    assert "decode_url_features stops" in note
    assert "'E_0_0'" in note


@pytest.mark.parametrize("path", REAL_GRAPHS, ids=lambda path: path.stem)
def test_features_of_real_graphs_agree_with_what_circuit_tracer_reads(path: Path) -> None:
    graph = read_graph(path)
    ids = [node.node_id for node in graph.feature_nodes[::17]]
    grouped = GroupedGraph(graph, make_grouping(make_supernode("some", *ids)))
    assert load_decoder()(grouped.address())[0] == grouped.features()
    assert len(grouped.features()["some"]) == len(ids)


def test_the_address_names_the_graph_or_the_file_it_was_written_to() -> None:
    grouped = make_grouped(TEXAS)
    addresses = (grouped.address(), grouped.address("http://127.0.0.1:1/", "other #1"))
    read = [dict(parse_qsl(urlsplit(address).query)) for address in addresses]
    assert [unquote(parameters["slug"]) for parameters in read] == ["small", "other #1"]
    assert addresses[1].startswith("http://127.0.0.1:1/?slug=")


def test_records_say_what_every_member_is() -> None:
    grouped = make_grouped(make_supernode("mixed", 2, "E_0_0", origin="person"), AUSTIN)
    records = grouped.to_records()
    assert records[0] == {
        "name": "mixed",
        "node_id": "2_12_1",
        "layer": 2,
        "index": 12,
        "position": 1,
        "label": "label 2",
        "reason": "why 2_12_1",
    }
    assert (records[1]["node_id"], records[1]["layer"], records[1]["label"]) == ("E_0_0", None, "")
    assert len(records) == 5


def test_the_payload_has_what_neuronpedia_saves_as_a_subgraph() -> None:
    grouped = make_grouped(TEXAS)
    payload = grouped.subgraph("gemma-2-2b")
    assert (payload["modelId"], payload["slug"]) == ("gemma-2-2b", "small")
    assert payload["supernodes"] == [["Texas", "0_10_1", "1_11_1"]]
    assert payload["pinnedIds"] == ["0_10_1", "1_11_1"]
    assert ["0_7_1", "label 0"] in payload["clerps"]
    assert payload["pruningThreshold"] is payload["densityThreshold"] is None
    assert all(isinstance(part, str) for entry in payload["clerps"] for part in entry)
    assert json.loads(json.dumps(payload)) == payload


def test_a_subgraph_of_a_model_that_nobody_names_is_refused() -> None:
    with pytest.raises(UsageError, match="no model that Neuronpedia"):
        make_grouped(TEXAS).subgraph()


def test_a_notebook_sees_the_groups_escaped() -> None:
    hostile = make_supernode("<b>&", 0, 1, origin="person", warnings=("<i>",))
    shown = make_grouped(hostile, AUSTIN)._repr_html_()
    assert "&lt;b&gt;&amp;" in shown
    assert "&lt;i&gt;" in shown
    assert "<b>" not in shown
    assert "label 3 · label 4 · label 5" in shown


def test_it_is_a_collection_of_its_supernodes() -> None:
    grouped = make_grouped(TEXAS, AUSTIN)
    assert (len(grouped), list(grouped)) == (2, [TEXAS, AUSTIN])


def test_a_written_graph_has_the_document(tmp_path: Path) -> None:
    grouped = make_grouped(TEXAS)
    grouped.write(tmp_path / "grouped.json")
    assert json.loads((tmp_path / "grouped.json").read_text()) == grouped.document
    assert not (tmp_path / "graph-metadata.json").exists()


def test_a_target_has_its_say(tmp_path: Path) -> None:
    make_grouped(TEXAS).write(tmp_path / "grouped.json", target="circuit-tracer")
    written = json.loads((tmp_path / "grouped.json").read_text())
    assert written["metadata"]["slug"] == "grouped"
    assert written["qParams"]["supernodes"] == [["Texas", "0_10_1", "1_11_1"]]
    with pytest.raises(UsageError, match="no target"):
        make_grouped(TEXAS).write(tmp_path / "x.json", target="nowhere")


def test_members_that_are_not_pinned_are_told_of() -> None:
    graph = read_graph(build_labelled())
    grouped = GroupedGraph(graph, make_grouping(TEXAS, AUSTIN, pins=TEXAS.node_ids))
    assert grouped.notes[0].startswith("3 of 5 members are not pinned")


def test_nodes_that_were_too_many_to_compare_are_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = read_graph(build_labelled())
    grouper = FakeGrouper({"Texas": (0, 1)})
    assert group_graph(graph, grouper).notes == ()
    monkeypatch.setattr("clerp.grouping.candidates.MAX_NODES", 5)
    assert group_graph(graph, grouper).notes == (
        "3 feature nodes were compared with no other: not among the 3,000 nodes of most influence",
    )


@pytest.mark.parametrize(
    ("n_chars", "said"),
    [(7_000, None), (COMMON_LIMIT, "clerp open"), (SERVER_LIMIT, "neuronpedia")],
)
def test_an_address_that_is_too_long_is_told_of(n_chars: int, said: str | None) -> None:
    grouped = make_grouped(make_supernode("x" * n_chars, 0, 1, origin="person"))
    assert len(grouped.address()) > n_chars
    assert [said in note for note in grouped.notes if said] == ([True] if said else [])
    assert len(grouped.notes) == (said is not None)


def test_grouping_keeps_people_s_groups_and_proposes_others() -> None:
    document = build_labelled()
    document["qParams"] |= {"supernodes": [["theirs", name_node(6), name_node(7)]]}
    grouped = group_graph(read_graph(document), FakeGrouper({"Texas": (0, 1)}))
    assert [(group.name, group.origin) for group in grouped] == [
        ("theirs", "person"),
        ("Texas", "clerp"),
    ]
    again = group_graph(read_graph(grouped.document), FakeGrouper({"other": (2, 3)}))
    assert [group.name for group in again] == ["theirs", "other"]


@given(st.permutations(range(8)), st.integers(2, 6))
def test_grouping_twice_is_grouping_once(order: list[int], n: int) -> None:
    grouper = FakeGrouper({"Texas": order[:n]})
    once = group_graph(read_graph(build_labelled()), grouper).document
    assert group_graph(read_graph(once), grouper).document == once
