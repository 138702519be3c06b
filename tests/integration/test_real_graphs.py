"""Public attribution graphs of every flavour at hand go through clerp unharmed."""

import copy
import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from clerp.graph import (
    AttributionGraph,
    Flavour,
    NodeAnnotation,
    annotate,
    list_viewer_faults,
    read_graph,
    write_document,
)
from clerp.targets.circuit_tracer import prepare_for_circuit_tracer
from clerp.targets.graph_index import update_graph_index

DATA = Path(os.environ.get("CLERP_TEST_DATA", "/nonexistent"))
# Feature nodes, those that come with a label, and flavour, counted in the files.
GRAPHS = {
    "real-graphs/gemma-2-2b-clt-ice.json": (489, 0, Flavour.NEURONPEDIA),
    "real-graphs/gemma-2-2b-clt-meow.json": (44, 44, Flavour.NEURONPEDIA),
    "real-graphs/gemma-2-2b-plt-dollar.json": (705, 705, Flavour.NEURONPEDIA),
    "real-graphs/haiku-capital-state-dallas.json": (71, 55, Flavour.ANTHROPIC),
    "real-graphs/haiku-opposite-of-small.json": (68, 27, Flavour.ANTHROPIC),
    "real-graphs/llama-3.2-1b-clt-dallas.json": (188, 0, Flavour.CIRCUIT_TRACER),
    "real-graphs/llama-3.2-1b-clt-fragment.json": (16, 0, Flavour.CIRCUIT_TRACER),
    "roles/graph.json": (358, 0, Flavour.CIRCUIT_TRACER),
}
LABEL = NodeAnnotation("say Austin", "output", 1, "counting", "labeled", 12.5, "is | a", "say a")

pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="CLERP_TEST_DATA is not set")


@pytest.fixture(params=GRAPHS, ids=lambda name: Path(name).stem)
def name(request) -> str:
    return request.param


@pytest.fixture
def original(name) -> dict[str, Any]:
    return json.loads((DATA / name).read_bytes())


@pytest.fixture
def graph(name) -> AttributionGraph:
    return read_graph(DATA / name)


@pytest.fixture
def labeled(graph) -> dict[str, Any]:
    features = {str(feature): {"clerp": LABEL.clerp} for feature in graph.features}
    annotations = dict.fromkeys((node.place for node in graph.feature_nodes), LABEL)
    return annotate(graph, annotations, {"schema_version": 1, "features": features})


def spell(document: dict[str, Any]) -> str:
    """Write a document so that key order, int or float, and every digit count."""
    return json.dumps(document)


def without_labels(document: dict[str, Any], labels_from: dict[str, Any]) -> dict[str, Any]:
    stripped = copy.deepcopy(document)
    stripped["metadata"].pop("clerp")
    for node, before in zip(stripped["nodes"], labels_from["nodes"], strict=True):
        if node["feature_type"] == "cross layer transcoder":
            node["clerp"] = before["clerp"]
            for key in [key for key in node if key.startswith("clerp_")]:
                del node[key]
    return stripped


def test_counts_are_those_of_the_file(name, graph):
    n_foreign = sum(bool(node.foreign_label) for node in graph.feature_nodes)
    assert (len(graph.feature_nodes), n_foreign, graph.flavour) == GRAPHS[name]


def test_ids_agree_with_the_cantor_number_wherever_the_file_has_one(name, graph, original):
    if graph.flavour is Flavour.ANTHROPIC or "plt-dollar" in name:
        pytest.skip("`feature` is the index, or the index and 100000 times the layer")
    for node in graph.feature_nodes:
        assert node.feature.cantor == original["nodes"][node.place.key]["feature"]


def test_shares_sum_to_one(graph, original):
    if not any(node.get("influence") for node in original["nodes"]):
        assert graph.shares is None
        return
    assert graph.shares.features + graph.shares.errors + graph.shares.embeddings == (
        pytest.approx(1)
    )


def test_nothing_annotated_is_nothing_changed(graph, original, tmp_path):
    write_document(graph.document, tmp_path / "same.json")
    assert spell(json.loads((tmp_path / "same.json").read_bytes())) == spell(original)


def test_everything_annotated_changes_labels_only(graph, labeled, original, tmp_path):
    write_document(labeled, tmp_path / "labeled.json")
    written = json.loads((tmp_path / "labeled.json").read_bytes())
    assert spell(written) == spell(labeled)
    assert spell(without_labels(written, original)) == spell(original)
    assert spell(graph.document) == spell(original)


def test_an_output_read_again_is_ours_and_has_the_same_digest(graph, labeled):
    again = read_graph(labeled)
    assert again.digest == graph.digest
    assert not any(node.foreign_label for node in again.feature_nodes)
    annotations = dict.fromkeys((node.place for node in again.feature_nodes), LABEL)
    assert spell(annotate(again, annotations, labeled["metadata"]["clerp"])) == spell(labeled)


def test_circuit_tracer_loads_the_output(graph, labeled, original, tmp_path):
    path = tmp_path / "labeled.json"
    prepared = prepare_for_circuit_tracer(graph, labeled, path)
    update_graph_index(tmp_path, prepared["metadata"])
    index = json.loads((tmp_path / "graph-metadata.json").read_bytes())["graphs"]
    assert [entry["slug"] for entry in index] == [prepared["metadata"]["slug"]] == ["labeled"]
    assert "clerps" not in prepared["qParams"]
    assert list_viewer_faults(prepared) == ()
    for node, before in zip(prepared["nodes"], original["nodes"], strict=True):
        if node["feature_type"] == "logit":
            assert node == before
            assert re.search(r"\(p=[\d.]+", node["clerp"])


def test_neuronpedia_accepts_the_output(labeled):
    metadata = labeled["metadata"]
    assert all(isinstance(metadata[key], str) for key in ("slug", "scan", "prompt"))
    assert all(isinstance(token, str) for token in metadata["prompt_tokens"])
    assert isinstance(metadata.get("node_threshold", 0.0), float | int)
    assert all(isinstance(pinned, str) for pinned in labeled["qParams"]["pinnedIds"])
    assert isinstance(labeled["qParams"]["supernodes"], list)
    for node in labeled["nodes"]:
        texts = ("node_id", "feature_type", "jsNodeId", "clerp")
        assert all(isinstance(node[key], str) for key in texts)
        assert isinstance(node["feature"], int)
        assert isinstance(node["layer"], str)
        assert isinstance(node["ctx_idx"], int)


def test_ids_shared_with_errors_are_noted_where_they_occur(name, graph):
    noted = {"real-graphs/gemma-2-2b-plt-dollar.json": 1, "roles/graph.json": 4}.get(name, 0)
    assert len(re.findall(r"\d+_\d+_\d+", " ".join(graph.notes))) == noted
    assert len(graph.to_networkx()) == len(graph.document["nodes"])
