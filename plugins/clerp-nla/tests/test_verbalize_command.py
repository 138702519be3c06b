"""`clerp verbalize`, with a pair that is fully known in the place of a real one."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.command_line import Run, assert_refused, make_runner
from tests.fake_llm import always_good, run_fake_llm
from tests.rerunning import RerunningVerbalizer
from tests.tiny_graph import FEATURES, build_records, build_tiny_graph, write_graph, write_records

from clerp.config import Settings
from clerp.errors import InputError, NotAvailableError, VerbalizerError
from clerp.nla import open_verbalizer
from clerp.progress import Progress
from clerp.testing.fake_verbalizer import MODEL, FakePassageVerbalizer, FakeVectorVerbalizer
from clerp.verbalizers import ModelClaim, PairIdentity
from clerp.verbalizers.peaks import NOT_RUN_AGAIN
from clerp.verbalizing import NlaRequest
from clerp_nla import asking

FIRST, SECOND = map(str, FEATURES[:2])


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    return make_runner(capsys, monkeypatch)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    # Routes are not shown, and this one takes the least time.
    monkeypatch.setenv("CLERP_RULE", "protocol")
    document = build_tiny_graph()
    document["metadata"]["scan"] = MODEL
    write_graph(tmp_path / "graph.json", document)
    records = build_records()
    del records[FEATURES[2]]
    write_records(tmp_path / "features", records)
    return tmp_path


@pytest.fixture
def pair(monkeypatch: pytest.MonkeyPatch) -> FakeVectorVerbalizer:
    return put(FakeVectorVerbalizer(), monkeypatch)


def put(verbalizer: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(asking, "open_verbalizer", lambda _: verbalizer)
    return verbalizer


def list_arguments(place: Path, *features: str, **options: object) -> list[str]:
    given = {"nla": "nla:org/pair", "ledger": place / "clerp.db"} | options
    named = [f"--{name.replace('_', '-')}={value}" for name, value in given.items()]
    wanted = [f"--feature={feature}" for feature in features]
    return ["verbalize", str(place / "graph.json"), *wanted, *named]


def test_texts_are_shown_with_signals_and_their_controls(
    run: Run, place: Path, pair: FakeVectorVerbalizer
):
    told = run(*list_arguments(place, FIRST))
    assert told.code == 0, told.err
    lines = told.out.splitlines()
    assert lines[:2] == [FIRST, "experimental: no label, and no claim in it is checked"]
    assert "signal" in told.out
    assert "control" in told.out
    for signal in ("gates", "reconstruction", "rank", "agreement over samples"):
        assert any(line.startswith(signal) for line in lines), signal


def test_every_text_is_shown_where_all_are_asked_for(
    run: Run, place: Path, pair: FakeVectorVerbalizer
):
    few, everything = (run(*list_arguments(place, FIRST), *more).out for more in ([], ["--all"]))
    assert "more texts: --all" in few
    assert "more texts" not in everything
    assert len(everything) > len(few)


def test_json_holds_everything_by_feature(run: Run, place: Path, pair: FakeVectorVerbalizer):
    told = run(*list_arguments(place, SECOND, FIRST, examples=3, samples=2), "--json")
    rows = [json.loads(line) for line in told.out.splitlines()]
    assert [row["feature"] for row in rows] == [SECOND, FIRST]
    assert all(row["experimental"] is True for row in rows)
    assert all(len(row["said"]) == 3 * 2 for row in rows)
    assert all(row["trust"]["status"] in ("unusable", "weak", "suggestive") for row in rows)


def test_a_second_run_asks_nobody(run: Run, place: Path, pair: FakeVectorVerbalizer):
    first = run(*list_arguments(place, FIRST), "--json")
    pair.asked.clear()
    again = run(*list_arguments(place, FIRST), "--json")
    assert (again.code, again.out, pair.asked) == (0, first.out, [])
    offline = run(*list_arguments(place, FIRST), "--json", "--offline")
    assert (offline.code, offline.out) == (0, first.out)


def test_a_node_names_its_feature(run: Run, place: Path, pair: FakeVectorVerbalizer):
    told = run(*list_arguments(place, "0_10_1"), "--json")
    assert json.loads(told.out)["said"]


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        ([], ["Missing option", "--feature"]),
        (["--feature=9_9", "--nla=org/pair"], ["there is no feature 9_9"]),
        (["--feature=0_10"], ["no NLA is named", "--nla"]),
        (["--feature=0_10", "--nla=org/pair", "--method=baez"], ["baez asks", "--llm"]),
        (
            ["--feature=0_10", "--nla=org/pair", "--method=nla_decoder"],
            ["nla_decoder is made for the input decoder", "--input decoder"],
        ),
        (["--feature=0_10", "--nla=other:pair"], ["there is no verbalizer 'other'"]),
        (["--feature=0_10", "--nla=org/pair", "--samples=0"], ["--samples", "greater"]),
        (["--feature=0_10", "--nla=org/pair", "--examples=0"], ["--examples", "greater"]),
    ],
    ids=lambda given: " ".join(given)[:40],
)
def test_what_cannot_be_asked_is_one_line(
    run: Run, place: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], parts: list[str]
):
    monkeypatch.chdir(place)
    if "no feature" in parts[0]:
        put(FakeVectorVerbalizer(), monkeypatch)
    assert_refused(run("verbalize", "graph.json", *arguments), *parts)


class Misfit(FakeVectorVerbalizer):
    def check(self, claim: ModelClaim) -> PairIdentity:
        raise NotAvailableError("made for another model", remedy="One of this model is needed")


class Broken(FakeVectorVerbalizer):
    def check(self, claim: ModelClaim) -> PairIdentity:
        raise VerbalizerError("the server is down", where="/home/ada", remedy="Start it")


@pytest.mark.parametrize(
    ("verbalizer", "code", "why"),
    [
        (Misfit(), 1, "not available: made for another model. One of this model is needed"),
        (Broken(), 2, "not available: the server is down. Start it"),
    ],
)
def test_where_nothing_is_said_the_code_tells_whether_to_try_again(
    run: Run, place: Path, monkeypatch: pytest.MonkeyPatch, verbalizer: Any, code: int, why: str
):
    put(verbalizer, monkeypatch)
    told = run(*list_arguments(place, FIRST))
    assert told.code == code
    assert why in told.out
    assert "ada" not in told.out


def test_a_feature_without_evidence_takes_no_other_with_it(
    run: Run, place: Path, pair: FakeVectorVerbalizer
):
    told = run(*list_arguments(place, str(FEATURES[2]), FIRST), "--json")
    missing, said = (json.loads(line) for line in told.out.splitlines())
    assert missing["unavailable"].startswith("not available: ")
    assert (told.code, bool(said["said"])) == (0, True)


def test_a_text_of_the_pair_does_not_act_on_the_terminal(
    run: Run, place: Path, monkeypatch: pytest.MonkeyPatch
):
    put(FakeVectorVerbalizer(words=("[red]x[/red]\x1b]0;y\x07\u202ez",)), monkeypatch)
    told = run(*list_arguments(place, FIRST))
    assert "[red]x[/red]" in told.out
    assert not {"\x1b", "\x07", "\u202e"} & set(told.out)


def test_a_model_makes_a_proposal_within_the_budget(
    run: Run, place: Path, pair: FakeVectorVerbalizer
):
    (place / "clerp.toml").write_text("")
    with run_fake_llm(always_good) as fake:
        model = f"http:m@{fake.address}"
        told = run(*list_arguments(place, FIRST, method="baez", llm=model), "--json")
        row = json.loads(told.out)
        assert (told.code, len(fake.requests)) == (0, 1)
        assert (row["method"], bool(row["proposal"])) == ("baez", True)
        again = run(*list_arguments(place, FIRST, method="baez", llm=model), "--json")
        assert (again.out, len(fake.requests)) == (told.out, 1)


@pytest.mark.parametrize(
    ("options", "verbalizer", "why"),
    [
        ({}, FakeVectorVerbalizer(), "this NLA is not on this machine"),
        ({"transcoders": "org/set"}, FakePassageVerbalizer(), "takes text alone"),
    ],
)
def test_decoder_rows_that_nobody_can_read_are_not_described(
    run: Run, place: Path, monkeypatch: pytest.MonkeyPatch, options: Any, verbalizer: Any, why: str
):
    put(verbalizer, monkeypatch)
    told = run(*list_arguments(place, FIRST, input="decoder", **options))
    assert told.code == 1
    assert why in " ".join(told.out.split())


def test_that_peaks_were_not_run_again_is_said(run: Run, place: Path, pair: FakeVectorVerbalizer):
    told = run(*list_arguments(place, FIRST, transcoders="org/set"), "--json")
    notes = json.loads(told.out)["notes"]
    assert NOT_RUN_AGAIN in notes
    assert notes[-1] == "a peak can be run again only where the NLA is on this machine"


def test_peaks_that_cannot_be_run_again_take_no_text_with_them(
    run: Run, place: Path, monkeypatch: pytest.MonkeyPatch
):
    fault = InputError("the file is cut off", where="/home/ada/rows", remedy="Fetch it again")
    put(RerunningVerbalizer(open_fault=fault), monkeypatch)
    told = run(*list_arguments(place, FIRST, SECOND, transcoders="org/set"), "--json")
    rows = [json.loads(line) for line in told.out.splitlines()]
    assert [bool(row["said"]) for row in rows] == [True, True]
    why = "peaks could not be run again: the file is cut off. Fetch it again"
    assert [row["notes"][-1] for row in rows] == [why, why]
    assert all(NOT_RUN_AGAIN in row["notes"] for row in rows)
    assert (told.code, "ada" in told.out) == (2, False)


def test_rows_that_cannot_be_read_are_one_line(
    run: Run, place: Path, monkeypatch: pytest.MonkeyPatch
):
    fault = InputError("the file is cut off", where="rows", remedy="Fetch it again")
    put(RerunningVerbalizer(open_fault=fault), monkeypatch)
    told = run(*list_arguments(place, FIRST, transcoders="rows", input="decoder"))
    assert_refused(told, "rows: the file is cut off. Fetch it again")


def test_rows_of_the_transcoders_of_another_graph_are_one_line(
    run: Run, place: Path, monkeypatch: pytest.MonkeyPatch
):
    document = json.loads((place / "graph.json").read_text())
    document["metadata"]["scan"] = "org/mine"
    write_graph(place / "graph.json", document)
    rows = {FEATURES[0]: np.ones(32, np.float32)}
    pair = put(RerunningVerbalizer(rows=rows, set_name="org/another"), monkeypatch)
    arguments = list_arguments(place, FIRST, transcoders="rows", input="decoder")
    told = run(*arguments, "--nla-model", MODEL)
    why = "these are the transcoders org/another, and the graph was made with org/mine"
    assert_refused(told, f"rows: {why}. Name the transcoders that the graph was made with")
    assert pair.asked == []


def test_a_feature_without_top_examples_has_no_peak_to_run_again(
    run: Run, place: Path, monkeypatch: pytest.MonkeyPatch
):
    records = build_records()
    lower = records[FEATURES[0]]["examples_quantiles"][0] | {"quantile_name": "Subsample 0"}
    none: dict[str, Any] = {"quantile_name": "Top activations", "examples": []}
    records[FEATURES[0]]["examples_quantiles"] = [none, lower]
    shutil.rmtree(place / "features")
    write_records(place / "features", records)
    put(RerunningVerbalizer(off=None), monkeypatch)
    told = run(*list_arguments(place, FIRST, transcoders="org/set"), "--json")
    assert "not available: " in json.loads(told.out)["unavailable"]
    assert told.code == 1


@pytest.mark.parametrize(
    ("off", "expected"),
    [(["0.0"], "0.0 was left out: it is off"), (None, "no peak holds: it is off")],
)
def test_peaks_at_which_the_feature_no_longer_fires_are_left_out(
    run: Run, place: Path, monkeypatch: pytest.MonkeyPatch, off: Any, expected: str
):
    put(RerunningVerbalizer(off=off), monkeypatch)
    told = run(*list_arguments(place, FIRST, transcoders="org/set"), "--json")
    row = json.loads(told.out)
    assert expected in f"{row['unavailable']} {row['notes']}"
    dropped = [note.partition(" was left out")[0] for note in row["notes"]]
    assert {one["input_id"] for one in row["said"]}.isdisjoint(dropped)
    assert told.code == int(off is None)


@pytest.mark.parametrize("kind", ["example", "decoder"])
def test_offline_what_was_run_and_read_is_replayed(
    run: Run, place: Path, monkeypatch: pytest.MonkeyPatch, kind: str
):
    rows = {FEATURES[0]: np.ones(32, np.float32)}
    put(RerunningVerbalizer(off=["0.0"], rows=rows), monkeypatch)
    arguments = list_arguments(place, FIRST, transcoders="org/set", input=kind)
    first = run(*arguments, "--json")
    assert first.code == 0, first.err
    silent = put(RerunningVerbalizer(), monkeypatch)
    offline = run(*arguments, "--json", "--offline")
    assert (offline.code, offline.out) == (0, first.out)
    assert silent.asked == silent.opened == []


def test_how_far_it_is_goes_with_the_features(
    place: Path, pair: FakeVectorVerbalizer, monkeypatch: pytest.MonkeyPatch
):
    told: list[Progress] = []
    settings = Settings(nla="nla:org/pair", ledger=str(place / "clerp.db"), rule="protocol")
    asking.ask_about(place / "graph.json", [FIRST, SECOND], NlaRequest(), settings, told.append)
    said = [one for one in told if one.stage == "verbalize"]
    assert (said[0], said[-1]) == (Progress("verbalize", 0, 2), Progress("verbalize", 2, 2))
    assert Progress("verbalize", 1, 2) in said


def test_what_was_said_is_written_to_a_file_that_says_it_again(
    run: Run, place: Path, pair: FakeVectorVerbalizer, monkeypatch: pytest.MonkeyPatch
):
    file = place / "said.jsonl"
    first = run(*list_arguments(place, FIRST, SECOND, record=file), "--json")
    assert first.code == 0, first.err
    monkeypatch.setattr(asking, "open_verbalizer", open_verbalizer)
    replayed = {"nla": f"recorded-nla:{file}", "ledger": place / "other.db"}
    again = run(*list_arguments(place, FIRST, SECOND, **replayed), "--json")
    assert again.code == 0, again.err
    assert again.out.replace('"recorded ', '"') == first.out


def test_a_file_that_cannot_be_written_is_one_line(
    run: Run, place: Path, pair: FakeVectorVerbalizer
):
    missing = place / "missing" / "said.jsonl"
    told = run(*list_arguments(place, FIRST, record=missing))
    assert_refused(told, "said.jsonl")
    assert pair.asked == []
