"""Small graphs, labelled as clerp does."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import strategies as st
from tests.unit.graph.conftest import build_graph

from clerp.graph import AttributionGraph, NodeAnnotation, annotate, read_graph

Document = dict[str, Any]
LABELS = ("Texas", "say Austin", "")
SCORES = {"input": {"raw": 0.5, "z": 4.25, "p": 0.001}, "output": {"raw": -0.25, "z": None}}
# msgspec writes no lone surrogates, and numbers beyond 64 bits are a fault of their own.
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def annotate_graph(graph: AttributionGraph, labels: tuple[str, ...] = LABELS) -> Document:
    """Return a graph with these labels on its first feature nodes, and a record of them."""
    notes = {
        node.place: NodeAnnotation(label, "input", 1, "counting", "labeled", 12.5, None, None)
        for node, label in zip(graph.feature_nodes, labels, strict=False)
    }
    features = {
        str(node.feature): {"clerp": label, "scores": SCORES}
        for node, label in zip(graph.feature_nodes, labels, strict=False)
    }
    return annotate(graph, notes, {"schema_version": 1, "features": features})


@pytest.fixture
def document() -> Document:
    return build_graph()


@pytest.fixture
def label_graph() -> Callable[[Document], tuple[AttributionGraph, Document]]:
    """Read a document, and label the graph."""

    def label(document: Document) -> tuple[AttributionGraph, Document]:
        graph = read_graph(document)
        return graph, annotate_graph(graph)

    return label
