import json

import pytest

from clerp.errors import OutputError
from clerp.graph import (
    check_graph_index,
    list_viewer_faults,
    prepare_for_circuit_tracer,
    update_graph_index,
)


def read_index(folder):
    return json.loads((folder / "graph-metadata.json").read_text())["graphs"]


def test_the_slug_is_the_stem_and_labels_leave_the_viewer_settings(document, tmp_path):
    document["qParams"] = {"clerps": "[]", "pinnedIds": "0_10_1"}
    prepared = prepare_for_circuit_tracer(document, tmp_path / "dallas.labeled.json")
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
def test_viewer_settings_that_are_missing_are_added(document, tmp_path, missing):
    expected = document["qParams"]
    if missing:
        del document["qParams"]
    else:
        document["qParams"] = None
    assert prepare_for_circuit_tracer(document, tmp_path / "g.json")["qParams"] == expected


def test_a_graph_that_the_frontend_opens_has_no_faults(document):
    assert list_viewer_faults(document) == ()


def test_what_the_frontend_does_not_open_is_said(document):
    document["nodes"][0]["feature"] = None
    document["nodes"][-1]["clerp"] = "Austin"
    del document["nodes"][1]["influence"]
    faults = list_viewer_faults(document)
    assert [fault for fault in faults if "feature: null" in fault]
    assert [fault for fault in faults if "(p=" in fault]
    assert [fault for fault in faults if "influence" in fault]


def test_the_index_gets_new_graphs_at_the_end_and_old_ones_in_place(tmp_path):
    update_graph_index(tmp_path, {"slug": "a", "prompt": "old"})
    update_graph_index(tmp_path, {"slug": "b"})
    update_graph_index(tmp_path, {"slug": "a", "prompt": "new", "clerp": {"features": {}}})
    assert read_index(tmp_path) == [{"slug": "a", "prompt": "new"}, {"slug": "b"}]


@pytest.mark.parametrize("text", ["{", "[]", '{"graphs": {}}', '{"graphs": [{"name": 1}]}', "\xff"])
def test_an_index_that_is_none_is_left_alone(tmp_path, text):
    path = tmp_path / "graph-metadata.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(OutputError, match="the list of graphs cannot be read"):
        check_graph_index(tmp_path)
    with pytest.raises(OutputError, match="the list of graphs cannot be read"):
        update_graph_index(tmp_path, {"slug": "a"})
    assert path.read_bytes() == text.encode("latin-1")
