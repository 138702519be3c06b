import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.graph.conftest import build_graph
from tests.unit.targets.conftest import JSON

from clerp.errors import GraphError
from clerp.feature import FeatureId
from clerp.frontend.served import describe_graph, name_scan, number_features, prepare_to_serve
from clerp.graph import list_viewer_faults, read_graph

Document = dict[str, Any]
DATA = Path(os.environ.get("CLERP_TEST_DATA", "/nonexistent")) / "real-graphs"


def serve(document: Document) -> Document:
    return prepare_to_serve(read_graph(document), "g")


def make_cantor() -> Document:
    document = build_graph()
    for i, node in enumerate(document["nodes"][:3]):
        node["feature"] = FeatureId(i, 10 + i).cantor
    return document


def make_old(exponent: int | None) -> Document:
    """Make a graph of schema 0, whose `feature` is the index, or that and a power of the layer."""
    document = build_graph()
    del document["metadata"]["schema_version"]
    for i, node in enumerate(document["nodes"][:3]):
        node["feature"] = 10 + i + (0 if exponent is None else i * 10**exponent)
    return document


def test_a_graph_that_the_page_understands_keeps_all_but_scan_and_slug():
    document = make_cantor()
    served = serve(document)
    assert served["nodes"] == document["nodes"]
    assert served["links"] == document["links"]
    assert served["qParams"] == document["qParams"]
    changed = {k for k, v in served["metadata"].items() if document["metadata"].get(k) != v}
    assert changed == {"scan", "slug"}


def test_features_of_schema_0_get_the_number_that_tells_layer_and_index():
    served = serve(make_old(5))
    assert served["metadata"]["schema_version"] == 1
    assert [n["feature"] for n in served["nodes"][:3]] == [
        FeatureId(i, 10 + i).cantor for i in range(3)
    ]
    assert [n["feature"] for n in served["nodes"][3:]] == [7] * 6


def test_an_index_stays_one():
    served = serve(make_old(None))
    assert "schema_version" not in served["metadata"]
    assert [node["feature"] for node in served["nodes"][:3]] == [10, 11, 12]


def test_an_index_that_two_layers_share_tells_no_feature():
    document = make_old(None)
    document["nodes"][1] |= {"node_id": "1_10_1", "feature": 10}
    document["links"] = []
    numbers = number_features(read_graph(document))
    features = [FeatureId(0, 10), FeatureId(1, 10), FeatureId(2, 12)]
    assert numbers.features == {feature.cantor: feature for feature in features}
    assert numbers.of_page == {"12": str(FeatureId(2, 12).cantor)}


def test_labels_that_a_person_gave_follow_the_number():
    document = make_old(5)
    document["qParams"]["clerps"] = json.dumps([["100011", "mine"], ["999", "of no node"]])
    served = serve(document)
    entries = json.loads(served["qParams"]["clerps"])
    assert entries == [[str(FeatureId(1, 11).cantor), "mine"], ["999", "of no node"]]


def test_what_would_stop_the_page_is_filled():
    document = make_cantor()
    document["nodes"][4]["feature"] = None
    document["nodes"][-1] |= {"clerp": "Austin", "token_prob": 0.25}
    served = serve(document)
    assert list_viewer_faults(served) == ()
    assert served["nodes"][4]["feature"] == -1
    assert served["nodes"][-1]["clerp"] == 'Output "Austin" (p=0.250)'
    assert document["nodes"][4]["feature"] is None


def test_a_graph_without_a_prompt_has_no_tokens():
    document = make_cantor()
    del document["metadata"]["prompt_tokens"]
    assert serve(document)["metadata"]["prompt_tokens"] == []


def test_a_threshold_that_would_hide_nodes_without_influence_is_left_out():
    document = make_cantor()
    assert describe_graph(read_graph(document), "g")["node_threshold"] == 0.8
    del document["nodes"][1]["influence"]
    assert "node_threshold" not in describe_graph(read_graph(document), "g")


def test_the_list_names_the_scan_of_the_file_and_nothing_of_clerps_record():
    document = make_cantor()
    document["metadata"]["clerp"] = {"schema_version": 1}
    entry = describe_graph(read_graph(document), "g")
    assert (entry["scan"], entry["slug"], entry["prompt"]) == (
        "owner/transcoders",
        "g",
        "<bos>Dallas",
    )
    assert "clerp" not in entry
    assert "clerp" not in serve(document)["metadata"]


def test_the_scan_is_of_this_server_and_tells_sets_apart():
    one, other = make_cantor(), make_cantor()
    other["metadata"]["scan"] = "owner/others"
    scans = [name_scan(read_graph(document)) for document in (one, other, make_cantor())]
    assert all(scan.startswith("./examples/") for scan in scans)
    assert scans[0] == scans[2] != scans[1]


@pytest.mark.skipif(not DATA.is_dir(), reason="CLERP_TEST_DATA is not set")
@pytest.mark.parametrize("path", sorted(DATA.glob("*.json")), ids=lambda path: path.stem)
def test_features_of_every_flavour_have_a_number_of_their_own(path: Path):
    graph = read_graph(path)
    numbers = number_features(graph)
    assert set(numbers.features.values()) == set(graph.features)
    served = prepare_to_serve(graph, "g")
    assert list_viewer_faults(served) == ()
    for node in graph.feature_nodes:
        assert numbers.features[served["nodes"][node.place.key]["feature"]] == node.feature


@given(
    st.dictionaries(
        st.sampled_from(["pinnedIds", "supernodes", "clerps", "linkType"]), JSON, max_size=4
    )
)
def test_any_viewer_settings_are_shown_or_refused(settings: Document):
    document = make_cantor() | {"qParams": settings}
    try:
        served = serve(document)
    except GraphError as refused:
        if "qParams" not in refused.where:
            raise
    else:
        assert isinstance(served["qParams"]["pinnedIds"], str | list | None)
        entries = json.loads(served["qParams"].get("clerps", "[]"))
        assert all(isinstance(text, str) for entry in entries for text in entry)


def test_features_of_attention_keep_their_number():
    document = make_cantor()
    document["links"] = []
    for i, node in enumerate(document["nodes"][:3]):
        kind = "lor" if i == 2 else "cro"
        node |= {"node_id": f"{i}_{kind}_{10 + i}_1", "feature_type": "cross layer transcoder"}
    document["nodes"][2] |= {"feature_type": "lorsa", "feature": 12}
    served = serve(document)
    assert served["nodes"][2]["feature"] == 12
    numbers = number_features(read_graph(document))
    assert FeatureId(2, 12, "lor") not in numbers.features.values()
