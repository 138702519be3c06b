import json
from pathlib import Path
from typing import Any

import pytest

from clerp.errors import GraphError, OutputError, UsageError
from clerp.graph import list_viewer_faults, read_graph
from clerp.targets.circuit_tracer import CircuitTracer, prepare_for_circuit_tracer
from clerp.targets.graph_index import check_graph_index, update_graph_index

Document = dict[str, Any]


def read_index(folder: Path) -> list[Document]:
    return json.loads((folder / "graph-metadata.json").read_text())["graphs"]


def prepare(document: Document, name: str = "g.json") -> Document:
    return prepare_for_circuit_tracer(read_graph(document), document, Path(name))


def test_the_slug_is_the_stem_and_missing_settings_are_added(document: Document):
    document["qParams"] = {"clerps": "[]", "pinnedIds": "0_10_1"}
    prepared = prepare(document, "dallas.labeled.json")
    assert prepared["metadata"]["slug"] == "dallas.labeled"
    assert prepared["qParams"] == {
        "pinnedIds": "0_10_1",
        "supernodes": [],
        "linkType": "both",
        "clickedId": "",
        "sg_pos": "",
    }
    assert document["metadata"]["slug"] == "small"
    assert document["qParams"]["clerps"] == "[]"


@pytest.mark.parametrize("missing", [True, False])
def test_viewer_settings_that_are_missing_are_added(document: Document, missing: bool):
    expected = document["qParams"]
    if missing:
        del document["qParams"]
    else:
        document["qParams"] = None
    assert prepare(document)["qParams"] == expected


def test_labels_that_a_person_gave_in_this_frontend_stay(document: Document):
    document["qParams"]["clerps"] = json.dumps([["7", "my own — näme"]])
    kept = prepare(document)["qParams"]["clerps"]
    assert json.loads(kept) == [["7", "my own — näme"]]


@pytest.mark.parametrize("clerps", [[], [["0_7_1", "of one occurrence"]], '[["0_7_1", "x"]]', None])
def test_labels_that_would_stop_this_frontend_go(document: Document, clerps: object):
    document["qParams"]["clerps"] = clerps
    assert "clerps" not in prepare(document)["qParams"]


def test_labels_that_are_neither_form_are_an_error(document: Document):
    document["qParams"]["clerps"] = [["7", 1]]
    with pytest.raises(GraphError, match=r"qParams\.clerps: cannot be read") as raised:
        prepare(document)
    assert raised.value.remedy


def test_pins_of_another_flavour_become_node_ids(document: Document):
    document["qParams"]["pinnedIds"] = ["0_10-0", "1_11_1"]
    assert prepare(document)["qParams"]["pinnedIds"] == ["0_10_1", "1_11_1"]


def test_a_written_graph_is_entered_in_the_index(document: Document, tmp_path: Path):
    graph = read_graph(document)
    CircuitTracer().write(graph, document, tmp_path / "out.json")
    written = json.loads((tmp_path / "out.json").read_text())
    assert written["metadata"]["slug"] == "out"
    assert [entry["slug"] for entry in read_index(tmp_path)] == ["out"]


def test_a_broken_index_is_found_before_the_graph_is_written(document: Document, tmp_path: Path):
    (tmp_path / "graph-metadata.json").write_text("[")
    with pytest.raises(OutputError, match="the list of graphs cannot be read"):
        CircuitTracer().write(read_graph(document), document, tmp_path / "out.json")
    assert not (tmp_path / "out.json").exists()


@pytest.mark.parametrize("name", ["out.json.gz", "out", "out.JSON", "out.csv"])
def test_only_names_that_the_frontend_asks_for_are_taken(name: str):
    with pytest.raises(UsageError, match=r"names end in \.json"):
        CircuitTracer().check_name(Path(name))


@pytest.mark.parametrize("name", ["graph-metadata.json", "Graph-Metadata.json"])
def test_the_list_of_graphs_is_not_overwritten(document: Document, tmp_path: Path, name: str):
    update_graph_index(tmp_path, {"slug": "a"})
    before = read_index(tmp_path)
    with pytest.raises(UsageError, match="name of the list of graphs") as raised:
        CircuitTracer().write(read_graph(document), document, tmp_path / name)
    assert raised.value.remedy
    assert read_index(tmp_path) == before
    assert [path.name for path in tmp_path.iterdir()] == ["graph-metadata.json"]


@pytest.mark.parametrize("name", ["a b.json", "a#b.json", "50%.json", "über.json", "a?.json"])
def test_names_that_its_server_does_not_find_are_refused(name: str):
    with pytest.raises(UsageError, match="finds only files named") as raised:
        CircuitTracer().check_name(Path(name))
    assert "clerp open" in raised.value.remedy


@pytest.mark.parametrize("name", ["a.json", "v1.2_x-y.labeled.json", "0.json"])
def test_names_that_its_server_finds_are_taken(document: Document, tmp_path: Path, name: str):
    CircuitTracer().write(read_graph(document), document, tmp_path / name)
    assert (tmp_path / name).is_file()


def test_the_address_holds_pins_and_supernodes_of_the_output(document: Document):
    document["qParams"] |= {"pinnedIds": ["0_10_1"], "supernodes": [["say & Austin", "0_10_1"]]}
    graph = read_graph(document)
    (note,) = CircuitTracer().list_notes(graph, document, Path("out.json"))
    assert "?slug=out&pinnedIds=0_10_1&supernodes=" in note
    assert "say%20%2526%20Austin" in note


def test_notes_say_what_the_frontend_does_not_show(document: Document):
    document["nodes"][-1]["clerp"] = "Austin"
    fault, _ = CircuitTracer().list_notes(read_graph(document), document, Path("out.json"))
    assert "(p=" in fault


def test_a_graph_that_the_frontend_opens_has_no_faults(document: Document):
    assert list_viewer_faults(document) == ()


def test_what_the_frontend_does_not_open_is_said(document: Document):
    document["nodes"][0]["feature"] = None
    document["nodes"][-1]["clerp"] = "Austin"
    del document["nodes"][1]["influence"]
    faults = list_viewer_faults(document)
    assert [fault for fault in faults if "feature: null" in fault]
    assert [fault for fault in faults if "(p=" in fault]
    assert [fault for fault in faults if "influence" in fault]
    document["metadata"]["prompt_tokens"] = ["<bos>"]
    assert [fault for fault in list_viewer_faults(document) if "one token" in fault]


def test_the_index_gets_new_graphs_at_the_end_and_old_ones_in_place(tmp_path: Path):
    update_graph_index(tmp_path, {"slug": "a", "prompt": "old"})
    update_graph_index(tmp_path, {"slug": "b"})
    update_graph_index(tmp_path, {"slug": "a", "prompt": "new", "clerp": {"features": {}}})
    assert read_index(tmp_path) == [{"slug": "a", "prompt": "new"}, {"slug": "b"}]


@pytest.mark.parametrize("text", ["{", "[]", '{"graphs": {}}', '{"graphs": [{"name": 1}]}', "\xff"])
def test_an_index_that_is_none_is_left_alone(tmp_path: Path, text: str):
    path = tmp_path / "graph-metadata.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(OutputError, match="the list of graphs cannot be read"):
        check_graph_index(tmp_path)
    with pytest.raises(OutputError, match="the list of graphs cannot be read"):
        update_graph_index(tmp_path, {"slug": "a"})
    assert path.read_bytes() == text.encode("latin-1")
