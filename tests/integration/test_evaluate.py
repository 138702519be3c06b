"""`clerp evaluate` over bundled features, with roles that the tests give them."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.command_line import Outcome, assert_refused, make_runner

from clerp.evaluation.comparison import BASELINES
from clerp.graph import read_graph
from clerp.router import RULES

pytestmark = pytest.mark.slow

Run = Callable[..., Outcome]
SAMPLE = Path(__file__).parents[2] / "graphs" / "smollm2-135m"
DATA = Path(os.environ.get("CLERP_TEST_DATA", "/nonexistent")) / "roles"
N = 20
FEATURES = read_graph(SAMPLE / "capital-of-france.json").features[::4][:N]
ROLES = ("input", "input", "output", "cross", "artefact")
SETTLED = [
    {"layer": f.layer, "index": f.index, "role": ROLES[i % 5], "labels": []}
    for i, f in enumerate(FEATURES)
]
TWICE = [
    {
        "layer": f.layer,
        "index": f.index,
        "part": "work" if i < 8 else "test",
        "passes": [
            {"role": role, "runner_up": None, "sure": True, "fits": 15, "label": "a word"}
            for role in (ROLES[i % 5], "obscure" if i % 4 == 0 else ROLES[i % 5])
        ],
    }
    for i, f in enumerate(FEATURES)
]


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.chdir(tmp_path)
    runner = make_runner(capsys, monkeypatch)

    def evaluate(command: str, lines: Sequence[Mapping[str, object]], *flags: object) -> Outcome:
        Path("roles.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
        given = ("--features", SAMPLE / "features", "--truth", "roles.jsonl")
        return runner("evaluate", command, *given, *flags)

    return evaluate


def read(outcome: Outcome) -> dict[str, Any]:
    assert (outcome.code, outcome.err) == (0, ""), outcome
    (line,) = outcome.out.splitlines()
    return json.loads(line)


def test_a_table_has_every_rule_with_its_interval(run: Run) -> None:
    outcome = run("roles", SETTLED)
    assert (outcome.code, outcome.err) == (0, "")
    for name in (*BASELINES, *RULES):
        assert outcome.out.count(f"\n{name} ") == 2
    assert "Against truth, without artefacts" in outcome.out
    assert "\nalways input  20  0.40 [" in outcome.out


def test_json_has_everything(run: Run) -> None:
    document = read(run("roles", SETTLED, "--json"))
    assert (document["source"], document["part"], document["seed"]) == ("folder", "all", 0)
    assert [(c["target"], c["n"]) for c in document["comparisons"]] == [
        ("truth", 20),
        ("truth", 16),
    ]
    standings = {s["name"]: s for s in document["comparisons"][0]["standings"]}
    assert set(standings) == {*BASELINES, *RULES}
    always = standings["always input"]
    assert always["figures"]["accuracy"]["value"] == 0.4
    assert always["figures"]["kappa"] == {"value": 0, "low": 0, "high": 0}
    assert always["by_role"]["input"] == {
        "support": 8,
        "found": 20,
        "precision": 0.4,
        "recall": 1.0,
    }
    assert always["confusion"]["output"]["input"] == 4
    assert standings["calibrated"]["margins"]["kappa"]["over"] in BASELINES
    assert len(document["features"]) == N
    assert str(SAMPLE) not in json.dumps(document)


def test_a_second_run_says_the_same(run: Run) -> None:
    first, second = (run("roles", SETTLED, "--json", "--rules", "calibrated") for _ in range(2))
    assert first == second


def test_chosen_rules_are_held_against_the_baselines(run: Run) -> None:
    document = read(run("roles", SETTLED, "--rules", "tokens, calibrated", "--json"))
    names = [standing["name"] for standing in document["comparisons"][0]["standings"]]
    assert names == [*BASELINES, "calibrated"]


def test_two_passes_are_compared_with_each_other(run: Run) -> None:
    first, second, agreed, *_ = read(run("roles", TWICE, "--json"))["comparisons"]
    assert [c["target"] for c in (first, second, agreed)] == ["pass 1", "pass 2", "both passes"]
    assert [c["n"] for c in (first, second, agreed)] == [20, 20, 15]
    assert first["other_pass"]["figures"]["accuracy"]["value"] == 0.75
    assert first["other_pass"]["figures"]["kappa"] == second["other_pass"]["figures"]["kappa"]
    assert agreed["other_pass"] is None


def test_a_part_is_scored_and_everything_routed(run: Run) -> None:
    whole = read(run("roles", TWICE, "--json"))
    work = read(run("roles", TWICE, "--json", "--part", "work"))
    test = read(run("roles", TWICE, "--json", "--part", "test"))
    assert (work["comparisons"][0]["n"], test["comparisons"][0]["n"]) == (8, 12)
    parts = sorted((*work["features"], *test["features"]), key=lambda f: (f["layer"], f["index"]))
    assert parts == whole["features"]


def test_settings_of_the_protocol_are_swept(run: Run) -> None:
    document = read(run("sweep", SETTLED, "--json"))
    assert len(document["rows"]) == 3 * 3 * 2 * 3 * 19
    assert len(document["best"]) == 3 * 3 * 2 * 3
    (default,) = (row for row in document["rows"] if row["setting"]["is_default"])
    (protocol,) = (
        standing
        for standing in read(run("roles", SETTLED, "--json"))["comparisons"][0]["standings"]
        if standing["name"] == "protocol"
    )
    figures = {metric: figure["value"] for metric, figure in protocol["figures"].items()}
    assert default["agreement"] == figures
    assert default["seconds"] > 0


def test_the_sweep_shows_the_best_settings_and_the_default(run: Run) -> None:
    outcome = run("sweep", TWICE, "--part", "work", "--embedder", "wordllama")
    assert (outcome.code, outcome.err) == (0, "")
    assert "features on which both passes agree, n = 6" in outcome.out
    assert "default" in outcome.out
    assert "[1] wordllama" in outcome.out


def change(**changes: object) -> list[Mapping[str, object]]:
    """Change the second of the settled roles."""
    return [SETTLED[0], {**SETTLED[1], **changes}, *SETTLED[2:]]


ABSENT = f"{SETTLED[1]['layer']}_511999"
REFUSED = {
    "a malformed line": (change(role="inputs"), (), ("roles.jsonl, line 2: role", "Write one")),
    "no evidence": (change(index=511999), (), (ABSENT, "no evidence", "take it out")),
    "no parts": (SETTLED, ("--part", "test"), ("roles.jsonl", "work or test", "--part")),
    "no such part": (SETTLED, ("--part", "rest"), ("part", "clerp evaluate roles --help")),
    "an unknown rule": (SETTLED, ("--rules", "protocol,x"), ("no rule 'x'", "Known: ")),
    "no rule": (SETTLED, ("--rules", ""), ("no rule ''", "Known: ")),
    "an unknown embedder": (SETTLED, ("--embedder", "x"), ("no embedder 'x'", "Installed: ")),
    "another truth": (SETTLED, ("--truth", "x.jsonl"), ("x.jsonl", "cannot be read", "--truth")),
    "other features": (SETTLED, ("--features", "x"), ("x", "Expected a folder")),
    "a plot of another kind": (SETTLED, ("--plot", "x.pdf"), ("x.pdf", "SVG or PNG", "--plot")),
}


@pytest.mark.parametrize(("lines", "flags", "parts"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_evaluated_is_refused_in_one_line(
    run: Run,
    lines: Sequence[Mapping[str, object]],
    flags: Sequence[str],
    parts: Sequence[str],
) -> None:
    assert_refused(run("roles", lines, *flags), *parts)


@pytest.mark.parametrize("flag", ["--features", "--truth"])
def test_a_flag_that_is_needed_is_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, flag: str
) -> None:
    given = {"--features": "x", "--truth": "x"}
    del given[flag]
    runner = make_runner(capsys, monkeypatch)
    outcome = runner("evaluate", "sweep", *(part for pair in given.items() for part in pair))
    assert_refused(outcome, flag, "clerp evaluate sweep --help")


def test_evidence_of_none_of_the_features_is_refused(run: Run) -> None:
    assert_refused(run("sweep", [{**SETTLED[0], "index": 511999}]), "none of the 1 features")


def test_the_commands_are_listed_without_what_they_run() -> None:
    code = (
        "import sys, clerp.cli; sys.exit('numpy' in sys.modules or 'clerp.router' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=60, check=False).returncode == 0


@pytest.mark.skipif(not DATA.is_dir(), reason="CLERP_TEST_DATA is not set")
def test_roles_of_others_are_scored(run: Run) -> None:
    flags = ("--features", DATA / "features", "--truth", DATA / "roles.jsonl", "--json")
    (comparison, _) = read(run("roles", SETTLED, *flags))["comparisons"]
    assert comparison["n"] == 48
    assert comparison["standings"][0]["figures"]["accuracy"]["value"] == 33 / 48


def test_the_agreement_that_the_readme_quotes_is_what_is_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    flags = ("--features", SAMPLE / "features", "--truth", SAMPLE / "roles.jsonl")
    outcome = make_runner(capsys, monkeypatch)(
        "evaluate", "roles", *flags, "--part", "test", "--json"
    )
    comparisons = read(outcome)["comparisons"]
    readme = (SAMPLE.parents[1] / "README.md").read_text().partition("### How often a role")[2]
    quoted = re.findall(r"\| (?:`(\w+)`.*?|the second pass) \| (\.\d\d).*? \| (\.\d\d)", readme)
    assert [name for name, *_ in quoted] == ["", "calibrated", "protocol", "layer", "tokens", "air"]
    for column, without in enumerate((False, True)):
        kappas = read_kappas(comparisons, without)
        for name, *figures in quoted:
            assert float(figures[column]) == pytest.approx(kappas[name], abs=0.0051), name


def read_kappas(comparisons: Sequence[Mapping[str, Any]], without: bool) -> dict[str, float]:
    """Kappa with the first pass by rule; the other pass has no name."""
    found = next(
        c for c in comparisons if c["target"] == "pass 1" and c["without_artefacts"] is without
    )
    kappas = {s["name"]: s["figures"]["kappa"]["value"] for s in found["standings"]}
    return kappas | {"": found["other_pass"]["figures"]["kappa"]["value"]}
