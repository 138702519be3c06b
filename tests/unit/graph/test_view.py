from clerp.graph import read_graph


def test_nodes_are_keyed_by_kind_and_id_and_keep_their_keys(document):
    graph = read_graph(document).to_networkx()
    assert graph.number_of_nodes() == len(document["nodes"])
    assert graph.number_of_edges() == len(document["links"])
    assert graph.nodes["feature", "1_11_1"] == document["nodes"][1]
    edge = graph.edges[("feature", "0_10_1"), ("logit", "27_1_1"), 0]
    assert edge["weight"] == -1.5
    assert "ambiguous" not in edge


def test_edges_of_an_ambiguous_id_go_to_the_feature_and_say_so(colliding):
    graph = read_graph(colliding).to_networkx()
    edges = graph.out_edges(("feature", "0_20_1"), data=True)
    assert [data["ambiguous"] for *_, data in edges] == [True] * 4
    assert graph.degree(("error", "0_20_1")) == 0


def test_the_view_is_no_way_into_the_document(document):
    graph = read_graph(document)
    graph.to_networkx().nodes["feature", "1_11_1"]["clerp"] = "changed"
    assert graph.document["nodes"][1]["clerp"] == ""
