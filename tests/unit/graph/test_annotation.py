import copy

import pytest

from clerp.errors import UsageError
from clerp.graph import NodeAnnotation, NodePlace, annotate, read_graph

LABEL = NodeAnnotation("say Austin", "output", 1, "token-frequency", "labeled", 50.0, None, None)
RECORD = {"schema_version": 1, "features": {"1_11": {"clerp": "say Austin"}}}
FLAT = ["clerp_role", "clerp_tier", "clerp_method", "clerp_status", "clerp_act_pct"]


def test_only_the_annotated_node_and_the_record_differ(document):
    before = copy.deepcopy(document)
    graph = read_graph(document)
    labeled = annotate(graph, {NodePlace(1): LABEL}, RECORD)
    assert graph.document == before
    assert labeled["metadata"].pop("clerp") == RECORD
    node = labeled["nodes"][1]
    assert list(node) == [*before["nodes"][1], *FLAT]
    assert node["clerp"] == "say Austin"
    labeled["nodes"][1] = before["nodes"][1]
    assert labeled == before


def test_annotating_twice_changes_nothing_more(document):
    document["nodes"][1]["clerp_hint"] = "stale"
    once = annotate(read_graph(document), {NodePlace(1): LABEL}, RECORD)
    twice = annotate(read_graph(once), {NodePlace(1): LABEL}, RECORD)
    assert twice == once
    assert list(twice["nodes"][1]) == list(once["nodes"][1])
    assert "clerp_hint" not in once["nodes"][1]


def test_a_record_is_replaced_in_its_place(document):
    document["metadata"] = {"clerp": {"schema_version": 1}, **document["metadata"]}
    labeled = annotate(read_graph(document), {}, RECORD)
    assert next(iter(labeled["metadata"].items())) == ("clerp", RECORD)


def test_a_label_is_added_where_the_key_is_missing(document):
    del document["nodes"][1]["clerp"]
    labeled = annotate(read_graph(document), {NodePlace(1): LABEL}, RECORD)
    assert list(labeled["nodes"][1])[-6:] == ["clerp", *FLAT]


def test_hint_and_proposal_are_written_when_there_are_any(document):
    shown = NodeAnnotation("", "obscure", 3, "none", "needs_review", None, "of | the | a", "say a")
    node = annotate(read_graph(document), {NodePlace(0): shown}, RECORD)["nodes"][0]
    assert (node["clerp_hint"], node["clerp_proposal"]) == ("of | the | a", "say a")
    assert "clerp_act_pct" not in node


def test_nodes_that_only_qk_tracing_reaches_are_annotated(document):
    extra = document["nodes"][1] | {"node_id": "9_9_0"}
    document["qk_only_nodes"] = {"9_9_0": extra}
    labeled = annotate(read_graph(document), {NodePlace("9_9_0"): LABEL}, RECORD)
    assert labeled["qk_only_nodes"]["9_9_0"]["clerp"] == "say Austin"
    assert labeled["nodes"] == document["nodes"]


@pytest.mark.parametrize("key", [3, 99, "9_9_0"])
def test_what_is_no_feature_node_is_not_annotated(document, key):
    with pytest.raises(UsageError, match="is not a feature node"):
        annotate(read_graph(document), {NodePlace(key): LABEL}, RECORD)


def test_the_digest_of_a_labelled_graph_is_that_of_its_original(document):
    original = read_graph(document)
    labeled = annotate(original, {node.place: LABEL for node in original.feature_nodes}, RECORD)
    assert read_graph(labeled).digest == original.digest


def test_the_digest_ignores_key_order_and_foreign_labels(document):
    original = read_graph(document).digest
    document["nodes"] = [dict(reversed(node.items())) for node in document["nodes"]]
    document["nodes"][0]["clerp"] = "Texas"
    assert read_graph(document).digest == original


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d["metadata"].update(scan="other/transcoders"),
        lambda d: d["metadata"]["prompt_tokens"].append("x"),
        lambda d: d["nodes"][0].update(activation=9.0),
        lambda d: d["nodes"][-1].update(clerp='Output "other" (p=0.2)'),
        lambda d: d["links"][0].update(weight=9),
    ],
)
def test_the_digest_follows_what_labelling_reads(document, change):
    original = read_graph(document).digest
    change(document)
    assert read_graph(document).digest != original
