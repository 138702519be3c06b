"""Labelling with an NLA: what it says is in every output, and is a label in none."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.command_line import Outcome, Run, make_runner
from tests.fake_llm import always_good, run_fake_llm
from tests.rerunning import OFF, RerunningVerbalizer
from tests.tiny_graph import FEATURES, build_records, build_tiny_graph, write_graph, write_records

import clerp
from clerp import pipeline
from clerp.errors import InputError, NotAvailableError, VerbalizerError
from clerp.ledger import open_ledger
from clerp.ledger.review_reads import QueueFilter
from clerp.review.session import Choice, ReviewSession
from clerp.testing.fake_verbalizer import MODEL, FakeVectorVerbalizer
from clerp.verbalizers import ModelClaim, PairIdentity
from clerp.verbalizers.peaks import NOT_RUN_AGAIN

FIRST = str(FEATURES[0])
# Nothing is so much alike: every feature is obscure.
OBSCURE = ("--rule", "protocol", "--threshold", "0.999")
FEW = ("--nla-examples", "3", "--nla-samples", "2")
Document = dict[str, Any]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    return make_runner(capsys, monkeypatch)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    document = build_tiny_graph()
    document["metadata"]["scan"] = MODEL
    write_graph(tmp_path / "graph.json", document)
    write_records(tmp_path / "features", build_records())
    monkeypatch.chdir(tmp_path)
    return tmp_path


def put(verbalizer: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(pipeline, "open_verbalizer", lambda _: verbalizer)
    return verbalizer


@pytest.fixture
def pair(monkeypatch: pytest.MonkeyPatch) -> FakeVectorVerbalizer:
    return put(FakeVectorVerbalizer(), monkeypatch)


def label(run: Run, out: str, *options: object) -> Outcome:
    return run("label", "graph.json", "--out", out, *OBSCURE, *options)


def label_with_nla(run: Run, out: str, *options: object) -> Outcome:
    return label(run, out, "--nla", "org/pair", *FEW, *options)


def read(place: Path, name: str) -> Document:
    return json.loads((place / name).read_text())


def test_what_is_said_stands_beside_the_features_and_changes_nothing_else(
    run: Run, place: Path, pair: FakeVectorVerbalizer
):
    assert label(run, "plain.json", "--ledger", "plain.db").code == 0
    told = label_with_nla(run, "said.json")
    assert told.code == 0, told.err
    assert "An NLA spoke of 8 of 8 features of tier 3" in told.err
    plain, said = read(place, "plain.json"), read(place, "said.json")
    assert plain["nodes"] == said["nodes"]
    record = said["metadata"]["clerp"]
    for feature in FEATURES:
        spoken = record["features"][str(feature)].pop("verbalization")
        assert spoken["experimental"] is True
        assert len(spoken["said"]) == 3 * 2
    for name in ("nla", "nla_model", "nla_examples", "nla_samples"):
        assert name not in plain["metadata"]["clerp"]["configuration"]
        del record["configuration"][name]
    assert record.pop("run_id") != plain["metadata"]["clerp"].pop("run_id")
    assert said == plain


def test_a_second_run_asks_nobody_and_writes_the_same_bytes(
    run: Run, place: Path, pair: FakeVectorVerbalizer
):
    label_with_nla(run, "first.json")
    pair.asked.clear()
    label_with_nla(run, "again.json")
    label_with_nla(run, "offline.json", "--offline")
    assert pair.asked == []
    assert (place / "first.json").read_bytes() == (place / "again.json").read_bytes()
    assert (place / "first.json").read_bytes() == (place / "offline.json").read_bytes()


def test_peaks_are_run_again_where_transcoders_are_named(
    run: Run, place: Path, monkeypatch: pytest.MonkeyPatch
):
    put(RerunningVerbalizer(off=["0.0"], set_name=MODEL), monkeypatch)
    (place / "lovelace" / "set").mkdir(parents=True)
    named = ("--nla-transcoders", place / "lovelace" / "set")
    told = label_with_nla(run, "first.json", *named)
    assert told.code == 0, told.err
    spoken = read(place, "first.json")["metadata"]["clerp"]["features"][FIRST]["verbalization"]
    left_out, unknown = spoken["notes"]
    assert left_out == f"0.0 was left out: {OFF}"
    assert "set is what the graph was made with: the graph does not name its own" in unknown
    assert "0.0" not in {said["input_id"] for said in spoken["said"]}
    assert spoken["details"]["transcoders"] == "set@111111111111"
    assert "lovelace" not in (place / "first.json").read_text()
    silent = put(RerunningVerbalizer(set_name=MODEL), monkeypatch)
    label_with_nla(run, "again.json", *named)
    label_with_nla(run, "offline.json", *named, "--offline")
    assert silent.asked == []
    assert (place / "first.json").read_bytes() == (place / "again.json").read_bytes()
    assert (place / "first.json").read_bytes() == (place / "offline.json").read_bytes()


def test_transcoders_of_another_graph_are_not_run_and_leave_the_run_unfinished(
    run: Run, place: Path, monkeypatch: pytest.MonkeyPatch
):
    document = read(place, "graph.json")
    document["metadata"]["scan"] = "org/mine"
    write_graph(place / "graph.json", document)
    pair = put(RerunningVerbalizer(set_name="org/another"), monkeypatch)
    told = label_with_nla(run, "said.json", "--nla-transcoders", "sets", "--nla-model", MODEL)
    assert told.code == 2
    assert not [asked for asked in pair.asked if asked.startswith("confirm")]
    why = "these are the transcoders org/another, and the graph was made with org/mine"
    assert why in " ".join(told.err.split())
    spoken = read(place, "said.json")["metadata"]["clerp"]["features"][FIRST]["verbalization"]
    assert why in spoken["notes"][-1]
    assert spoken["said"]


def test_transcoders_that_cannot_be_read_leave_the_run_unfinished(
    run: Run, place: Path, monkeypatch: pytest.MonkeyPatch
):
    fault = InputError("the file is cut off", where="/home/ada", remedy="Fetch it again")
    put(RerunningVerbalizer(open_fault=fault), monkeypatch)
    told = label_with_nla(run, "said.json", "--nla-transcoders", "org/set")
    assert told.code == 2
    spoken = read(place, "said.json")["metadata"]["clerp"]["features"][FIRST]["verbalization"]
    why = "peaks could not be run again: the file is cut off. Fetch it again"
    assert spoken["notes"] == [NOT_RUN_AGAIN, why]
    assert spoken["said"]
    assert f"8 features of tier 3 were not verbalized to the end: {why}" in told.err


class Misfit(FakeVectorVerbalizer):
    def check(self, claim: ModelClaim) -> PairIdentity:
        raise NotAvailableError(f"made for another model than {claim.model}")


class Unreachable(FakeVectorVerbalizer):
    def check(self, claim: ModelClaim) -> PairIdentity:
        raise VerbalizerError("the server is down")


@pytest.mark.parametrize(
    ("verbalizer", "code", "why"),
    [
        (Misfit(), 0, f"not available: made for another model than {MODEL}"),
        (Unreachable(), 2, "not available: the server is down"),
    ],
)
def test_a_pair_that_cannot_be_asked_ends_no_run(
    run: Run, place: Path, monkeypatch: pytest.MonkeyPatch, verbalizer: Any, code: int, why: str
):
    put(verbalizer, monkeypatch)
    told = label_with_nla(run, "said.json")
    assert told.code == code
    notes = [line for line in told.err.splitlines() if "not verbalized" in line]
    assert notes == [f"8 features of tier 3 were not verbalized, {why}"]
    features = read(place, "said.json")["metadata"]["clerp"]["features"]
    assert {f["verbalization"]["unavailable"] for f in features.values()} == {why}


def test_baez_is_no_method_to_label_with(run: Run, place: Path):
    told = label(run, "said.json", "--llm", "http:m@http://127.0.0.1:9", "--method", "baez")
    assert told.code == 1
    assert "there is no method 'baez'. Known methods: max-act-logits" in told.err


def test_it_is_read_with_why_and_in_the_report(run: Run, place: Path, pair: FakeVectorVerbalizer):
    label_with_nla(run, "said.json")
    pair.asked.clear()
    why = run("why", "said.json", FIRST, "--features", "features")
    assert "What an NLA says" in why.out
    assert "experimental: no label, and no claim in it is checked" in why.out
    as_json = json.loads(run("why", "said.json", FIRST, "--features", "features", "--json").out)
    recorded = read(place, "said.json")["metadata"]["clerp"]["features"][FIRST]["verbalization"]
    assert as_json["verbalization"] == recorded
    assert run("report", "said.json", "--out", "report.html").code == 0
    assert 'class="experimental"' in (place / "report.html").read_text()
    assert pair.asked == []


def test_without_an_nla_nothing_speaks_of_one(run: Run, place: Path):
    label(run, "plain.json")
    why = run("why", "plain.json", FIRST, "--features", "features", "--json")
    assert "verbalization" not in json.loads(why.out)
    assert "verbalization" not in (place / "plain.json").read_text()


def test_who_reviews_sees_it_and_who_judges_blind_does_not(
    run: Run, place: Path, pair: FakeVectorVerbalizer
):
    label_with_nla(run, "said.json")
    with open_ledger(str(place / "clerp.db")) as ledger:
        for is_blind in (False, True):
            choice = Choice("ada", is_blind=is_blind, wanted=QueueFilter())
            session = ReviewSession(ledger, choice)
            item = session.find_next()
            assert item is not None
            snapshot = session.show(item).snapshot
            assert snapshot is not None
            if is_blind:
                assert snapshot.proposal is None
            else:
                assert snapshot.proposal is not None
                assert snapshot.proposal.verbalized is not None
                assert snapshot.proposal.label == ""


def test_a_model_makes_proposals_that_are_no_labels(
    run: Run, place: Path, pair: FakeVectorVerbalizer
):
    with run_fake_llm(always_good) as fake:
        told = label_with_nla(run, "said.json", "--llm", f"http:m@{fake.address}")
        assert (told.code, len(fake.requests)) == (0, 8)
    document = read(place, "said.json")
    features = document["metadata"]["clerp"]["features"].values()
    assert all(f["verbalization"]["proposal"] for f in features)
    assert all((f["clerp"], f["label"]) == ("", "") for f in features)
    assert all(not node.get("clerp_proposal") for node in document["nodes"])
    [row] = document["metadata"]["clerp"]["costs"]
    assert (row["tier"], row["method"], row["calls"]) == (3, "baez", 8)
    assert "baez" in told.out


def test_a_dry_run_counts_texts_and_asks_nobody(run: Run, place: Path, pair: FakeVectorVerbalizer):
    model = "http:m@http://127.0.0.1:9"
    told = label_with_nla(run, "said.json", "--dry-run", "--llm", model)
    assert told.code == 0
    # Three peaks twice, two places of each where the feature is off once, and 33 of controls.
    assert "at most 72 residuals of 8 features of tier 3 in 129 texts" in told.err
    assert "asked at most 8 times" in told.err
    assert pair.asked == []
    assert not (place / "said.json").exists()


def test_from_python_it_is_an_attribute(place: Path, pair: FakeVectorVerbalizer):
    labeled = clerp.label(
        "graph.json", nla=Path("org/pair"), nla_samples=2, rule="protocol", threshold=0.999
    )
    said = labeled[FIRST].verbalization
    assert said is not None
    assert said.trust is not None
    assert labeled.to_records()[0]["label"] == ""
