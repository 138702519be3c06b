"""`clerp label`, `clerp route` and `clerp plugins` over a tiny graph."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.command_line import Outcome, make_runner
from tests.fake_llm import GOOD_ANSWER, FakeLlm, Reply, chat, run_fake_llm
from tests.tiny_graph import (
    FEATURES,
    N_FEATURES,
    build_records,
    build_tiny_graph,
    write_graph,
    write_records,
)

import clerp
from clerp.cli import app
from clerp.errors import LabelerError, PluginError
from clerp.ledger import open_ledger
from clerp.naming import find as find_plugin
from clerp.plugins import list_commands

Run = Callable[..., Outcome]
MODEL = "openai/gpt-4o-mini"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_graph(tmp_path / "graph.json", build_tiny_graph())
    write_records(tmp_path / "features", build_records())
    return tmp_path


@pytest.fixture
def run(folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    return make_runner(capsys, monkeypatch)


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeLlm]:
    with run_fake_llm() as running:
        monkeypatch.setenv("OPENAI_API_BASE", running.address)
        monkeypatch.setenv("OPENAI_API_KEY", "sk-canary-0123456789abcdefghij")
        yield running


def read_nodes(path: Path) -> list[dict[str, Any]]:
    nodes = json.loads(path.read_text())["nodes"]
    return [node for node in nodes if node["feature_type"] == "cross layer transcoder"]


def test_label_writes_beside_the_graph_what_the_library_writes(run: Run, folder: Path) -> None:
    outcome = run("label", "graph.json")
    clerp.label("graph.json", ledger=":memory:").write("other.json")
    assert outcome.code == 0
    assert "features labelled" in outcome.out
    assert "graph.labeled.json" in outcome.err
    assert Path("graph.labeled.json").read_bytes() == Path("other.json").read_bytes()
    assert Path("clerp.db").exists()


def test_several_graphs_go_to_a_folder(run: Run, folder: Path) -> None:
    write_graph(folder / "second.json", build_tiny_graph())
    outcome = run("label", "graph.json", "second.json", "--out", "new")
    assert outcome.code == 0
    assert sorted(path.name for path in Path("new").iterdir()) == [
        "graph.labeled.json",
        "second.labeled.json",
    ]
    assert "All 2 graphs" in outcome.out
    assert f"Distinct features: {N_FEATURES}" in outcome.out


def test_two_graphs_of_one_name_do_not_overwrite_each_other(run: Run, folder: Path) -> None:
    (folder / "deep").mkdir()
    write_graph(folder / "deep" / "graph.json", build_tiny_graph())
    outcome = run("label", "graph.json", "deep/graph.json", "--features", "features", "--out", "o")
    assert (outcome.code, outcome.out) == (1, "")
    assert "two graphs would be written here" in outcome.err
    assert not Path("o").exists()


def test_an_output_labelled_again_is_updated_in_its_place(run: Run, folder: Path) -> None:
    run("label", "graph.json")
    first = Path("graph.labeled.json").read_bytes()
    run("label", "graph.labeled.json")
    assert sorted(path.name for path in folder.glob("*.json")) == [
        "graph.json",
        "graph.labeled.json",
    ]
    assert Path("graph.labeled.json").read_bytes() == first


def test_the_circuit_tracer_target_enters_the_graph_in_the_index(run: Run) -> None:
    run("label", "graph.json", "--out", "labeled-graph.json", "--target", "circuit-tracer")
    index = json.loads(Path("graph-metadata.json").read_text())
    output = json.loads(Path("labeled-graph.json").read_text())
    assert [entry["slug"] for entry in index["graphs"]] == ["labeled-graph"]
    assert output["metadata"]["slug"] == "labeled-graph"
    assert "clerps" not in output["qParams"]


def test_hints_and_styles_are_shown_when_asked_for(run: Run) -> None:
    run("label", "graph.json", "--show-hints", "--style", "bracket", "--rule", "protocol")
    shown = {node["clerp"] for node in read_nodes(Path("graph.labeled.json"))}
    assert any(text.startswith("[") for text in shown)
    run("label", "graph.json", "--show-hints", "--rule", "protocol", "--threshold", "1000")
    shown = {node["clerp"] for node in read_nodes(Path("graph.labeled.json"))}
    assert all(text.startswith("? ") for text in shown)


def test_windows_and_labeler_can_be_chosen(run: Run) -> None:
    run("label", "graph.json", "--windows", "input=0:0,output=1:1,cross=-2:2")
    record = json.loads(Path("graph.labeled.json").read_text())["metadata"]["clerp"]
    assert record["configuration"]["windows"] == "input=0:0,output=1:1,cross=-2:2"
    outcome = run("label", "graph.json", "--labeler", "nobody")
    assert outcome.code == 1
    assert "there is no labeler 'nobody'" in outcome.err


def test_tier_2_asks_the_llm_once_and_never_pays_again(
    run: Run, fake: FakeLlm, monkeypatch: pytest.MonkeyPatch
) -> None:
    # No side reaches the threshold and every whole context does: all features are tier 2.
    options = ("--rule", "protocol", "--threshold", "0.001", "--windows")
    narrow = "input=-999:-998,output=998:999,cross=-8:8"
    fake.answers(*[chat(GOOD_ANSWER)] * N_FEATURES)
    first = run("label", "graph.json", "--llm", MODEL, *options, narrow)
    assert first.code == 0
    assert len(fake.requests) == N_FEATURES
    assert {node["clerp"] for node in read_nodes(Path("graph.labeled.json"))} == {"US states"}
    written = Path("graph.labeled.json").read_bytes()

    second = run("label", "graph.json", "--llm", MODEL, *options, narrow)
    assert second.code == 0
    assert len(fake.requests) == N_FEATURES
    assert Path("graph.labeled.json").read_bytes() == written
    assert b"canary" not in written

    told = json.loads(run("why", "graph.labeled.json", str(FEATURES[0]), "--json").out)
    assert told["label"]["text"] == "US states"
    assert "You name features" in told["prompt"]
    assert told["details"]["cost_usd"] > 0
    assert len(fake.requests) == N_FEATURES


def test_why_does_not_ask_what_was_not_asked(run: Run, fake: FakeLlm) -> None:
    narrow = "input=-999:-998,output=998:999,cross=-8:8"
    options = ("--rule", "protocol", "--threshold", "0.001", "--windows", narrow, "--llm", MODEL)
    told = json.loads(run("why", "graph.json", str(FEATURES[0]), *options, "--json").out)
    assert "was not asked about this yet" in told["reason"]
    assert told["label"] is None
    assert fake.requests == []


def test_offline_no_llm_is_asked_and_answers_come_from_the_ledger(run: Run, fake: FakeLlm) -> None:
    narrow = "input=-999:-998,output=998:999,cross=-8:8"
    options = ("--rule", "protocol", "--threshold", "0.001", "--windows", narrow, "--llm", MODEL)
    refused = run("label", "graph.json", *options, "--offline")
    assert refused.code == 2
    assert "--offline" in refused.err
    assert fake.requests == []

    fake.answers(*[chat(GOOD_ANSWER)] * N_FEATURES)
    assert run("label", "graph.json", *options).code == 0
    written = Path("graph.labeled.json").read_bytes()
    assert run("label", "graph.json", *options, "--offline").code == 0
    assert Path("graph.labeled.json").read_bytes() == written
    assert len(fake.requests) == N_FEATURES


def test_a_feature_that_fails_is_exit_2_and_all_others_are_written(run: Run, fake: FakeLlm) -> None:
    narrow = "input=-999:-998,output=998:999,cross=-8:8"
    options = ("--rule", "protocol", "--threshold", "0.001", "--windows", narrow, "--llm", MODEL)
    good = [chat(GOOD_ANSWER)] * (N_FEATURES - 1)
    fake.answers(Reply({"error": {"message": "no"}}, 400), *good)
    outcome = run("label", "graph.json", *options, "--concurrency", "1")
    statuses = [node["clerp_status"] for node in read_nodes(Path("graph.labeled.json"))]
    assert outcome.code == 2
    assert statuses.count("failed") == 1
    assert statuses.count("labeled") == N_FEATURES - 1

    fake.answers(chat(GOOD_ANSWER))
    assert run("label", "graph.json", *options).code == 0
    statuses = [node["clerp_status"] for node in read_nodes(Path("graph.labeled.json"))]
    assert set(statuses) == {"labeled"}
    assert len(fake.requests) == N_FEATURES + 1


class BrokenLabeler:
    """A stranger's labeler that breaks at one feature and answers nonsense at another."""

    name = "broken"

    async def label(self, request: Any) -> Any:
        match request.evidence.feature:
            case feature if feature == FEATURES[0]:
                raise ZeroDivisionError("a\nfault")
            case feature if feature == FEATURES[1]:
                return "a text"
            case feature if feature == FEATURES[2]:
                raise LabelerError("on purpose")
            case _:
                return clerp_label("fine")


def clerp_label(text: str) -> Any:
    from clerp.labels import Label

    return Label(text, "broken", "low", "because")


def test_a_labeler_that_breaks_costs_only_its_own_feature(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def find(kind: str, name: str) -> Any:
        return BrokenLabeler() if kind == "labelers" else find_plugin(kind, name)  # type: ignore[call-overload]

    monkeypatch.setattr("clerp.naming.find", find)
    outcome = run("label", "graph.json")
    record = json.loads(Path("graph.labeled.json").read_text())["metadata"]["clerp"]["features"]
    assert outcome.code == 2
    reasons = {str(f): record[str(f)]["reason"] for f in FEATURES[:3]}
    assert "ZeroDivisionError: a fault" in reasons[str(FEATURES[0])]
    assert "answered str" in reasons[str(FEATURES[1])]
    assert reasons[str(FEATURES[2])] == "on purpose"
    assert all(record[str(f)]["status"] == "labeled" for f in FEATURES[3:])
    with open_ledger("clerp.db") as ledger:
        assert {item.key.feature for item in ledger.queued()} == set(FEATURES[:3])


def test_route_is_one_object_a_line_for_every_feature(run: Run) -> None:
    outcome = run("route", "graph.json", "--json")
    lines = [json.loads(line) for line in outcome.out.splitlines()]
    assert outcome.code == 0
    assert [(line["layer"], line["index"]) for line in lines] == [f[:2] for f in FEATURES]
    assert list(lines[0]) == [
        "layer",
        "index",
        "role",
        "tier",
        "escalated_from",
        "confidence",
        "runner_up",
        "margin",
        "p",
        "q",
        "p_direction",
        "breadth",
        "scores",
        "unscored",
        "n_examples",
        "n_repeats",
        "reason",
    ]
    assert set(lines[0]["scores"]["input"]) >= {"raw", "z", "p"}
    assert run("route", "graph.json").out == outcome.out
    assert not Path("clerp.db").exists()


def test_the_rule_and_its_threshold_decide_the_tiers(run: Run) -> None:
    def list_tiers(*options: object) -> list[int]:
        lines = run("route", "graph.json", "--rule", "protocol", *options).out.splitlines()
        return [json.loads(line)["tier"] for line in lines]

    assert set(list_tiers("--threshold", 0.001)) == {1}
    assert set(list_tiers("--threshold", 2)) == {3}


def test_plugins_lists_what_is_built_in(run: Run) -> None:
    listed = [json.loads(line) for line in run("plugins", "--json").out.splitlines()]
    assert {(entry["kind"], entry["name"]) for entry in listed} >= {
        ("sources", "folder"),
        ("embedders", "wordllama"),
        ("labelers", "token-frequency"),
        ("labelers", "litellm"),
        ("labelers", "hello"),
    }


def start(
    folder: Path, *arguments: str, on_interrupt: str = "default_int_handler", **environment: str
) -> "subprocess.Popen[str]":
    # A shell ignores Ctrl-C for what it starts in the background, this suite perhaps.
    script = (
        f"import signal; signal.signal(signal.SIGINT, signal.{on_interrupt}); "
        "from clerp.cli import main; main()"
    )
    command = [sys.executable, "-c", script, *arguments]
    return subprocess.Popen(
        command,
        cwd=folder,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize(
    ("sent", "on_interrupt", "code"),
    [
        (signal.SIGINT, "default_int_handler", 130),
        (signal.SIGTERM, "default_int_handler", 143),
        (signal.SIGTERM, "SIG_IGN", 143),
    ],
    ids=["Ctrl-C", "kill", "kill in the background"],
)
def test_an_interrupted_run_ends_at_once_and_pays_for_nothing_twice(
    run: Run, folder: Path, fake: FakeLlm, sent: signal.Signals, on_interrupt: str, code: int
) -> None:
    narrow = "input=-999:-998,output=998:999,cross=-8:8"
    options = ("--rule", "protocol", "--threshold", "0.001", "--windows", narrow, "--llm", MODEL)
    fake.answers(chat(GOOD_ANSWER), chat(GOOD_ANSWER), Reply(hangs=True))
    arguments = ("label", "graph.json", *options, "--concurrency", "1")
    process = start(folder, *arguments, on_interrupt=on_interrupt)
    try:
        assert fake.await_requests(3, timeout=60)
        process.send_signal(sent)
        out, err = process.communicate(timeout=30)
    finally:
        process.kill()
    assert (process.returncode, out) == (code, "")
    assert "Traceback" not in err
    assert not (folder / "graph.labeled.json").exists()

    fake.answers(*[chat(GOOD_ANSWER)] * (N_FEATURES - 2))
    outcome = run("label", "graph.json", *options)
    assert outcome.code == 0, outcome
    assert len(fake.requests) == 3 + N_FEATURES - 2


def test_a_run_that_is_ended_while_it_starts_says_so_in_one_line(folder: Path) -> None:
    # Wherever the signal meets it: in an import, in the event loop, or before there is one.
    narrow = "input=-999:-998,output=998:999,cross=-8:8"
    options = ("--rule", "protocol", "--threshold", "0.001", "--windows", narrow, "--llm", MODEL)
    gate = folder / "gate"
    os.mkfifo(gate)
    (folder / "sitecustomize.py").write_text(
        "import builtins, os, sys\n"
        "def find(name, path=None, target=None):\n"
        "    if name == 'litellm':\n"
        "        sys.meta_path.remove(Gate)\n"
        f"        open({str(gate)!r}, 'w').close()\n"
        "class Gate:\n"
        "    find_spec = staticmethod(find)\n"
        "sys.meta_path.insert(0, Gate)\n"
    )
    process = start(folder, "label", "graph.json", *options, PYTHONPATH=str(folder))
    try:
        gate.read_text()  # returns when the import of litellm begins
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert (process.returncode, out) == (143, "")
    assert err == "clerp: interrupted; what was done is kept for the next run\n"


def test_it_works_inside_a_running_event_loop(folder: Path) -> None:
    # As in a notebook; in a process of its own, so that no loop of this one is in the way.
    script = (
        "import asyncio, clerp\n"
        "async def main():\n"
        "    return clerp.label('graph.json', ledger=':memory:')\n"
        "print(len(asyncio.run(main())))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=folder, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == str(N_FEATURES)


def test_help_names_every_command() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from clerp.cli import main; main()", "--help"],
        capture_output=True,
        text=True,
        check=True,
    )
    for command in ("label", "route", "why", "plugins", "config", *list_commands()):
        assert command in done.stdout


@pytest.mark.parametrize(
    "command", ["label", "route", "why", "plugins", "config show", *list_commands()]
)
def test_help_of_a_command_shows_its_flags(run: Run, command: str) -> None:
    outcome = run(*command.split(), "--help")
    assert outcome.code == 0, outcome
    assert "--help" in outcome.out


def test_bad_usage_of_a_command_leads_to_its_own_help(run: Run) -> None:
    assert run("label").err.endswith("Run: clerp label --help\n")


def break_command(name: str) -> None:
    raise PluginError("command 'collect' needs the module 'x'", remedy="Run: pip install 'y[z]'")


def test_a_broken_command_of_a_plugin_costs_only_itself(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = [command for command in app.registered_commands if command.name is None]
    monkeypatch.setattr(app, "registered_commands", list(own))
    monkeypatch.setattr("clerp.plugins.find_command", break_command)
    monkeypatch.setattr("clerp.plugins.list_commands", lambda: ["collect"])

    listed = run("--help")
    assert listed.code == 0
    assert "Cannot be used" in listed.out
    monkeypatch.setattr(app, "registered_commands", list(own))
    asked = run("collect", "graph.json")
    assert (asked.code, asked.err) == (
        1,
        "clerp: command 'collect' needs the module 'x'. Run: pip install 'y[z]'\n",
    )


@pytest.mark.parametrize("taken", ["label", "config"])
def test_a_plugin_cannot_take_a_command_of_clerps_own(
    run: Run, monkeypatch: pytest.MonkeyPatch, taken: str
) -> None:
    monkeypatch.setattr("clerp.plugins.list_commands", lambda: [taken])
    outcome = run("plugins")
    assert outcome.code == 1
    assert f"registers '{taken}', a command of clerp's own" in outcome.err
