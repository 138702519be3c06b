import copy
import json

import pytest

from clerp.errors import GraphError
from clerp.feature import FeatureId
from clerp.graph import Flavour, NodePlace, read_graph


def crm_graph(document):
    """Rewrite the small graph as Neuronpedia's CRM engine spells it."""
    document["nodes"][0] |= {"node_id": "0_cro_10_1", "layer": 0, "clerp": "F65"}
    document["nodes"][1] |= {"node_id": "1_lor_11_1", "layer": 1, "feature_type": "lorsa"}
    document["nodes"][2] |= {"node_id": "2_cro_12_1", "layer": 2, "clerp": "cities"}
    document["nodes"][3] |= {"node_id": "3_error_mlp_1", "feature": None, "layer": 3}
    document["nodes"][4] |= {
        "node_id": "4_error_attn_1",
        "feature": None,
        "feature_type": "lorsa error",
    }
    document["nodes"][-1]["clerp"] = 'Logit " word1" (p=0.200)'
    document["links"] = [{"source": "1_lor_11_1", "target": "27_1_1", "weight": -2}]
    document["qParams"] = {}
    document["qk_only_nodes"] = {
        "5_lor_9_0": document["nodes"][1] | {"node_id": "5_lor_9_0", "ctx_idx": 0}
    }
    return document


def anthropic_graph(document):
    for node in document["nodes"]:
        del node["influence"], node["activation"]
        node["jsNodeId"] = node["jsNodeId"].replace("-", "_-")
    document["nodes"][0]["feature_type"] = "unexplored node"
    document["nodes"][-1]["clerp"] = 'output: "big" (p=0.381)'
    return document


def test_reads_nodes_features_and_metadata(document):
    graph = read_graph(document)
    assert graph.name == graph.slug == "small"
    assert graph.scan == "owner/transcoders"
    assert graph.prompt_tokens == ("<bos>", "Dallas")
    assert graph.features == (FeatureId(0, 10), FeatureId(1, 11), FeatureId(2, 12))
    node = graph.feature_nodes[1]
    assert (node.place, node.node_id, node.ctx_idx, node.activation) == (
        NodePlace(1),
        "1_11_1",
        1,
        2.5,
    )
    assert graph.nodes_of(FeatureId(1, 11)) == (node,)
    assert graph.nodes_of(FeatureId(9, 9)) == ()
    assert graph.notes == ()


def test_the_name_is_the_stem_and_never_a_path(document, tmp_path):
    path = tmp_path / "dallas.labeled.json"
    path.write_text(json.dumps(document))
    assert read_graph(str(path)).name == "dallas.labeled"
    document["metadata"]["slug"] = "/home/someone/dallas"
    assert read_graph(document).name == "dallas"


def test_identity_comes_from_the_id_and_not_from_feature(document):
    document["nodes"][1]["feature"] = 999_999
    assert FeatureId(1, 11) in read_graph(document).features


def test_schema_0_has_no_schema_version(document):
    assert read_graph(document).flavour is Flavour.CIRCUIT_TRACER
    del document["metadata"]["schema_version"]
    assert read_graph(document).flavour is Flavour.CIRCUIT_TRACER_0


@pytest.mark.parametrize("key", ["info", "generation_settings"])
def test_neuronpedia_is_known_by_its_metadata(document, key):
    document["metadata"][key] = {}
    assert read_graph(document).flavour is Flavour.NEURONPEDIA


def test_attribute_is_known_by_its_logits(document):
    document["nodes"][-1]["clerp"] = 'output: " Paris" (p=0.200)'
    graph = read_graph(document)
    assert graph.flavour is Flavour.ATTRIBUTE
    assert " Paris" in {edge.token for edge in graph.logit_edges(FeatureId(0, 10))}


def test_anthropic_ids_are_read_from_js_node_id(document):
    graph = read_graph(anthropic_graph(document))
    assert graph.flavour is Flavour.ANTHROPIC
    assert graph.features == (FeatureId(0, 10), FeatureId(1, 11), FeatureId(2, 12))
    assert graph.shares is None
    assert graph.feature_nodes[0].activation is None


def test_crm_tells_attention_features_from_transcoder_features(document):
    graph = read_graph(crm_graph(document))
    assert graph.flavour is Flavour.CRM
    assert graph.features == (
        FeatureId(0, 10),
        FeatureId(1, 11, "lor"),
        FeatureId(2, 12),
        FeatureId(5, 9, "lor"),
    )
    assert [node.foreign_label for node in graph.feature_nodes] == ["", "", "cities", ""]
    assert graph.logit_edges(FeatureId(1, 11, "lor"))[0].token == " word1"


def test_nodes_that_only_qk_tracing_reaches_come_last(document):
    graph = read_graph(crm_graph(document))
    assert graph.feature_nodes[-1].place == NodePlace("5_lor_9_0")


def test_saved_viewer_settings_are_texts_or_null(document):
    document["qParams"] = {"pinnedIds": "0_10_1,1_11_1", "supernodes": "[]", "clerps": None}
    assert read_graph(document).document["qParams"]["clerps"] is None


def test_logit_edges_are_strongest_first(document):
    edges = read_graph(document).logit_edges(FeatureId(0, 10))
    assert [(edge.token, edge.weight, edge.probability) for edge in edges] == [
        (" word1", -1.5, 0.2),
        (" word0", 0.5, 0.1),
    ]


def test_logits_without_a_quoted_token_give_no_edges(document):
    for node in document["nodes"]:
        node["clerp"] = ""
    assert read_graph(document).logit_edges(FeatureId(0, 10)) == ()


def test_an_id_shared_by_a_feature_and_an_error_is_noted_and_not_followed(colliding):
    graph = read_graph(colliding)
    assert graph.notes == (
        "node ids shared by nodes of different types: 0_20_1; 4 links could mean either node",
    )
    assert len(graph.feature_nodes) == 3
    assert graph.logit_edges(FeatureId(0, 20)) == ()


def test_an_undocumented_type_is_noted(document):
    document["nodes"][3]["feature_type"] = "attention head"
    assert "'attention head'" in read_graph(document).notes[0]


def test_two_nodes_of_one_type_with_one_id_are_refused(document):
    document["nodes"].append(copy.deepcopy(document["nodes"][1]))
    with pytest.raises(GraphError, match=r"nodes\[9\].*'1_11_1' is already .* nodes\[1\]"):
        read_graph(document)


def test_links_to_unknown_nodes_are_counted(document):
    document["links"][1]["target"] = "nowhere"
    document["links"][2]["source"] = "nowhere"
    with pytest.raises(GraphError, match=r"links\[1\]: 2 of 14 links .* first 'nowhere'"):
        read_graph(document)


def test_a_graph_without_features_says_which_types_it_has(make_graph):
    with pytest.raises(GraphError, match=r"no feature nodes among 6 nodes.*embedding, logit"):
        read_graph(make_graph(n_features=0))


@pytest.mark.parametrize("key", ["metadata", "nodes", "links"])
def test_a_missing_key_is_named(document, key):
    del document[key]
    with pytest.raises(GraphError, match=f"not an attribution graph: .*`{key}`"):
        read_graph(document)


@pytest.mark.parametrize(
    ("part", "value", "place"),
    [
        ("ctx_idx", "1", r"nodes\[1\]\.ctx_idx"),
        ("ctx_idx", -1, r"nodes\[1\]\.ctx_idx"),
        ("ctx_idx", 2**63, r"nodes\[1\]\.ctx_idx"),
        ("feature", 2**64, r"nodes\[1\]\.feature"),
        ("node_id", None, r"nodes\[1\]\.node_id"),
        ("clerp", 5, r"nodes\[1\]\.clerp"),
        ("activation", "high", r"nodes\[1\]\.activation"),
        ("influence", True, r"nodes\[1\]\.influence"),
        ("influence", -0.1, r"nodes\[1\]\.influence"),
        ("influence", 1.5, r"nodes\[1\]\.influence"),
        ("node_id", "1_x_1", r"nodes\[1\]: the id '1_x_1' .* names no feature"),
        ("node_id", f"1_{2**63}_1", r"nodes\[1\]: the id .* beyond 64 bits"),
        ("node_id", f"1_{'9' * 5000}_1", r"nodes\[1\]: the id .* beyond 64 bits"),
        ("node_id", "1_١_1", r"nodes\[1\]: the id .* names no feature"),
    ],
)
def test_a_wrong_value_is_refused_with_its_place(document, part, value, place):
    document["links"] = []
    document["nodes"][1][part] = value
    with pytest.raises(GraphError, match=place):
        read_graph(document)


def test_a_wrong_link_and_a_wrong_qk_node_are_refused_with_their_place(document):
    broken = copy.deepcopy(document)
    broken["links"][3]["weight"] = None
    with pytest.raises(GraphError, match=r"links\[3\]\.weight"):
        read_graph(broken)
    document["qk_only_nodes"] = {"5_lor_9_0": {"node_id": "5_lor_9_0"}}
    with pytest.raises(GraphError, match=r"qk_only_nodes\['5_lor_9_0'\]: .*`feature_type`"):
        read_graph(document)


def test_a_newer_record_asks_for_a_newer_clerp(document):
    document["metadata"]["clerp"] = {"schema_version": 99, "features": "another form"}
    with pytest.raises(GraphError, match="pip install --upgrade clerp"):
        read_graph(document)


def test_a_record_that_is_none_of_ours_is_refused(document):
    document["metadata"]["clerp"] = "by hand"
    with pytest.raises(GraphError, match=r"metadata\.clerp"):
        read_graph(document)


def own(document, text="Texas", status="labeled", recorded="Texas"):
    document["metadata"]["clerp"] = {
        "schema_version": 1,
        "features": {"1_11": {"clerp": recorded}},
    }
    document["nodes"][1] |= {"clerp": text, "clerp_status": status}
    return read_graph(document).feature_nodes[1].foreign_label


def test_a_text_that_clerp_wrote_is_no_foreign_label(document):
    assert own(document) == ""


def test_a_kept_or_edited_text_is_a_foreign_label(document):
    assert own(copy.deepcopy(document), status="kept") == "Texas"
    assert own(document, text="Texas, edited") == "Texas, edited"


def test_a_text_without_a_record_is_a_foreign_label(document):
    document["nodes"][1] |= {"clerp": "[supernode] Texas", "clerp_status": "labeled"}
    assert read_graph(document).feature_nodes[1].foreign_label == "[supernode] Texas"


class Reader:
    """Reads whatever it is given as one and the same graph."""

    name = "fake"

    def __init__(self, document):
        self.document = document
        self.asked = []

    def read(self, source):
        self.asked.append(source)
        return self.document


class Traced:
    """A graph in memory."""

    def to_pt(self, path):
        raise AssertionError("it is not saved")


def test_files_and_objects_that_are_no_json_go_to_their_reader(document, tmp_path, monkeypatch):
    reader, traced, path = Reader(document), Traced(), tmp_path / "france.pt"
    monkeypatch.setattr("clerp.graph.reading.find_reader", lambda source: reader)
    assert read_graph(path).name == "france"
    assert read_graph(str(path)).features == read_graph(document).features
    assert read_graph(traced).name == read_graph(document).name
    assert reader.asked == [path, path, traced]


def test_a_reader_is_not_looked_for_where_json_is(document, tmp_path, monkeypatch):
    def fail(source):
        raise AssertionError(source)

    monkeypatch.setattr("clerp.graph.reading.find_reader", fail)
    path = tmp_path / "graph.json"
    path.write_text(json.dumps(document))
    assert read_graph(path).name == "graph"


def test_what_a_reader_gives_is_capped_and_checked(document, monkeypatch):
    monkeypatch.setattr("clerp.graph.reading.find_reader", lambda source: Reader(document))
    with pytest.raises(GraphError):
        read_graph(Traced(), max_bytes=100)
    monkeypatch.setattr("clerp.graph.reading.find_reader", lambda source: Reader({"nodes": 1}))
    with pytest.raises(GraphError):
        read_graph(Traced())


def test_an_object_that_nobody_reads_is_named():
    with pytest.raises(GraphError, match=r"test_reading.Traced is no graph that clerp reads"):
        read_graph(Traced())
