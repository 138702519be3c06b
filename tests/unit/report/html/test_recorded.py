from typing import Any

import pytest
from tests.unit.graph.conftest import build_graph
from tests.unit.report.html.labelled_graphs import Named, build_labelled

from clerp.errors import GraphError, UsageError
from clerp.feature import FeatureId
from clerp.graph import read_graph
from clerp.report.html.recorded import RecordedGroup, read_recorded

FEATURES = [Named(0, 7), Named(3, 5, "artefact", "", "abstained", "dense: fires on 20%")]


def test_what_a_run_wrote_is_read_back():
    document = build_labelled(FEATURES)
    document["nodes"][1]["clerp_hint"] = "the, a | of"
    recorded = read_recorded(read_graph(document))
    named, artefact = recorded.outcomes
    assert named.feature == FeatureId(0, 7)
    assert named.label is not None
    assert (named.label.text, named.label.confidence) == ("word", "high")
    assert (named.route.role, named.route.tier, named.route.margin) == ("input", 1, 2.0)
    assert named.route.scores["input"].z == 9.0
    assert (artefact.label, artefact.status) == (None, "abstained")
    assert (named.hint, artefact.hint) == ("", "the, a | of")
    assert recorded.run.run_id == "0123456789abcdef"
    assert recorded.n_unrecorded == 0


@pytest.mark.parametrize("record", [None, {"schema_version": 1, "grouping": {}}])
def test_a_graph_without_clerps_labels_says_what_to_do(record: Any):
    document = build_graph()
    document["metadata"]["clerp"] = record
    with pytest.raises(UsageError, match="clerp label"):
        read_recorded(read_graph(document))


def test_features_that_the_record_lacks_are_counted():
    document = build_labelled(FEATURES)
    del document["metadata"]["clerp"]["features"]["3_5"]
    recorded = read_recorded(read_graph(document))
    assert len(recorded.outcomes) == 1
    assert recorded.n_unrecorded == 1


@pytest.mark.parametrize(
    ("key", "value", "place"),
    [
        ("role", "king", "role"),
        ("tier", 4, "tier"),
        ("status", "fine", "status"),
        ("margin", "wide", "margin"),
        ("scores", {"input": {"raw": "x", "weighted": 0.1, "n": 3}}, "scores"),
        ("details", {"a": []}, "details"),
    ],
)
def test_a_damaged_record_is_refused_by_its_place(key: str, value: Any, place: str):
    document = build_labelled(FEATURES)
    document["metadata"]["clerp"]["features"]["0_7"][key] = value
    with pytest.raises(GraphError, match=rf"metadata\.clerp\.features.*{place}"):
        read_recorded(read_graph(document))


@pytest.mark.parametrize("name", ["seven", "0_7_1", "9" * 30 + "_1"])
def test_a_record_of_what_is_no_feature_is_refused(name: str):
    document = build_labelled(FEATURES)
    features = document["metadata"]["clerp"]["features"]
    features[name] = features["0_7"]
    with pytest.raises(GraphError, match=r"is not a feature"):
        read_recorded(read_graph(document))


def test_a_record_of_another_graph_is_refused():
    document = build_labelled(FEATURES)
    features = document["metadata"]["clerp"]["features"]
    document["metadata"]["clerp"]["features"] = {"11_1": features["0_7"]}
    with pytest.raises(GraphError, match="none of the graph's features"):
        read_recorded(read_graph(document))


@pytest.mark.parametrize("hint", [7, None, ["x"], ""])
def test_a_hint_that_is_no_text_is_none(hint: Any):
    document = build_labelled(FEATURES)
    document["nodes"][1]["clerp_hint"] = hint
    assert read_recorded(read_graph(document)).outcomes[1].hint == ""


def test_what_a_grouper_said_is_read_back():
    supernodes = [
        {"name": "mine", "origin": "person", "warnings": ["a"], "members": []},
        {"name": "its", "origin": "clerp", "warnings": [], "members": [{"node_id": "0_7_1"}]},
    ]
    grouping = {"grouper": "semantic", "supernodes": supernodes, "ungrouped": []}
    recorded = read_recorded(read_graph(build_labelled(FEATURES, clerp={"grouping": grouping})))
    assert recorded.grouping is not None
    assert recorded.grouping.grouper == "semantic"
    assert recorded.grouping.groups == (
        RecordedGroup("mine", (), False, ("a",)),
        RecordedGroup("its", ("0_7_1",), True, ()),
    )


def test_a_damaged_grouping_is_refused_by_its_place():
    document = build_labelled(FEATURES, clerp={"grouping": {"grouper": 1, "supernodes": []}})
    with pytest.raises(GraphError, match=r"metadata\.clerp\.grouping"):
        read_recorded(read_graph(document))
