import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.graph.conftest import build_graph
from tests.unit.targets.conftest import JSON, annotate_graph

from clerp.errors import GraphError, OutputError, UsageError
from clerp.graph import AttributionGraph, read_graph
from clerp.targets.neuronpedia import Neuronpedia, name_model, prepare_for_neuronpedia
from clerp.targets.upload_rules import list_upload_faults

Document = dict[str, Any]
Label = Callable[[Document], tuple[AttributionGraph, Document]]

DATA = Path(os.environ.get("CLERP_TEST_DATA", "/nonexistent")) / "real-graphs"
BUNDLED = Path(__file__).parents[3] / "graphs" / "smollm2-135m"
GRAPHS = {
    **dict.fromkeys(sorted(BUNDLED.glob("*-*-*.json")), "smollm2-135m"),
    **dict.fromkeys(sorted(DATA.glob("*.json")), "a-model"),
}
KNOWN = {"gemma-2-2b-clt-ice", "gemma-2-2b-clt-meow", "gemma-2-2b-plt-dollar"}
MODEL = "gemma-2-2b"


def prepare(given: tuple[AttributionGraph, Document]) -> Document:
    return prepare_for_neuronpedia(*given, MODEL)


def test_every_label_is_listed_by_occurrence_and_stands_on_its_node(
    label_graph: Label, document: Document
):
    prepared = prepare(label_graph(document))
    assert prepared["qParams"]["clerps"] == [["0_7_1", "Texas"], ["1_7_1", "say Austin"]]
    assert [node["clerp"] for node in prepared["nodes"][:3]] == ["Texas", "say Austin", ""]


def test_the_scan_is_the_model_and_the_set_is_kept(label_graph: Label, document: Document):
    metadata = prepare(label_graph(document))["metadata"]
    assert metadata["scan"] == MODEL
    assert metadata["info"] == {"transcoder_set": "owner/transcoders"}


def test_the_features_of_an_output_are_still_those_of_the_input(
    label_graph: Label, document: Document
):
    graph, labelled = label_graph(document)
    again = read_graph(prepare((graph, labelled)))
    assert again.transcoder_identity == graph.transcoder_identity
    assert name_model(again) == MODEL


def test_a_graph_of_an_unknown_model_is_found_before_it_is_labelled(document: Document):
    graph = read_graph(document)
    with pytest.raises(UsageError, match="no model that Neuronpedia is known to have") as raised:
        Neuronpedia().check_graph(graph)
    assert "--target neuronpedia:" in raised.value.remedy
    Neuronpedia(MODEL).check_graph(graph)


def test_an_output_written_again_is_the_same(label_graph: Label, document: Document):
    first = prepare(label_graph(document))
    graph = read_graph(first)
    second = prepare_for_neuronpedia(graph, graph.document, name_model(graph))
    assert json.dumps(second) == json.dumps(first)


def test_a_label_that_changed_takes_the_place_of_clerps_own(label_graph: Label, document: Document):
    graph = read_graph(prepare(label_graph(document)))
    changed = annotate_graph(graph, ("Dallas", "say Austin", "new"))
    clerps = prepare_for_neuronpedia(graph, changed, MODEL)["qParams"]["clerps"]
    assert clerps == [["0_7_1", "Dallas"], ["1_7_1", "say Austin"], ["2_7_1", "new"]]


def test_what_people_wrote_on_the_page_is_kept(label_graph: Label, document: Document):
    document["qParams"]["clerps"] = [["0_7_1", "mine"], ["2_7_1", "mine, too"], ["9_9_9", "gone"]]
    assert prepare(label_graph(document))["qParams"]["clerps"] == [
        ["0_7_1", "mine"],
        ["1_7_1", "say Austin"],
        ["2_7_1", "mine, too"],
        ["9_9_9", "gone"],
    ]


def test_what_people_saved_in_the_other_frontend_is_of_all_occurrences(
    label_graph: Label, document: Document
):
    document["qParams"]["clerps"] = '[["7", "mine"]]'
    assert prepare(label_graph(document))["qParams"]["clerps"] == [
        [f"{layer}_7_1", "mine"] for layer in range(3)
    ]


def test_settings_become_arrays_and_nulls_go(label_graph: Label, document: Document):
    document["qParams"] = {
        "pinnedIds": "0_10_1,1_11_1",
        "supernodes": '[["group", "0_10_1", "1_11-0"]]',
        "linkType": None,
        "clickedId": "0_10_1",
        "clerps": None,
    }
    settings = prepare(label_graph(document))["qParams"]
    assert settings.pop("clerps")
    assert settings == {
        "pinnedIds": ["0_10_1", "1_11_1"],
        "supernodes": [["group", "0_10_1", "1_11_1"]],
        "clickedId": "0_10_1",
    }


def test_values_that_are_refused_are_corrected(label_graph: Label, document: Document):
    document["metadata"] |= {"node_threshold": None, "slug": "über alles (2)"}
    document["nodes"][3]["clerp"] = None
    prepared = prepare(label_graph(document))
    assert "node_threshold" not in prepared["metadata"]
    assert prepared["metadata"]["slug"] == "-ber-alles-2-"
    assert prepared["nodes"][3]["clerp"] == ""
    assert list(list_upload_faults(prepared, 2_000)) == []


def test_nothing_else_changes(label_graph: Label, document: Document):
    graph, labelled = label_graph(document)
    before = json.dumps(labelled)
    prepared = prepare((graph, labelled))
    assert json.dumps(labelled) == before
    assert prepared["nodes"] == labelled["nodes"]
    assert prepared["links"] == labelled["links"]
    assert list(prepared) == list(labelled)
    changed = {
        k for k in prepared["metadata"] if prepared["metadata"][k] != labelled["metadata"].get(k)
    }
    assert changed == {"scan", "info"}


def test_labels_of_features_that_the_page_cannot_tell_apart_are_left_to_the_nodes(
    label_graph: Label, document: Document
):
    document["nodes"][1] |= {"layer": "0"}
    graph, labelled = label_graph(document)
    assert prepare((graph, labelled))["qParams"]["clerps"] == []
    (note,) = Neuronpedia().list_notes(graph, labelled, Path("out.json"))
    assert note.startswith("2 labels are left to the nodes")


def test_an_address_that_gets_too_long_is_noted(label_graph: Label, document: Document):
    graph, labelled = label_graph(document)
    assert Neuronpedia().list_notes(graph, labelled, Path("out.json")) == ()
    labelled["nodes"][0] = labelled["nodes"][0] | {"clerp": "x" * 9_000}
    (note,) = Neuronpedia().list_notes(graph, labelled, Path("out.json"))
    assert "share the address without what follows the slug" in note


def test_a_logit_text_that_stops_the_page_is_noted(label_graph: Label, document: Document):
    document["nodes"][-1]["clerp"] = "Austin"
    (note,) = Neuronpedia().list_notes(*label_graph(document), Path("out.json"))
    assert "(p=" in note


@pytest.mark.parametrize(
    ("metadata", "model"),
    [
        ({"scan": "mntss/clt-gemma-2-2b-2.5M"}, "gemma-2-2b"),
        ({"scan": "mntss/clt-gemma-2-2b-2.5M@v1"}, "gemma-2-2b"),
        ({"scan": "gemma"}, "gemma-2-2b"),
        ({"scan": "mwhanna/qwen3-4b-transcoders"}, "qwen3-4b"),
        ({"scan": "gemma-2-2b", "schema_version": None}, "gemma-2-2b"),
        ({"scan": "qwen3-1.7b", "info": {}}, "qwen3-1.7b"),
        ({"scan": "x/y", "info": {"transcoder_set": "mwhanna/qwen3-8b-transcoders"}}, "qwen3-8b"),
    ],
)
def test_the_model_is_what_the_graph_or_the_table_says(
    document: Document, metadata: Document, model: str
):
    document["metadata"] |= metadata
    assert name_model(read_graph(document)) == model


@pytest.mark.parametrize(
    "scan",
    ["owner/set", "custom-123", "llama", "llama-3-131k-relu", "smollm2-135m-clt", "./local", ""],
)
def test_a_model_that_nobody_names_is_asked_for(document: Document, scan: str, tmp_path: Path):
    document["metadata"] |= {"scan": scan, "schema_version": None}
    graph = read_graph(document)
    with pytest.raises(UsageError, match="of no model that Neuronpedia") as raised:
        Neuronpedia().write(graph, document, tmp_path / "out.json")
    assert "neuronpedia:gemma-2-2b" in raised.value.remedy
    assert list(tmp_path.iterdir()) == []
    Neuronpedia("llama3.1-8b").write(graph, document, tmp_path / "out.json")
    assert json.loads((tmp_path / "out.json").read_text())["metadata"]["scan"] == "llama3.1-8b"


@pytest.mark.parametrize("model", ["a/b", "a b", "mödel", "a:b"])
def test_a_model_that_can_be_none_is_refused(model: str):
    with pytest.raises(UsageError, match="is no id of a model"):
        Neuronpedia(model)


@pytest.mark.parametrize("name", ["out.json.gz", "out.csv", "out"])
def test_only_names_that_the_upload_takes_are_taken(name: str):
    with pytest.raises(UsageError, match=r"names end in \.json"):
        Neuronpedia().check_name(Path(name))


def test_what_would_be_refused_is_not_written(document: Document, tmp_path: Path):
    document["metadata"]["node_threshold"] = "0.8"
    for node in document["nodes"]:
        del node["jsNodeId"]
    with pytest.raises(OutputError, match="Neuronpedia would refuse it") as raised:
        Neuronpedia(MODEL).write(read_graph(document), document, tmp_path / "out.json")
    assert "metadata.node_threshold: expected a number" in raised.value.what
    assert "nodes[0].jsNodeId: missing" in raised.value.what
    assert raised.value.what.endswith("and more")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("key", ["clerps", "supernodes", "pinnedIds"])
def test_settings_that_cannot_be_read_are_an_error(document: Document, key: str):
    document["qParams"][key] = 7
    graph = read_graph(document)
    with pytest.raises(GraphError, match=f"qParams.{key}"):
        prepare_for_neuronpedia(graph, document, MODEL)


@pytest.mark.skipif(not DATA.is_dir(), reason="CLERP_TEST_DATA is not set")
@pytest.mark.parametrize("path", GRAPHS, ids=lambda path: path.stem)
def test_labelled_graphs_of_every_flavour_are_taken(path: Path, tmp_path: Path):
    graph = read_graph(path)
    labelled = annotate_graph(graph, tuple(f"name {i}" for i in range(len(graph.feature_nodes))))
    target = Neuronpedia("" if path.stem in KNOWN else GRAPHS[path])
    target.write(graph, labelled, tmp_path / "out.json")
    content = (tmp_path / "out.json").read_bytes()
    written = json.loads(content)
    assert list(list_upload_faults(written, len(content))) == []
    assert len(written["qParams"]["clerps"]) == len(graph.feature_nodes)
    ids = {f"{n['layer']}_{n['feature']}_{n['ctx_idx']}" for n in written["nodes"]}
    assert {key for key, _ in written["qParams"]["clerps"]} <= ids


def make_crm() -> Document:
    """A graph as Neuronpedia's CRM engine writes it, with a node that only its QK view shows."""
    document = build_graph()
    document["metadata"]["scan"] = "qwen3-1.7b"
    document["links"] = []
    for i, node in enumerate(document["nodes"][:3]):
        node |= {"node_id": f"{i}_cro_{10 + i}_1", "layer": i, "feature": 10 + i, "clerp": "F7"}
        node["jsNodeId"] = node["node_id"]
    attention = {"node_id": "1_lor_5_1", "feature_type": "lorsa", "feature": 5, "clerp": None}
    document["qk_only_nodes"] = {"1_lor_5_1": document["nodes"][1] | attention}
    return document


def test_nodes_of_the_qk_view_are_labelled_and_corrected_too():
    graph = read_graph(make_crm())
    prepared = prepare_for_neuronpedia(graph, graph.document, name_model(graph))
    assert prepared["metadata"]["scan"] == "qwen3-1.7b"
    assert prepared["qk_only_nodes"]["1_lor_5_1"]["clerp"] == ""
    assert prepared["qParams"]["clerps"] == []
    labelled = annotate_graph(graph, ("a", "b", "c", "d"))
    clerps = prepare_for_neuronpedia(graph, labelled, name_model(graph))["qParams"]["clerps"]
    assert clerps == [["0_10_1", "a"], ["1_11_1", "b"], ["2_12_1", "c"], ["1_5_1", "d"]]


@given(
    st.dictionaries(
        st.sampled_from(["pinnedIds", "supernodes", "clerps", "linkType", "x"]), JSON, max_size=5
    )
)
def test_any_viewer_settings_become_what_is_taken_or_are_refused(settings: Document):
    document = build_graph() | {"qParams": settings}
    graph = read_graph(document)
    try:
        prepared = prepare_for_neuronpedia(graph, document, MODEL)
    except GraphError as refused:
        if "qParams" not in refused.where:
            raise
    else:
        assert list(list_upload_faults(prepared, 2_000)) == []
