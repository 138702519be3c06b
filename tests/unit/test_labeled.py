import json
import re

import pytest
from tests.outcomes import FIRST, SECOND, THIRD, make_artefact, make_label, make_named, make_unnamed
from tests.unit.graph.conftest import build_graph

from clerp.errors import OutputError, UsageError
from clerp.feature import FeatureId
from clerp.graph import read_graph
from clerp.labeled import NOTEBOOK_ROWS, LabeledGraph

RECORD = {"schema_version": 1, "features": {"0_10": {"clerp": "Texas"}}}


def make_labeled(document=None, features=None, **changes) -> LabeledGraph:
    outcomes = [make_named(FIRST), make_unnamed(SECOND), make_artefact(THIRD)]
    given = {
        "graph": read_graph(document or build_graph()),
        "features": features if features is not None else outcomes,
        "act_pct": {"0_10_1": 12.5},
        "existing": "compare",
        "style": "plain",
        "show_hints": False,
        "record": RECORD,
    }
    return LabeledGraph(**given | changes)


def make_occupied(text: str = "somebody's", **changes) -> LabeledGraph:
    """A graph whose first two features have a label already."""
    document = build_graph()
    for node in document["nodes"][:2]:
        node["clerp"] = text
    return make_labeled(document, **changes)


def pick(node, *keys: str):
    return tuple(node.get(f"clerp_{key}") for key in keys)


def test_the_document_has_a_label_on_every_feature_node_and_is_else_the_input():
    before = build_graph()
    document = make_labeled(before).document
    named, unnamed, artefact = document["nodes"][:3]
    assert [node["clerp"] for node in (named, unnamed, artefact)] == ["Texas", "", ""]
    assert pick(named, "role", "tier", "method", "status", "act_pct", "hint") == (
        *("input", 1, "token-frequency", "labeled", 12.5),
        None,
    )
    assert pick(unnamed, "role", "tier", "method", "status", "act_pct", "hint") == (
        *("obscure", 3, "", "needs_review", None),
        "of, the | comma | Austin",
    )
    assert pick(artefact, "role", "status") == ("artefact", "abstained")
    assert document["metadata"].pop("clerp") == RECORD
    assert document["nodes"][3:] == before["nodes"][3:]
    assert document["metadata"] == before["metadata"]
    assert document["links"] == before["links"]


@pytest.mark.parametrize(
    ("existing", "named", "unnamed"),
    [
        ("keep", ("somebody's", "kept", "", None), ("somebody's", "kept", "", None)),
        ("compare", ("somebody's", "kept", "", "Texas"), ("somebody's", "kept", "", None)),
        ("replace", ("Texas", "labeled", "token-frequency", None), ("", "needs_review", "", None)),
    ],
)
def test_a_label_that_was_there_is_kept_compared_or_replaced(existing, named, unnamed):
    nodes = make_occupied(existing=existing).document["nodes"]
    keys = ("status", "method", "proposal")
    assert (nodes[0]["clerp"], *pick(nodes[0], *keys)) == named
    assert (nodes[1]["clerp"], *pick(nodes[1], *keys)) == unnamed
    assert pick(nodes[0], "role", "tier") == ("input", 1)


def test_placeholders_are_no_labels_to_keep():
    assert make_occupied("F123").document["nodes"][0]["clerp"] == "Texas"


@pytest.mark.parametrize(
    ("style", "shown"), [("plain", "Texas"), ("bracket", "[Texas]"), ("paren", "(Texas)")]
)
def test_the_style_is_that_of_labels_and_proposals_alone(style, shown):
    labeled = make_labeled(style=style, show_hints=True)
    assert labeled.document["nodes"][0]["clerp"] == shown
    assert labeled.document["nodes"][1]["clerp"] == "? of, the | comma | Austin"
    assert labeled[0, 10].label == make_label()
    assert pick(make_occupied(style=style).document["nodes"][0], "proposal") == (shown,)


def test_a_hint_is_shown_only_where_there_is_one():
    labeled = make_labeled(features=[make_unnamed(FIRST, hint="")], show_hints=True)
    assert labeled.document["nodes"][0]["clerp"] == ""
    assert "clerp_hint" not in labeled.document["nodes"][0]


def test_a_feature_is_found_by_layer_and_index():
    labeled = make_labeled()
    assert labeled[1, 11] is labeled[FeatureId(1, 11)] is labeled["1_11"] is labeled.features[1]
    assert [item.feature for item in labeled] == [FIRST, SECOND, THIRD]
    assert len(labeled) == 3
    with pytest.raises(KeyError):
        labeled[7, 7]
    with pytest.raises(UsageError):
        labeled["Texas"]


def test_records_are_one_for_each_feature_node_with_what_the_document_says():
    records = make_occupied().to_records()
    assert [record["node_id"] for record in records] == ["0_10_1", "1_11_1", "2_12_1"]
    assert records[0] == {
        "node_id": "0_10_1",
        "layer": 0,
        "index": 10,
        "position": 1,
        "token": "Dallas",
        "activation": 2.5,
        "share": pytest.approx(1 / 7),
        "label": "somebody's",
        "role": "input",
        "tier": 1,
        "method": "",
        "status": "kept",
        "act_pct": 12.5,
        "hint": None,
        "reason": "the peak word is 'Texas' in 2 of 20 examples",
        "candidates": [],
    }


def test_networkx_gets_the_labels_and_every_edge():
    labeled = make_labeled()
    graph = labeled.to_networkx()
    assert graph.nodes["feature", "0_10_1"]["clerp_role"] == "input"
    assert graph.number_of_edges() == len(labeled.document["links"])
    graph.nodes["feature", "0_10_1"]["clerp"] = "changed"
    assert labeled.document["nodes"][0]["clerp"] == "Texas"


def test_the_summary_is_of_this_graph():
    summary = make_labeled().summary
    assert (summary.everything.features, summary.named.features) == (3, 1)


@pytest.mark.parametrize("place", ["label", "reason", "hint", "notes", "rule"])
def test_a_notebook_shows_nothing_as_markup(place):
    evil = "<script>alert('x')</script>&\u202e"
    features = {
        "label": make_named(label=make_label(evil)),
        "reason": make_unnamed(reason=evil),
        "hint": make_unnamed(hint=evil),
        "notes": make_named(notes=(evil,)),
        "rule": make_named(details={"rule": evil}),
    }
    shown = make_labeled(features=[features[place]])._repr_html_()
    table = {"table", "thead", "tbody", "tr", "th", "td"}
    picture = {"svg", "title", "rect", "line", "text"}
    assert set(re.findall(r"</?(\w+)", shown)) == table | picture
    assert "&lt;script&gt;" in shown
    assert "\u202e" not in shown


def test_a_notebook_says_what_it_leaves_out():
    features = [make_named(FeatureId(0, index)) for index in range(NOTEBOOK_ROWS + 2)]
    shown = make_labeled(features=features)._repr_html_()
    assert shown.count("<td>Texas</td>") == NOTEBOOK_ROWS
    assert "2 more features, of less influence, are not shown" in shown


def test_a_written_graph_reads_back_as_the_document(tmp_path):
    labeled = make_labeled()
    labeled.write(tmp_path / "out.json")
    assert json.loads((tmp_path / "out.json").read_text()) == labeled.document
    assert [path.name for path in tmp_path.iterdir()] == ["out.json"]


def test_the_circuit_tracer_target_also_enters_the_graph_into_the_index(tmp_path):
    make_labeled().write(tmp_path / "out.json", target="circuit-tracer")
    assert json.loads((tmp_path / "out.json").read_text())["metadata"]["slug"] == "out"
    (entry,) = json.loads((tmp_path / "graph-metadata.json").read_text())["graphs"]
    assert entry["slug"] == "out"


def test_a_folder_that_does_not_exist_is_named_and_nothing_is_written(tmp_path):
    with pytest.raises(OutputError, match="folder does not exist"):
        make_labeled().write(tmp_path / "none" / "out.json")
    assert not list(tmp_path.iterdir())


def test_other_targets_are_written_by_their_name(tmp_path):
    make_labeled().write(tmp_path / "out.json", target="neuronpedia:gemma-2-2b")
    written = json.loads((tmp_path / "out.json").read_text())
    assert written["metadata"]["scan"] == "gemma-2-2b"
    make_labeled().write(tmp_path / "out.csv", target="table")
    assert len((tmp_path / "out.csv").read_text().splitlines()) == 4


def test_an_unknown_target_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(UsageError, match="no target 'elsewhere'"):
        make_labeled().write(tmp_path / "out.json", target="elsewhere")
    assert not list(tmp_path.iterdir())
