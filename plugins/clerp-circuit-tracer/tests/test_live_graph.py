from pathlib import Path
from typing import Any

import pytest
import torch
from circuit_tracer import Graph
from circuit_tracer.attribution.targets import LogitTarget
from tests.traced_graphs import N_LAYERS, change, trace_graph, write_json

from clerp.errors import GraphError, UsageError
from clerp.graph import read_graph
from clerp.testing import check_registered
from clerp_circuit_tracer.graph.live import LiveGraphReader


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> Graph:
    return trace_graph(tmp_path_factory.mktemp("model"))


def test_it_keeps_the_contract(graph: Graph) -> None:
    empty = change(graph, input_tokens=None)

    check_registered("readers", "circuit_tracer.graph.Graph", source=graph, unreadable=empty)


def test_it_is_what_circuit_tracer_writes_under_the_slug_graph(
    graph: Graph, tmp_path: Path
) -> None:
    assert LiveGraphReader("").read(graph) == write_json(graph, tmp_path, "graph")


def test_clerp_reads_a_graph_in_memory(graph: Graph) -> None:
    read = read_graph(graph)

    assert (read.name, read.slug, read.prompt) == ("graph", "graph", graph.input_string)
    assert len(read.feature_nodes) > 10


def test_a_graph_of_a_derived_class_is_read(graph: Graph) -> None:
    class Annotated(Graph):
        pass

    derived = Annotated.__new__(Annotated)
    vars(derived).update(vars(graph))

    assert read_graph(derived).document == read_graph(graph).document


def test_another_object_is_refused() -> None:
    with pytest.raises(GraphError, match=r"expected a circuit_tracer\.Graph, got dict"):
        LiveGraphReader("").read({})


def test_an_argument_is_refused() -> None:
    with pytest.raises(UsageError, match="takes no argument"):
        LiveGraphReader("x")


# What each field must be holds for saved graphs too: both readers check in one place.


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"input_string": None}, "input_string: expected text, got NoneType"),
        ({"input_string": "\ud800"}, "input_string: half of a character"),
        ({"input_string": "x" * (2**22 + 1)}, "input_string: more than 4,194,304 characters"),
        ({"input_tokens": [1, 2]}, "input_tokens: expected a dense tensor, got list"),
        ({"input_tokens": torch.tensor([1.0])}, "input_tokens: unexpected type torch.float32"),
        ({"input_tokens": torch.tensor([[1]])}, r"input_tokens: expected the shape (any), got"),
        ({"input_tokens": torch.tensor([], dtype=torch.long)}, "input_tokens: empty"),
        ({"input_tokens": torch.tensor([1, 16])}, "values from 1 to 16, expected 0 to 15"),
        ({"input_tokens": torch.tensor([-1])}, "input_tokens: values from -1 to -1"),
        ({"adjacency_matrix": torch.zeros(3, 3)}, "adjacency_matrix: expected the shape"),
        ({"adjacency_matrix": torch.zeros(3, 3).to_sparse()}, "adjacency_matrix: expected a dense"),
        ({"adjacency_matrix": "nan"}, "adjacency_matrix: values from nan to nan"),
        ({"adjacency_matrix": "inf"}, "adjacency_matrix: values from 0.0 to inf"),
        ({"adjacency_matrix": "beyond"}, "adjacency_matrix: values from 0.0 to 1e+300"),
        ({"adjacency_matrix": "repeated"}, "but fewer values"),
        ({"active_features": torch.zeros(5, 2, dtype=torch.long)}, "active_features: expected the"),
        ({"active_features": torch.tensor([[N_LAYERS, 0, 0]])}, "active_features: layer 2 of 2"),
        ({"active_features": torch.tensor([[0, 6, 0]])}, "active_features: position 6 of 6"),
        ({"active_features": torch.tensor([[0, 0, -1]])}, "active_features: values from -1"),
        ({"selected_features": torch.tensor([0, 10**6])}, "selected_features: values from 0 to"),
        ({"activation_values": torch.zeros(3)}, "activation_values: expected the shape"),
        ({"logit_targets": []}, "logit_targets: empty"),
        ({"logit_targets": "abc"}, "logit_targets: expected a dense tensor, got str"),
        ({"logit_targets": [("a",)]}, r"logit_targets[0]: expected a token and its id"),
        ({"logit_targets": [LogitTarget("a", -1)]}, r"logit_targets[0]: expected the id"),
        ({"logit_targets": [("a", True)]}, r"logit_targets[0]: expected the id"),
        ({"logit_targets": [("a" * 4097, 1)]}, r"logit_targets[0]: more than 4,096 characters"),
        ({"logit_targets": torch.tensor([99])}, "logit_targets: values from 99 to 99"),
        ({"logit_probabilities": torch.zeros(2)}, "logit_probabilities: expected the shape (3)"),
        ({"scan": 3}, "scan: expected text, got 3"),
        ({"scan": ["a", 1]}, r"scan[1]: expected text, got 1"),
        ({"scan": ["a"] * 4097}, "scan: more than 4096 transcoders"),
    ],
)  # fmt: skip
def test_a_field_that_is_not_what_it_should_be_is_named(
    graph: Graph, fields: dict[str, Any], message: str
) -> None:
    given = {key: _spoil(graph, value) for key, value in fields.items()}

    with pytest.raises(GraphError) as refused:
        LiveGraphReader("").read(change(graph, **given))

    assert message in str(refused.value)
    assert "the given graph, " in str(refused.value)


@pytest.mark.parametrize("key", ["input_string", "adjacency_matrix", "scan", "logit_targets"])
def test_a_field_that_is_missing_is_named(graph: Graph, key: str) -> None:
    without = change(graph)
    del vars(without)[key]

    with pytest.raises(GraphError, match=rf"{key.replace('targets', 'tokens')}: missing"):
        LiveGraphReader("").read(without)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("n_layers", 0, "cfg, n_layers: expected a whole number from 1 up, got 0"),
        ("n_layers", True, "cfg, n_layers: expected a whole number from 1 up, got True"),
        ("n_layers", 10**30, "adjacency_matrix: expected the shape"),
        ("d_vocab", None, "cfg, d_vocab: expected a whole number from 1 up, got NoneType"),
        ("tokenizer_name", 1, "cfg, tokenizer_name: expected text, got 1"),
    ],
)
def test_a_setting_of_the_model_that_is_not_what_it_should_be_is_named(
    graph: Graph, key: str, value: object, message: str
) -> None:
    with pytest.raises(GraphError) as refused:
        LiveGraphReader("").read(change(graph, cfg=change(graph.cfg, **{key: value})))

    assert message in str(refused.value)


@pytest.mark.parametrize("key", ["input_tokens", "logit_targets"])
def test_an_id_that_no_tokenizer_can_have_is_named(graph: Graph, key: str) -> None:
    vast = change(graph.cfg, d_vocab=2**34)

    with pytest.raises(GraphError, match=rf"{key}: values from .* to 8589934592"):
        LiveGraphReader("").read(change(graph, cfg=vast, **{key: torch.tensor([2**33])}))


def _spoil(graph: Graph, value: object) -> object:
    """Make the matrix that a name stands for; everything else is given as it is."""
    good = graph.adjacency_matrix
    match value:
        case "nan":
            return good * torch.nan
        case "inf":
            return torch.where(torch.eye(len(good), dtype=torch.bool), torch.inf, 0.0)
        case "beyond":
            return torch.eye(len(good), dtype=torch.float64) * 1e300
        case "repeated":
            return torch.zeros(1).expand(good.shape)
        case _:
            return value
