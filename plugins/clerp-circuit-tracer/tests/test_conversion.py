import hashlib
import json
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
import torch
from circuit_tracer import Graph
from circuit_tracer.attribution.targets import LogitTarget
from tests.traced_graphs import SCAN, WORDS, change, save_tokenizer, trace_graph, write_json

from clerp.errors import GraphError
from clerp.graph import read_graph
from clerp_circuit_tracer.graph.contents import read_contents
from clerp_circuit_tracer.graph.conversion import convert


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("model")


@pytest.fixture(scope="module")
def graph(model: Path) -> Graph:
    return trace_graph(model)


def test_it_is_what_circuit_tracer_writes(graph: Graph, tmp_path: Path) -> None:
    document = convert_graph(graph)

    assert json.dumps(document) == json.dumps(write_json(graph, tmp_path, "tiny"))
    assert len(document["links"]) > 100


def test_clerp_reads_it_with_the_features_that_were_traced(graph: Graph) -> None:
    read = read_graph(convert_graph(graph))

    traced = {(layer, index) for layer, _, index in graph.active_features.tolist()}
    assert {(feature.layer, feature.index) for feature in read.features} <= traced
    assert len(read.features) > 10
    assert read.scan == SCAN


def test_the_given_graph_stays_as_it_was(graph: Graph) -> None:
    before = {key: (value, _copy(value)) for key, value in vars(graph).items()}

    convert_graph(graph)

    for key, (value, content) in before.items():
        assert vars(graph)[key] is value, key
        if isinstance(value, torch.Tensor):
            assert isinstance(content, torch.Tensor)
            assert torch.equal(value, content), key
        else:
            assert value == content, key


def test_a_bfloat16_graph_counts_as_its_values_in_single_precision(
    graph: Graph, tmp_path: Path
) -> None:
    half = change(
        graph,
        adjacency_matrix=graph.adjacency_matrix.bfloat16(),
        activation_values=graph.activation_values.bfloat16(),
        logit_probabilities=graph.logit_probabilities.bfloat16(),
    )
    single = change(half, adjacency_matrix=half.adjacency_matrix.float())

    assert convert_graph(half) == write_json(single, tmp_path, "tiny")
    assert half.adjacency_matrix.dtype == torch.bfloat16


def test_a_list_of_transcoders_has_the_same_name_everywhere(graph: Graph, tmp_path: Path) -> None:
    names = ["owner/layer-0", "owner/layer-1@main"]
    listed = change(graph, scan=names)

    document = convert_graph(listed)

    written = write_json(listed, tmp_path, "tiny")
    digest = hashlib.sha256(b'["owner/layer-0","owner/layer-1@main"]').hexdigest()
    assert document["metadata"]["scan"] == f"custom-{digest[:16]}"
    assert document["metadata"]["transcoder_list"] == names
    written["metadata"]["scan"] = document["metadata"]["scan"]
    assert document == written
    assert read_graph(document).transcoder_identity.name == document["metadata"]["scan"]


def test_a_graph_without_a_scan_has_an_empty_one(graph: Graph) -> None:
    document = convert_graph(change(graph, scan=None))

    assert document["metadata"]["scan"] == ""
    assert document["metadata"]["transcoder_list"] == []


def test_influence_that_is_no_number_becomes_null(graph: Graph, tmp_path: Path) -> None:
    empty = change(graph, adjacency_matrix=torch.zeros_like(graph.adjacency_matrix))

    document = convert_graph(empty)

    assert {node["influence"] for node in document["nodes"]} == {None}
    assert document == write_json(empty, tmp_path, "tiny")


def test_targets_beyond_the_vocabulary_keep_their_text(graph: Graph, tmp_path: Path) -> None:
    targets = [LogitTarget("one - two", 16), *graph.logit_targets[1:]]
    custom = change(graph, logit_targets=targets)

    document = convert_graph(custom)

    assert 'Output "one - two"' in json.dumps(document).replace('\\"', '"')
    assert document == write_json(custom, tmp_path, "tiny")


def test_a_graph_with_a_cycle_is_refused(graph: Graph) -> None:
    n_nodes = len(graph.adjacency_matrix)

    with pytest.raises(GraphError, match=r"adjacency_matrix: cannot be pruned"):
        convert_graph(change(graph, adjacency_matrix=torch.ones(n_nodes, n_nodes)))


def test_no_folder_of_this_machine_is_in_it(graph: Graph, model: Path) -> None:
    assert graph.cfg.tokenizer_name == str(model)
    assert str(model) not in json.dumps(convert_graph(graph))


def test_a_tokenizer_that_is_not_here_is_named_with_what_to_do(
    graph: Graph, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))

    with pytest.raises(GraphError, match="'owner/model' is not on this machine") as refused:
        convert_graph(graph, tokenizer="owner/model")

    assert "create_graph_files" in refused.value.remedy


@pytest.mark.parametrize("name", ["", "../x", "a\0b", "x" * 4000])
def test_a_name_that_no_tokenizer_has_is_refused(
    graph: Graph, name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")

    with pytest.raises(GraphError, match="is not on this machine"):
        convert_graph(graph, tokenizer=name)


def test_a_folder_without_a_tokenizer_is_refused_in_a_line(graph: Graph, tmp_path: Path) -> None:
    with pytest.raises(GraphError, match="cannot be loaded") as refused:
        convert_graph(graph, tokenizer=str(tmp_path))

    assert len(str(refused.value)) < 600 + len(str(tmp_path))


def test_a_broken_tokenizer_is_named_with_its_fault(graph: Graph, tmp_path: Path) -> None:
    save_tokenizer(tmp_path)
    (tmp_path / "tokenizer.json").write_text('{"version": "1.0"}')

    with pytest.raises(GraphError, match=f"the tokenizer '{tmp_path}' cannot be loaded"):
        convert_graph(graph, tokenizer=str(tmp_path))


def test_code_that_comes_with_a_tokenizer_is_not_run(graph: Graph, tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    (tmp_path / "evil.py").write_text(f"open({str(marker)!r}, 'w').close()\n")
    settings = {"tokenizer_class": "Evil", "auto_map": {"AutoTokenizer": ["evil.Evil", None]}}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings))

    with pytest.raises(GraphError, match="cannot be loaded"):
        convert_graph(graph, tokenizer=str(tmp_path))

    assert not marker.exists()


def test_a_large_vocabulary_in_the_cache_is_read_without_asking_the_hub(
    graph: Graph, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    repository = tmp_path / "models--owner--model"
    snapshot = repository / "snapshots" / "0"
    save_tokenizer(snapshot, (*WORDS, *(f"word{number}" for number in range(100_000))))
    (snapshot / "config.json").write_text('{"model_type": "llama", "transformers_version": "4.40"}')
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("0")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(huggingface_hub, "model_info", _refuse_to_ask)

    document = convert_graph(graph, tokenizer="owner/model")

    assert document["metadata"]["prompt_tokens"][:3] == ["<bos>", "one", "two"]


def convert_graph(graph: Graph, tokenizer: str | None = None) -> dict[str, Any]:
    config = vars(graph.cfg)
    if tokenizer is not None:
        config = config | {"tokenizer_name": tokenizer}
    return convert(read_contents(vars(graph), config, "graph.pt"), "tiny", "graph.pt")


def _copy(value: object) -> object:
    return value.clone() if isinstance(value, torch.Tensor) else value


def _refuse_to_ask(*_: object, **__: object) -> None:
    raise AssertionError("the hub was asked")
