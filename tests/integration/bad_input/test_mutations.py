"""Whatever befalls a file, clerp labels or refuses it."""

import copy
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.integration.bad_input.workplace import DAMAGED, RECORD, Workplace
from tests.tiny_graph import Document, build_records, build_tiny_graph, write_graph, write_records

import clerp
from clerp.errors import ClerpError

RELAXED = settings(
    # Each example labels a graph.
    max_examples=settings().max_examples // 5,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6)
ODD = st.sampled_from([-1, 0, 2**63, 10**30, 1e308, "", "\ud800", "0_10_1", [], {}, [[]], {"": 0}])


def list_slots(value: Any) -> list[tuple[Any, Any]]:
    """List every place of a document as its holder and key."""
    if not isinstance(value, dict | list):
        return []
    items = list(value.items() if isinstance(value, dict) else enumerate(value))
    return [slot for key, inner in items for slot in [(value, key), *list_slots(inner)]]


def mutate(document: Document, data: st.DataObject) -> None:
    """Delete, replace or duplicate one key or value, wherever it is."""
    holder, key = data.draw(st.sampled_from(list_slots(document)))
    match data.draw(st.sampled_from(["delete", "replace", "duplicate"])):
        case "delete":
            del holder[key]
        case "replace":
            holder[key] = data.draw(LEAVES | ODD)
        case _ if isinstance(holder, list):
            holder.insert(key, copy.deepcopy(holder[key]))
        case _:
            holder[data.draw(st.sampled_from(sorted(holder)))] = copy.deepcopy(holder[key])


def find_refusal(place: Workplace) -> ClerpError | None:
    """Label and write; only clerp's own error may keep it from that."""
    try:
        labeled = clerp.label(
            place.graph, features=str(place.features), ledger=":memory:", rule="protocol"
        )
        labeled.write(place.out, "circuit-tracer")
    except ClerpError as refusal:
        return refusal
    return None


@pytest.fixture(scope="module")
def labeled_graph(tmp_path_factory: pytest.TempPathFactory) -> Document:
    folder = tmp_path_factory.mktemp("labeled")
    features = write_records(folder / "features", build_records())
    labeled = clerp.label(build_tiny_graph(), features=str(features), ledger=":memory:")
    return json.loads(json.dumps(labeled.document))


@pytest.mark.parametrize("already", [False, True], ids=["as exported", "labelled before"])
@RELAXED
@given(data=st.data())
def test_whatever_befalls_a_graph_clerp_labels_or_refuses_it(
    place: Workplace, labeled_graph: Document, already: bool, data: st.DataObject
) -> None:
    document = copy.deepcopy(labeled_graph) if already else build_tiny_graph()
    for _ in range(data.draw(st.integers(1, 2))):
        mutate(document, data)
    write_graph(place.graph, document)
    place.out.write_bytes(b"labels of last week")

    refusal = find_refusal(place)
    if refusal is not None:
        assert refusal.where.startswith(str(place.graph)), refusal
        assert refusal.remedy, refusal
        assert place.out.read_bytes() == b"labels of last week"
        return
    given, written = json.loads(place.graph.read_bytes()), json.loads(place.out.read_bytes())
    assert len(written["nodes"]) == len(given["nodes"])
    assert written["links"] == given["links"]


@RELAXED
@given(data=st.data())
def test_whatever_befalls_a_record_clerp_labels_the_graph(
    place: Workplace, data: st.DataObject
) -> None:
    record = build_records()[DAMAGED]
    for _ in range(data.draw(st.integers(1, 2))):
        mutate(record, data)
    (place.features / RECORD).write_text(json.dumps(record))

    labeled = clerp.label(
        place.graph, features=str(place.features), ledger=":memory:", rule="protocol"
    )
    labeled.write(place.out)

    statuses = {f.feature: f.status for f in labeled.features if f.feature != DAMAGED}
    assert set(statuses.values()) == {"labeled"}
