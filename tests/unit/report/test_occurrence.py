import pytest
from tests.unit.graph.conftest import build_graph

from clerp.feature import FeatureId
from clerp.graph import read_graph
from clerp.report.occurrence import Occurrence, list_occurrences


def test_a_feature_has_the_share_of_all_its_nodes_and_their_tokens_in_order():
    document = build_graph(n_features=2)
    again = {**document["nodes"][0], "node_id": "0_10_0", "ctx_idx": 0, "influence": 0.8}
    document["nodes"].insert(2, again)
    graph = read_graph(document)
    shares = [node.share or 0.0 for node in graph.nodes_of(FeatureId(0, 10))]
    found = list_occurrences(graph)[FeatureId(0, 10)]
    assert found.share == pytest.approx(sum(shares))
    assert found.tokens == ("<bos>", "Dallas")
    assert list_occurrences(graph)[FeatureId(1, 11)].tokens == ("Dallas",)


def test_without_influence_there_is_no_share():
    document = build_graph(n_features=1)
    for node in document["nodes"]:
        node.pop("influence", None)
    assert list_occurrences(read_graph(document))[FeatureId(0, 10)] == Occurrence(None, ("Dallas",))


def test_a_token_in_byte_level_spelling_is_readable():
    document = build_graph(n_features=1)
    document["metadata"]["prompt_tokens"] = ["<bos>", "ĠDallas"]
    assert list_occurrences(read_graph(document))[FeatureId(0, 10)].tokens == (" Dallas",)
