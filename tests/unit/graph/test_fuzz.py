"""Whatever arrives, only clerp's own errors come out."""

import copy
import json
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clerp.errors import ClerpError
from clerp.graph import NodeAnnotation, annotate, read_graph
from clerp.graph.writing import encode

LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([2**63, 2**64, -(2**63) - 1, float("nan"), float("inf"), 1e308])
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["lorsa", "logit", "0_cro_1_1", "0_lor_1_1", "1_2_-3", "0_1_1", "\ud800"])
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
LABEL = NodeAnnotation("a", "input", 1, "m", "labeled", None, None, None)
RELAXED = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


def read_and_write(source: Any, path) -> bool:
    try:
        graph = read_graph(source)
        labels = dict.fromkeys((node.place for node in graph.feature_nodes), LABEL)
        encode(annotate(graph, labels, {"schema_version": 1}), path)
        graph.to_networkx()
    except ClerpError:
        return False
    return True


def list_slots(value: Any) -> list[tuple[Any, Any]]:
    items = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    return [slot for key, inner in items for slot in [(value, key), *list_slots(inner)]]


@RELAXED
@given(st.data())
def test_mutated_graphs(make_graph, tmp_path, data):
    document = copy.deepcopy(make_graph(n_features=2, n_errors=1, n_embeddings=1, n_logits=1))
    document["qk_only_nodes"] = {"9_9_0": document["nodes"][0] | {"node_id": "9_9_0"}}
    for _ in range(data.draw(st.integers(1, 3))):
        holder, key = data.draw(st.sampled_from(list_slots(document)))
        holder[key] = data.draw(VALUES)
    path = tmp_path / "graph.json"
    by_dict = read_and_write(document, path)
    path.write_text(json.dumps(document))
    assert read_and_write(path, path) == by_dict


@RELAXED
@given(VALUES)
def test_random_json(tmp_path, value):
    path = tmp_path / "graph.json"
    path.write_text(json.dumps(value))
    assert not read_and_write(path, path)


@RELAXED
@given(
    st.binary(max_size=300),
    st.sampled_from([b"", b"\x1f\x8b\x08\0\0\0\0\0\0\x03", b"\x28\xb5\x2f\xfd", b'{"nodes":[']),
)
def test_random_bytes(tmp_path, data, prefix):
    path = tmp_path / "graph.json"
    path.write_bytes(prefix + data)
    assert not read_and_write(path, path)


@RELAXED
@given(st.data())
def test_graphs_cut_short(make_graph, tmp_path, data):
    text = json.dumps(make_graph(n_features=1, n_errors=0, n_embeddings=0, n_logits=1)).encode()
    path = tmp_path / "graph.json"
    path.write_bytes(text[: data.draw(st.integers(0, len(text) - 1))])
    assert not read_and_write(path, path)
