"""The whole way over bundled graphs: label and write."""

import json
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from tests.labelled_sample import write_part

import clerp
from clerp.graph import read_graph
from clerp.labeled import LabeledGraph
from clerp.progress import Progress

GRAPHS = Path(__file__).parents[2] / "graphs" / "smollm2-135m"
EVIDENCE = GRAPHS / "features"
FRANCE = GRAPHS / "capital-of-france.json"
SIX = GRAPHS / "counting-to-six.json"
CLERP = Path(sys.executable).with_name("clerp")


class Run(NamedTuple):
    """One run over two graphs."""

    france: LabeledGraph
    six: LabeledGraph
    told: list[Progress]
    ledger: Path


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    ledger = tmp_path_factory.mktemp("run") / "ledger.db"
    told: list[Progress] = []
    france, six = clerp.label([FRANCE, SIX], ledger=ledger, progress=told.append)
    return Run(france, six, told, ledger)


def label_elsewhere(folder: Path, *arguments: str | Path) -> list[Path]:
    """Label in a process and a ledger of its own; return the graphs that it writes, in order."""
    folder.mkdir()
    command = [CLERP, "label", *arguments, "--out", folder, "--ledger", folder / "ledger.db"]
    subprocess.run(command, check=True, capture_output=True)
    graphs = [Path(a) for a in arguments if Path(a).suffix == ".json"]
    return [folder / f"{graph.name.partition('.')[0]}.labeled.json" for graph in graphs]


def without_labels(node: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in node.items() if not key.startswith("clerp")}


@pytest.mark.slow
def test_two_runs_write_the_same_bytes_and_relabelling_changes_nothing(tmp_path: Path) -> None:
    first = label_elsewhere(tmp_path / "a", FRANCE)
    second = label_elsewhere(tmp_path / "b", FRANCE)
    again = label_elsewhere(tmp_path / "c", *first, "--features", EVIDENCE)

    assert first[0].read_bytes() == second[0].read_bytes() == again[0].read_bytes()


def test_only_feature_nodes_and_the_record_change(run: Run, tmp_path: Path) -> None:
    for graph, labeled in ((FRANCE, run.france), (SIX, run.six)):
        document = json.loads(graph.read_text())
        labeled.write(tmp_path / graph.name)
        output = json.loads((tmp_path / graph.name).read_text())

        record = output["metadata"].pop("clerp")
        assert len(record["features"]) == len(labeled) == len(read_graph(graph).features)
        assert list(output) == list(document)
        assert all(output[key] == document[key] for key in document if key != "nodes")
        for before, after in zip(document["nodes"], output["nodes"], strict=True):
            if before["feature_type"] == "cross layer transcoder":
                assert without_labels(after) == without_labels(before)
                assert after["clerp_role"] in {"input", "output", "cross", "obscure", "artefact"}
                assert (after["clerp"] != "") == (after["clerp_status"] == "labeled")
            else:
                assert after == before


def test_features_of_several_graphs_are_labelled_once_and_alike(run: Run) -> None:
    france, six = run.france, run.six
    both = set(france.graph.features) | set(six.graph.features)
    shared = set(france.graph.features) & set(six.graph.features)
    assert [graph.graph.name for graph in (france, six)] == [FRANCE.stem, SIX.stem]
    assert len(shared) > 0
    assert max(p.done for p in run.told if p.stage == "label") == len(both)
    for feature in shared:
        assert france[feature].label == six[feature].label
        assert france[feature].route == six[feature].route


@pytest.mark.slow
def test_the_order_of_several_graphs_changes_nothing(tmp_path: Path) -> None:
    france, six = label_elsewhere(tmp_path / "a", FRANCE, SIX)
    other_six, other_france = label_elsewhere(tmp_path / "b", SIX, FRANCE)

    assert france.read_bytes() == other_france.read_bytes()
    assert six.read_bytes() == other_six.read_bytes()


def test_neither_the_order_of_graphs_nor_what_ran_before_changes_anything(tmp_path: Path):
    parts = [write_part(tmp_path, graph.stem, 12) for graph in (FRANCE, SIX)]
    first = clerp.label(parts, features=EVIDENCE, ledger=tmp_path / "a.db")
    second = clerp.label(parts[::-1], features=EVIDENCE, ledger=tmp_path / "b.db")
    assert [graph.graph.name for graph in second] == [SIX.stem, FRANCE.stem]
    assert [graph.document for graph in first] == [graph.document for graph in second[::-1]]


def test_every_feature_without_a_label_waits_in_the_ledger(run: Run) -> None:
    unlabeled = {f.feature for graph in (run.france, run.six) for f in graph if f.label is None}
    with sqlite3.connect(run.ledger) as ledger:
        waiting = "SELECT layer, feature_index, kind FROM queue WHERE status <> 'labeled'"
        queued = set(ledger.execute(waiting))
    assert queued == {tuple(feature) for feature in unlabeled}


def test_progress_begins_at_nothing_and_ends_with_all(run: Run) -> None:
    stages = list(dict.fromkeys(p.stage for p in run.told))
    assert stages == ["read", "evidence", "score", "label"]
    for stage in stages:
        of_stage = [p for p in run.told if p.stage == stage]
        assert of_stage[0].done == 0
        assert of_stage[-1].done == of_stage[-1].total > 0


def test_every_label_names_the_examples_that_it_rests_on(run: Run) -> None:
    labeled = [f for f in run.france if f.label is not None]
    assert len(labeled) > 150
    for feature in labeled:
        assert feature.label is not None
        assert feature.reason
        assert len(feature.label.text) <= 40
        assert feature.label.evidence or feature.route.role == "output"
