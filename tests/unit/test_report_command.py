from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from tests.command_line import assert_refused, make_runner
from tests.tiny_graph import build_records, build_tiny_graph, write_graph, write_records
from tests.unit.graph.conftest import build_graph
from tests.unit.report.html.labelled_graphs import Named, build_labelled

import clerp
from clerp.errors import EvidenceError, GraphError, OutputError, UsageError
from clerp.report_command import report

FEATURES = [Named(layer, 10 + layer) for layer in range(4)]


def write(path: Path, features: Iterable[Named] = FEATURES, **metadata: Any) -> Path:
    return write_graph(path, build_labelled(list(features), **metadata))


def test_a_report_takes_the_examples_beside_the_graph(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    graph, out = write(tmp_path / "graph.json"), tmp_path / "report.html"
    write_records(tmp_path / "features", build_records())
    report([graph], out)
    written = capsys.readouterr()
    assert (written.out, written.err) == ("", f"Written: {out}\n")
    html = out.read_text("utf-8")
    assert html.count('<ol class="rows">') == len(FEATURES)
    assert "Dallas" in html
    assert str(tmp_path) not in html


def test_python_writes_the_same_report(tmp_path: Path):
    features = write_records(tmp_path / "features", build_records())
    graph = write_graph(tmp_path / "graph.json", build_tiny_graph())
    ledger = str(tmp_path / "clerp.db")
    labeled = clerp.label(graph, ledger=ledger)
    # Its name is in the report.
    labeled.write(graph)
    report([graph], tmp_path / "command.html", features=str(features))
    labeled.report(tmp_path / "python.html")
    assert (tmp_path / "python.html").read_bytes() == (tmp_path / "command.html").read_bytes()
    assert (tmp_path / "python.html").read_text("utf-8").count('<ol class="rows">') > 1


def test_python_compares_two_runs(tmp_path: Path):
    write_records(tmp_path / "features", build_records())
    graph = write_graph(tmp_path / "graph.json", build_tiny_graph())
    ledger = str(tmp_path / "clerp.db")
    one, other = (clerp.label(graph, ledger=ledger, alpha=alpha) for alpha in (0.05, 0.04))
    one.report(tmp_path / "report.html", compare=other)
    assert "What changed since graph" in (tmp_path / "report.html").read_text("utf-8")
    with pytest.raises(UsageError, match=r"ends in \.html"):
        one.report(tmp_path / "report.pdf")
    assert not (tmp_path / "report.pdf").exists()


def test_the_command_line_has_the_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    run = make_runner(capsys, monkeypatch)
    graph, out = write(tmp_path / "graph.json"), tmp_path / "report.html"
    done = run("report", graph, "--out", out)
    assert (done.code, done.out, done.err) == (0, "", f"Written: {out}\n")
    assert_refused(run("report", graph, "--out", tmp_path / "report.pdf"), "report.pdf", "--out")


def test_a_report_takes_the_examples_that_it_is_told_of(tmp_path: Path):
    (tmp_path / "graphs").mkdir()
    graph, out = write(tmp_path / "graphs" / "graph.json"), tmp_path / "report.html"
    folder = write_records(tmp_path / "elsewhere", build_records())
    report([graph], out, features=str(folder))
    assert out.read_text("utf-8").count('<ol class="rows">') == len(FEATURES)


@pytest.mark.parametrize("beside", ["nothing", "an empty folder"])
def test_a_report_needs_no_examples(tmp_path: Path, beside: str):
    if beside == "an empty folder":
        (tmp_path / "features").mkdir()
    report([write(tmp_path / "graph.json")], tmp_path / "report.html")
    html = (tmp_path / "report.html").read_text("utf-8")
    assert "There are no activation examples in this report" in html


def test_examples_that_are_asked_for_must_be_there(tmp_path: Path):
    graph = write(tmp_path / "graph.json")
    with pytest.raises(EvidenceError):
        report([graph], tmp_path / "report.html", features=str(tmp_path / "none"))
    assert not (tmp_path / "report.html").exists()


def test_graphs_in_several_folders_each_have_their_own_examples(tmp_path: Path):
    paths: list[Path] = []
    for name in ("one", "other"):
        folder = tmp_path / name
        folder.mkdir()
        paths.append(write(folder / f"{name}.json", scan=f"owner/{name}"))
        write_records(folder / "features", build_records())
    report(paths, tmp_path / "report.html")
    html = (tmp_path / "report.html").read_text("utf-8")
    assert html.count('<ol class="rows">') == 2 * len(FEATURES)


def test_a_second_report_leaves_the_file_as_it_is(tmp_path: Path):
    graph, out = write(tmp_path / "graph.json"), tmp_path / "report.html"
    report([graph], out)
    first = out.stat()
    report([graph], out)
    assert out.stat().st_mtime_ns == first.st_mtime_ns


def test_two_runs_are_compared(tmp_path: Path):
    before = write(tmp_path / "before.json", [Named(0, 10, label="old"), *FEATURES[1:]])
    after, out = write(tmp_path / "after.json"), tmp_path / "report.html"
    report([after], out, compare=before)
    assert "What changed since before" in out.read_text("utf-8")


def test_several_graphs_cannot_be_compared_with_one(tmp_path: Path):
    graphs = [write(tmp_path / name) for name in ("one.json", "other.json")]
    with pytest.raises(UsageError, match="--compare takes one graph, and 2 are given"):
        report(graphs, tmp_path / "report.html", compare=graphs[0])


@pytest.mark.parametrize("name", ["report", "report.pdf", "report.json"])
def test_a_report_is_html(tmp_path: Path, name: str):
    with pytest.raises(UsageError, match=r"--out report\.html"):
        report([write(tmp_path / "graph.json")], tmp_path / name)


def test_a_place_that_takes_no_file_is_refused_before_anything_is_read(tmp_path: Path):
    with pytest.raises(OutputError, match="mkdir"):
        report([tmp_path / "missing.json"], tmp_path / "none" / "report.html")


def test_a_graph_that_is_not_labelled_or_not_there_is_refused(tmp_path: Path):
    unlabelled = write_graph(tmp_path / "graph.json", build_graph())
    with pytest.raises(UsageError, match="clerp label"):
        report([unlabelled], tmp_path / "report.html")
    with pytest.raises(GraphError, match="no such file"):
        report([tmp_path / "missing.json"], tmp_path / "report.html")
    assert not (tmp_path / "report.html").exists()
