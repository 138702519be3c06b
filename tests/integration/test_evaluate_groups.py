"""`clerp evaluate groups` over graphs that people grouped."""

import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.command_line import Outcome, assert_refused, make_runner
from tests.unit.evaluation.people_grouped import PEOPLE, build_people_grouped, write

from clerp.evaluation.group_baselines import BASELINES

Run = Callable[..., Outcome]
REAL = Path(os.environ.get("CLERP_TEST_DATA", "/nonexistent")) / "real-graphs"
README = Path(__file__).parents[2] / "README.md"
HAIKU = ("haiku-capital-state-dallas", "haiku-opposite-of-small")
# `semantic` (default) | .60 [.45, .78] | .31 [...] | .46 [...] | ...
README_ROW = re.compile(r"\| `(\w+)`[^|]*\| (\.\d\d) [^|]*\| (\.\d\d) [^|]*\| (\.\d\d) ")
GROUPERS = ("semantic", "edges", "name")


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "160")
    runner = make_runner(capsys, monkeypatch)
    return lambda *arguments: runner("evaluate", "groups", *arguments)


@pytest.fixture
def truth(tmp_path: Path) -> Path:
    return write(tmp_path, build_people_grouped())


def read(outcome: Outcome) -> dict[str, Any]:
    assert (outcome.code, outcome.err) == (0, ""), outcome
    (line,) = outcome.out.splitlines()
    return json.loads(line)


def test_a_table_has_every_grouper_and_baseline_with_intervals(run: Run, truth: Path) -> None:
    outcome = run("--truth", truth)
    assert (outcome.code, outcome.err) == (0, "")
    assert "people: 7 of 8 feature nodes are in 3 supernodes of people's" in outcome.out
    for name in (*GROUPERS, *(f"({name})" for name in BASELINES)):
        assert outcome.out.count(f"\n{name} ") == 1, name
    assert "semantic ahead in Rand" in outcome.out
    assert "Mean over" not in outcome.out


def test_several_graphs_have_a_mean(run: Run, truth: Path, tmp_path: Path) -> None:
    other = write(tmp_path, build_people_grouped({"a": (0, 1), "b": (5, 6)}), "other.json")
    outcome = run("--truth", truth, "--truth", other, "--groupers", "name")
    assert "Mean over 2 graphs" in outcome.out
    assert "name ahead in Rand" in outcome.out
    assert "semantic" not in outcome.out


def test_a_graph_that_is_named_twice_counts_once(run: Run, truth: Path) -> None:
    report = read(run("--truth", truth, "--truth", truth, "--groupers", "name", "--json"))
    assert len(report["graphs"]) == 1


def test_json_has_everything_that_it_takes_to_repeat_it(run: Run, truth: Path) -> None:
    report = read(run("--truth", truth, "--groupers", "edges,name", "--json"))
    assert (report["first"], report["seed"], report["resamples"]) == ("edges", 0, 2000)
    (graph,) = report["graphs"]
    assert graph["truth"] == [[name, len(places)] for name, places in PEOPLE.items()]
    assert [entrant["name"] for entrant in graph["entrants"]] == ["edges", "name", *BASELINES]
    assert len(graph["nodes"]) == graph["n_counted"] == 7
    assert set(graph["nodes"][0]["found"]) == {"edges", "name"}
    assert report == read(run("--truth", truth, "--groupers", "edges,name", "--json"))


def test_bad_usage_is_one_line(run: Run, truth: Path, tmp_path: Path) -> None:
    assert_refused(run("--truth", "nowhere.json"), "nowhere.json", "no such file")
    assert_refused(run("--truth", truth, "--groupers", "nobody"), "no grouper 'nobody'")
    ungrouped = write(tmp_path, build_people_grouped({}), "none.json")
    assert_refused(run("--truth", ungrouped), "none.json", "no supernode of a person's")


@pytest.fixture
def haiku() -> list[str | Path]:
    if not REAL.is_dir():
        pytest.skip("CLERP_TEST_DATA is not set")
    return [part for name in HAIKU for part in ("--truth", REAL / f"{name}.json")]


def test_graphs_that_anthropic_s_people_grouped_can_be_evaluated(
    run: Run, haiku: list[str | Path]
) -> None:
    report = read(run(*haiku, "--groupers", "name", "--json"))
    assert [(graph["graph"], graph["n_counted"]) for graph in report["graphs"]] == [
        (HAIKU[0], 48),
        (HAIKU[1], 25),
    ]
    for graph in report["graphs"]:
        entrants = {entrant["name"]: entrant for entrant in graph["entrants"]}
        by_chance = entrants["one group"]["figures"]["adjusted_rand"]["value"]
        assert by_chance == pytest.approx(0)
        assert entrants["name"]["figures"]["adjusted_rand"]["value"] > 0


def test_the_readme_has_the_figures_of_the_graphs_that_people_grouped(
    run: Run, haiku: list[str | Path]
) -> None:
    section = README.read_text().partition("## From labels to circuits")[2]
    told = {name: tuple(map(float, row)) for name, *row in README_ROW.findall(section)}
    report = read(run(*haiku, "--groupers", ",".join(GROUPERS), "--json"))
    tables = (*(graph["entrants"] for graph in report["graphs"]), report["mean"])
    by_name = [{entrant["name"]: entrant["figures"] for entrant in table} for table in tables]
    measured = {
        name: tuple(figures[name]["adjusted_rand"]["value"] for figures in by_name)
        for name in GROUPERS
    }
    assert told.keys() == measured.keys()
    for name, figures in measured.items():
        # Half of the last digit, and what floats lose.
        assert told[name] == pytest.approx(figures, abs=0.005 + 1e-9), name
