"""circuit-tracer's own graphs, saved and in memory, labelled like its JSON."""

import json
from pathlib import Path

import pytest
from tests.command_line import make_runner
from tests.tiny_graph import build_records, write_bins
from tests.traced_graphs import trace_graph, write_json

import clerp
from clerp.graph import read_graph


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One graph in memory's two forms on disk, and the evidence of its features."""
    folder = tmp_path_factory.mktemp("traced")
    traced = trace_graph(folder / "model")
    traced.to_pt(str(folder / "traced.pt"))
    write_json(traced, folder, "traced")
    write_bins(folder / "features", build_records(read_graph(folder / "traced.json").features))
    return folder


def test_a_graph_is_labelled_alike_in_every_form(folder: Path, tmp_path: Path) -> None:
    forms = {
        "json": folder / "traced.json",
        "saved": folder / "traced.pt",
        "live": trace_graph(tmp_path / "model"),
    }
    labeled = {
        name: clerp.label(form, features=folder / "features", ledger=tmp_path / "clerp.db")
        for name, form in forms.items()
    }
    shown = {
        name: [(node["node_id"], node["clerp"]) for node in graph.document["nodes"]]
        for name, graph in labeled.items()
    }
    assert shown["json"] == shown["saved"] == shown["live"]
    assert len({feature.label.text for feature in labeled["live"] if feature.label}) > 1


def test_a_saved_graph_is_written_beside_itself_as_json(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_runner(capsys, monkeypatch)
    ledger = folder / "clerp.db"
    outcome = run("label", folder / "traced.pt", "--target", "circuit-tracer", "--ledger", ledger)

    assert outcome.code == 0, outcome
    written = json.loads((folder / "traced.labeled.json").read_text())
    listed = json.loads((folder / "graph-metadata.json").read_text())["graphs"]
    assert written["metadata"]["slug"] == "traced.labeled"
    assert "traced.labeled" in {graph["slug"] for graph in listed}
    assert str(folder) not in (folder / "traced.labeled.json").read_text()
