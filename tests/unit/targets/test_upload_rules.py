import copy
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.graph.conftest import build_graph
from tests.unit.targets.conftest import JSON

from clerp.targets.upload_rules import MAX_BYTES, MIN_BYTES, list_upload_faults

Document = dict[str, Any]
Change = Callable[[Document], object]
FITTING = 10_000


def make_uploadable() -> Document:
    document = build_graph()
    document["metadata"] |= {"scan": "gemma-2-2b", "info": {"transcoder_set": "owner/set"}}
    return document


def list_faults(document: Any, n_bytes: int = FITTING) -> list[str]:
    return list(list_upload_faults(document, n_bytes))


def change(**values: object) -> Change:
    return lambda record: record.update(values)


def drop(key: str) -> Change:
    return lambda record: record.pop(key)


def test_a_graph_that_is_taken_has_no_faults():
    document = make_uploadable()
    document["qParams"] |= {"clerps": [["0_7_1", "Texas"]], "supernodes": [["a", "0_10_1"]]}
    assert list_faults(document) == []


@pytest.mark.parametrize(
    ("path", "spoil", "fault"),
    [
        ((), drop("metadata"), "metadata: missing"),
        ((), drop("qParams"), "qParams: missing"),
        ((), change(qParams=None), "qParams: expected an object, got null"),
        ((), drop("nodes"), "nodes: missing"),
        ((), change(links={}), "links: expected an array, got an object"),
        (("metadata",), drop("slug"), "metadata.slug: missing"),
        (("metadata",), change(slug="a b"), "metadata.slug: expected letters, digits and _ . -"),
        (("metadata",), change(slug=""), "metadata.slug: expected letters"),
        (("metadata",), change(scan="owner/set"), "metadata.scan: expected letters"),
        (("metadata",), drop("scan"), "metadata.scan: missing"),
        (("metadata",), drop("prompt"), "metadata.prompt: missing"),
        (("metadata",), change(prompt=None), "metadata.prompt: expected text, got null"),
        (("metadata",), change(prompt_tokens="a"), "metadata.prompt_tokens: expected an array of"),
        (("metadata",), change(prompt_tokens=["a", 1]), "metadata.prompt_tokens: expected an arr"),
        (("metadata",), change(node_threshold=None), "metadata.node_threshold: expected a number"),
        (("metadata",), change(node_threshold="0.8"), "metadata.node_threshold: expected a num"),
        (("metadata",), change(node_threshold=True), "metadata.node_threshold: expected a number"),
        (("metadata",), change(info=[]), "metadata.info: expected an object"),
        (("metadata", "info"), change(transcoder_set=1), "metadata.info.transcoder_set: expected"),
        (("metadata", "info"), change(source_urls="x"), "metadata.info.source_urls: expected"),
        (("metadata", "info"), change(create_time_ms=""), "metadata.info.create_time_ms: expected"),
        (("metadata", "info"), change(generator="x"), "metadata.info.generator: expected an obj"),
        (("qParams",), change(pinnedIds="0_10_1,1_11_1"), "qParams.pinnedIds: expected an array"),
        (("qParams",), change(pinnedIds=[1]), "qParams.pinnedIds: expected an array of texts"),
        (("qParams",), change(supernodes="[]"), "qParams.supernodes: expected an array of arrays"),
        (("qParams",), change(supernodes=["a"]), "qParams.supernodes: expected an array of arr"),
        (("qParams",), change(clerps="[]"), "qParams.clerps: expected an array of arrays"),
        (("nodes", 1), drop("node_id"), "nodes[1].node_id: missing"),
        (("nodes", 1), change(node_id=1), "nodes[1].node_id: expected text, got 1"),
        (("nodes", 1), drop("feature"), "nodes[1].feature: missing"),
        (("nodes", 1), change(feature=1.5), "nodes[1].feature: expected a whole number or null"),
        (("nodes", 1), change(feature="7"), "nodes[1].feature: expected a whole number or null"),
        (("nodes", 1), change(layer=None), "nodes[1].layer: expected text or a whole number"),
        (("nodes", 1), change(ctx_idx="1"), "nodes[1].ctx_idx: expected a whole number, got '1'"),
        (("nodes", 1), change(ctx_idx=True), "nodes[1].ctx_idx: expected a whole number, got true"),
        (("nodes", 1), change(feature_type=None), "nodes[1].feature_type: expected text"),
        (("nodes", 1), drop("jsNodeId"), "nodes[1].jsNodeId: missing"),
        (("nodes", 1), drop("clerp"), "nodes[1].clerp: missing"),
        (("nodes", 1), change(clerp=None), "nodes[1].clerp: expected text, got null"),
        (("links", 0), drop("source"), "links[0].source: missing"),
        (("links", 0), change(target=None), "links[0].target: expected text"),
        (("links", 0), change(weight="1"), "links[0].weight: expected a number"),
    ],
)
def test_a_broken_rule_is_the_one_fault_and_names_the_place(
    path: tuple[str | int, ...], spoil: Change, fault: str
):
    document = make_uploadable()
    spoilt: Any = document
    for key in path:
        spoilt = spoilt[key]
    spoil(spoilt)
    (found,) = list_faults(document)
    assert found.startswith(fault)


@pytest.mark.parametrize("allowed", [{"feature": None}, {"feature": 7.0}, {"layer": 3}, {"x": []}])
def test_what_only_looks_wrong_is_taken(allowed: Document):
    document = make_uploadable()
    document["nodes"][0] |= allowed
    assert list_faults(document) == []


def test_what_is_no_object_among_nodes_and_links_is_named():
    document = make_uploadable()
    document["nodes"][0], document["links"][2] = None, "x"
    assert list_faults(document) == [
        "nodes[0]: expected an object, got null",
        "links[2]: expected an object, got 'x'",
    ]


def test_all_faults_are_told():
    document = make_uploadable()
    for node in document["nodes"]:
        node["clerp"] = None
    assert len(list_faults(document)) == len(document["nodes"])


@pytest.mark.parametrize(
    ("n_bytes", "is_taken"),
    [(MIN_BYTES - 1, False), (MIN_BYTES, True), (MAX_BYTES, True), (MAX_BYTES + 1, False)],
)
def test_size_has_limits(n_bytes: int, is_taken: bool):
    faults = list_faults(make_uploadable(), n_bytes)
    assert (faults == []) is is_taken
    assert is_taken or faults[0].startswith(f"the file: {n_bytes:,} bytes")


@given(value=JSON, place=st.integers(0, 10))
def test_any_json_in_any_place_is_judged_without_a_crash(value: object, place: int):
    document = copy.deepcopy(make_uploadable())
    places: list[tuple[Any, Any]] = [
        *((document, key) for key in ("metadata", "qParams", "nodes", "links")),
        *((document["metadata"], key) for key in ("info", "slug", "prompt_tokens")),
        *((document["qParams"], key) for key in ("pinnedIds", "supernodes")),
        (document["nodes"], 0),
        (document["links"], 0),
    ]
    holder, key = places[place]
    holder[key] = value
    faults = list_faults(document)
    assert all(len(fault) < 300 for fault in faults)
