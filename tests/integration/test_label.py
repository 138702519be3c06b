"""The whole way over a bundled graph."""

import json
from pathlib import Path

import pytest

import clerp
from clerp.cli import main
from clerp.graph import read_graph

GRAPHS = Path(__file__).parents[2] / "graphs" / "smollm2-135m"
FRANCE = GRAPHS / "capital-of-france.json"


def test_two_runs_write_the_same_bytes_and_relabelling_changes_nothing(tmp_path: Path) -> None:
    evidence = str(GRAPHS / "features")
    for name in ("a", "b"):
        clerp.label(FRANCE, ledger=str(tmp_path / f"{name}.db")).write(tmp_path / f"{name}.json")
    again = clerp.label(tmp_path / "a.json", features=evidence, ledger=str(tmp_path / "c.db"))
    again.write(tmp_path / "c.json")

    written = {name: (tmp_path / f"{name}.json").read_bytes() for name in ("a", "b", "c")}
    assert written["a"] == written["b"] == written["c"]


def test_a_parsed_graph_is_labelled_and_only_feature_nodes_change(tmp_path: Path) -> None:
    document = json.loads(FRANCE.read_text())
    labeled = clerp.label(
        document, features=str(GRAPHS / "features"), ledger=str(tmp_path / "ledger.db")
    )
    labeled.write(tmp_path / "out.json", target="circuit-tracer")

    output = json.loads((tmp_path / "out.json").read_text())
    assert len(labeled) == len(read_graph(FRANCE).features)
    assert "clerps" not in output["qParams"]
    assert output["links"] == document["links"]
    for before, after in zip(document["nodes"], output["nodes"], strict=True):
        if before["feature_type"] == "cross layer transcoder":
            assert after["clerp_role"] in {"input", "output", "cross", "obscure", "artefact"}
        else:
            assert after == before
    assert any(labeled_feature.status == "labeled" for labeled_feature in labeled)


def test_route_writes_one_line_for_every_feature(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["clerp", "route", str(FRANCE)])
    with pytest.raises(SystemExit) as stopped:
        main()

    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert stopped.value.code == 0
    assert [(line["layer"], line["index"]) for line in lines] == [
        (feature.layer, feature.index) for feature in read_graph(FRANCE).features
    ]


def test_a_missing_graph_is_one_line_and_exit_1(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("sys.argv", ["clerp", "label", str(tmp_path / "none.json")])
    with pytest.raises(SystemExit) as stopped:
        main()

    message = capsys.readouterr().err
    assert stopped.value.code == 1
    assert "none.json" in message
    assert message.count("\n") == 1
