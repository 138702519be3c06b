import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.graph.conftest import build_graph
from tests.unit.targets.conftest import annotate_graph

from clerp.errors import GraphError
from clerp.graph import read_graph
from clerp.targets.given_labels import read_entries, read_given_labels

ENTRIES = st.lists(st.tuples(st.text(), st.text()), max_size=5)


def read(clerps: object) -> list[tuple[str, str]]:
    return read_entries({"qParams": {"clerps": clerps}}, "g")


@given(ENTRIES)
def test_either_form_is_read_as_written(entries: list[tuple[str, str]]):
    assert read([list(entry) for entry in entries]) == entries
    assert read(json.dumps(entries)) == entries


@pytest.mark.parametrize("document", [{}, {"qParams": None}, {"qParams": {}}])
def test_a_graph_without_them_has_none(document: dict[str, Any]):
    assert read_entries(document, "g") == []


@pytest.mark.parametrize("clerps", [None, "", "null", "[]", []])
def test_none_are_none_however_that_is_spelled(clerps: object):
    assert read(clerps) == []


@pytest.mark.parametrize(
    "clerps", [7, "{", "7", {"a": "b"}, [["a"]], [["a", "b", "c"]], [[1, "b"]]]
)
def test_what_is_neither_form_is_an_error_with_its_place(clerps: object):
    with pytest.raises(GraphError, match=r"^g, qParams\.clerps: cannot be read"):
        read(clerps)


def test_what_clerp_wrote_there_itself_is_nobodys():
    labelled = annotate_graph(read_graph(build_graph()))
    labelled["qParams"]["clerps"] = [["0_7_1", "Texas"], ["1_7_1", "mine"], ["2_7_1", ""]]
    graph = read_graph(labelled)
    assert read_given_labels(graph, graph.document) == {"1_7_1": "mine"}
