"""`clerp why` and `clerp config show`."""

import json
from pathlib import Path

import numpy as np
import pytest
from tests.command_line import Run, make_runner
from tests.labelled_sample import SAMPLE, write_part
from tests.tiny_graph import (
    FEATURES,
    build_records,
    build_tiny_graph,
    write_graph,
    write_records,
)

import clerp
from clerp.embedding import WordLlamaEmbedder
from clerp.feature import FeatureId
from clerp.pipeline import explain

DALLAS, ARTEFACT = FEATURES[0], FEATURES[3]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    monkeypatch.chdir(tmp_path)
    records = build_records()
    del records[ARTEFACT]["examples_quantiles"][0]["examples"][4:]
    write_graph(tmp_path / "graph.json", build_tiny_graph())
    write_records(tmp_path / "features", records)
    return make_runner(capsys, monkeypatch)


def test_why_shows_the_label_that_the_run_made(run: Run) -> None:
    own = clerp.label("graph.json", ledger=":memory:")[DALLAS]
    outcome = run("why", "graph.json", DALLAS, "--json")
    told = json.loads(outcome.out)
    assert own.label is not None
    assert outcome.code == 0
    assert (told["feature"], told["label"]["text"]) == (str(DALLAS), own.label.text)
    assert told["reason"] == own.reason
    assert told["route"]["scores"]["input"]["z"] == own.route.scores["input"].z
    assert told["steps"][-1] == "so the role is input, tier 1"
    assert told["peak_words"][0]["word"] == "Dallas"


def test_the_windows_add_up_to_the_score(tmp_path: Path) -> None:
    graph = write_part(tmp_path, "capital-of-france", 10)
    explained = explain(graph, FeatureId(0, 1), features=SAMPLE / "features")
    channel = next(c for c in explained.channels if c.channel == "input")
    vectors = WordLlamaEmbedder().embed([w.text.strip(" ") for w in channel.windows])
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    cosines = unit @ unit.T
    n = len(unit)
    assert channel.score is not None
    assert channel.score.raw == pytest.approx((cosines.sum() - n) / (n * (n - 1)), abs=1e-4)
    for i, window in enumerate(channel.windows):
        assert window.similarity == pytest.approx((cosines[i].sum() - 1) / (n - 1), abs=1e-3)
    assert channel.null is not None
    z = (channel.score.raw - channel.null.mean) / channel.null.spread
    assert channel.score.z == pytest.approx(z, rel=0.2)


def test_why_is_readable_and_makes_no_file(run: Run, tmp_path: Path) -> None:
    outcome = run("why", "graph.json", DALLAS)
    assert outcome.code == 0
    assert outcome.out.startswith("0_10  Dallas  input, tier 1, confidence ")
    for part in ("Route", "Channel input", "Words at the peak", "Promoted tokens", "On record"):
        assert part in outcome.out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["features", "graph.json"]


def test_nothing_that_a_text_holds_acts_on_the_terminal(run: Run, tmp_path: Path) -> None:
    records = build_records()
    for example in records[DALLAS]["examples_quantiles"][0]["examples"]:
        example["tokens"][7] = " [red]\x1b[31m\u202e"
    write_records(tmp_path / "hostile", records)
    outcome = run("why", "graph.json", DALLAS, "--features", "hostile")
    assert outcome.code == 0
    assert "[red]" in outcome.out
    assert not set("\x1b\u202e") & set(outcome.out)


def test_a_labelled_graph_is_explained_with_its_own_settings(run: Run) -> None:
    windows = "input=0:0,output=1:1,cross=-4:4"
    clerp.label("graph.json", rule="protocol", windows=windows, ledger=":memory:").write("x.json")
    told = json.loads(run("why", "x.json", DALLAS, "--json").out)
    assert told["channels"][0]["window"] == [0, 0]
    assert told["steps"][1].startswith("input ")
    assert told["channels"][0]["null"] is None
    assert told["notes"] == []

    other = json.loads(run("why", "x.json", DALLAS, "--rule", "calibrated", "--json").out)
    assert other["channels"][0]["null"]["draws"] == 20_000


def test_why_says_where_the_file_has_another_label_or_other_evidence(run: Run) -> None:
    document = clerp.label("graph.json", ledger=":memory:").document
    record = document["metadata"]["clerp"]
    record["features"][str(DALLAS)]["label"] = "another"
    record["null"]["passages"] = "others"
    record["features"][str(DALLAS)]["evidence_digest"] = "0"
    record["embedder"] = "another@1"
    Path("edited.json").write_text(json.dumps(document))
    notes = json.loads(run("why", "edited.json", DALLAS, "--json").out)["notes"]
    assert "the graph has the label 'another'" in notes
    assert "the graph was labelled with other evidence" in notes
    assert any("against other ordinary text" in note for note in notes)
    assert any("labelled with another@1" in note for note in notes)


def test_an_artefact_is_explained_by_its_reason(run: Run) -> None:
    told = json.loads(run("why", "graph.json", ARTEFACT, "--json").out)
    assert (told["status"], told["label"]) == ("abstained", None)
    assert told["steps"] == ["too few examples: 4 usable, 5 needed"]


@pytest.mark.parametrize(
    ("feature", "fault"), [("29_1000000", "there is no feature"), ("paris", "is not a feature")]
)
def test_a_feature_that_is_not_there_is_one_line(run: Run, feature: str, fault: str) -> None:
    outcome = run("why", "graph.json", feature)
    assert (outcome.code, outcome.out) == (1, "")
    assert fault in outcome.err
    assert outcome.err.count("\n") == 1


def test_config_show_tells_values_and_where_they_come_from(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "clerp.toml").write_text('rule = "protocol"\nconcurrency = 2\n')
    monkeypatch.setenv("CLERP_CONCURRENCY", "3")
    monkeypatch.setenv("CLERP_LEDGER", "postgresql://ada:s3cret@db.example/clerp")
    outcome = run("config", "show", "--json")
    shown = {line["name"]: line for line in map(json.loads, outcome.out.splitlines())}
    assert (shown["rule"]["value"], shown["rule"]["from"]) == ("protocol", "clerp.toml")
    assert (shown["concurrency"]["value"], shown["concurrency"]["from"]) == (
        3,
        "CLERP_CONCURRENCY",
    )
    assert shown["style"]["from"] == "default"
    assert "s3cret" not in outcome.out + outcome.err
    assert "db.example" in shown["ledger"]["value"]
