"""Names of one transcoder set, of two, and names that tell nobody which set is meant."""

from typing import Any

import msgspec
import pytest

from clerp.graph import MetadataShape
from clerp.origins.same_set import SetName, compare_sets, name_graph_set, name_set

CLT = "mntss/clt-gemma-2-2b-2.5M"
SCOPE = "mwhanna/gemma-scope-transcoders"


def name_graph(model: str = "a-model", **metadata: Any) -> SetName:
    return name_graph_set(msgspec.convert(metadata, MetadataShape), model)


@pytest.mark.parametrize(
    ("scan", "given", "is_same"),
    [
        ("ada/clt", "ada/clt", True),
        ("ada/clt", "Ada/CLT", True),
        ("ada/clt//small", "ada/clt/small", True),
        ("ada/clt@1f", "ada/clt@1f", True),
        ("mine", "mine", True),
        ("custom-00ff", "custom-00ff", True),
        ("ada/clt", "ada/plt", False),
        ("ada/clt", "bob/clt", False),
        ("ada/clt//small", "ada/clt//large", False),
        # By the table of public sets.
        ("gemma", SCOPE, True),
        (SCOPE, "mntss/gemma-scope-transcoders", True),
        ("gemma", CLT, False),
        (CLT, "ada/clt", False),
        # Nobody can say.
        ("", "ada/clt", None),
        ("ada/clt", "", None),
        ("", "", None),
        ("mine", "ada/clt", None),
        ("ada/clt", "mine", None),
        ("mine", "hers", None),
        ("custom-00ff", "custom-11ee", None),
        ("ada/clt@1f", "ada/clt@2e", None),
        ("ada/clt@1f", "ada/clt", None),
        ("ada/clt", "ada/clt@1f", None),
        ("ada/clt", "ada/clt//small", None),
        ("ada/clt//small", "ada/clt", None),
        # A path says nothing, whatever its last part is.
        ("/home/ada/clt", "/home/bob/clt", None),
        ("/home/ada/clt", "clt", None),
        ("clt", "./clt", None),
        ("/sets/gemma", SCOPE, None),
        (CLT, "./gemma", None),
        # A model is no set.
        ("a-model", "a-model", None),
        ("gemma-2-2b", CLT, None),
        ("owner/model", "owner/model", True),
    ],
)
def test_scans_are_compared_by_what_they_mean(scan: str, given: str, is_same: bool | None):
    graph = name_graph(scan if scan == "owner/model" else "a-model", scan=scan, schema_version=1)
    assert compare_sets(graph, name_set(given)) is is_same


@pytest.mark.parametrize(
    ("metadata", "given", "is_same"),
    [
        ({"feature_details": {"neuronpedia_source_set": "clt-hp"}}, CLT, True),
        ({"feature_details": {"neuronpedia_source_set": "gemma-2-2b/clt-hp"}}, CLT, True),
        ({"feature_details": {"neuronpedia_source_set": "clt-hp"}}, SCOPE, False),
        ({"feature_details": {"neuronpedia_source_set": "clt-hp"}}, "ada/clt", False),
        ({"feature_details": {"neuronpedia_source_set": "clt-hp"}}, f"{CLT}@1f", None),
        ({"info": {"neuronpedia_source_set": "gemmascope-transcoder-16k"}}, SCOPE, True),
        # Neuronpedia has sets of which the table does not say where they are.
        ({"feature_details": {"neuronpedia_source_set": "clt-of-tomorrow"}}, CLT, None),
        # A graph without a schema version calls a set by a word that became a model's.
        ({"schema_version": None}, SCOPE, True),
        ({"schema_version": None}, CLT, False),
        ({"scan": SCOPE, "info": {"neuronpedia_source_set": "unknown"}}, SCOPE, True),
        ({"scan": "custom-1", "transcoder_list": ["ada/one", "ada/two"]}, "ada/one", False),
    ],
)
def test_metadata_names_a_set_most_exactly(
    metadata: dict[str, Any], given: str, is_same: bool | None
):
    graph = name_graph("gemma-2-2b", **{"scan": "gemma-2-2b", "schema_version": 1} | metadata)
    assert compare_sets(graph, name_set(given)) is is_same


def test_a_name_is_shown_without_folders():
    assert name_graph(scan="/home/ada/x@y/clt").text == "clt"
    assert name_graph(scan="ada/clt@1f").text == "ada/clt@1f"
    assert name_set("/home/ada/clt").text == ""
