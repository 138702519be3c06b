"""What people decide is what every later run says, in every graph with the feature."""

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from tests.command_line import Run, make_runner
from tests.tiny_graph import build_records, build_tiny_graph, write_graph, write_records

import clerp
from clerp.feature import FeatureId
from clerp.ledger import open_ledger
from clerp.ledger.decision import Act
from clerp.ledger.review_reads import QueueFilter
from clerp.pipeline import estimate, explain
from clerp.review.session import Choice, ReviewSession

FIRST, SECOND = FeatureId(0, 10), FeatureId(1, 11)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    return make_runner(capsys, monkeypatch)


@pytest.fixture
def features(tmp_path: Path) -> Path:
    return write_records(tmp_path / "features", build_records())


@pytest.fixture
def graph(tmp_path: Path, features: Path) -> Path:
    return write_named(tmp_path, "one")


def write_named(folder: Path, slug: str, **metadata: Any) -> Path:
    document = build_tiny_graph()
    document["metadata"].update(slug=slug, **metadata)
    return write_graph(folder / f"{slug}.json", document)


def decide(ledger: Path, feature: FeatureId, act: Act, annotator: str = "ada", **more: Any) -> None:
    with open_ledger(str(ledger)) as opened:
        choice = Choice(annotator, wanted=QueueFilter(with_artefacts=True))
        session = ReviewSession(opened, choice)
        listed = session.list_items(limit=100, offset=0)
        item = next(row.item for row in listed if row.feature == str(feature))
        session.decide(item, act=act, seen=session.show(item).seen, **more)


@pytest.fixture(scope="module")
def decided(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("decided")
    write_records(folder / "features", build_records())
    path = folder / "clerp.db"
    clerp.label(write_named(folder, "one"), ledger=path)
    decide(path, FIRST, "edit", label="US states", role="cross")
    decide(path, SECOND, "reject")
    return path


@pytest.fixture
def ledger(tmp_path: Path, features: Path, decided: Path) -> Path:
    """One whose queue holds the graph, and two decisions."""
    return Path(shutil.copy(decided, tmp_path / "clerp.db"))


def read_nodes(path: Path) -> dict[FeatureId, dict[str, Any]]:
    nodes = json.loads(path.read_text())["nodes"]
    return {
        FeatureId(int(node["layer"]), int(node["node_id"].split("_")[1])): node
        for node in nodes
        if "clerp_status" in node
    }


def test_a_reviewed_label_is_locked_against_a_later_run(graph: Path, ledger: Path, tmp_path: Path):
    out = tmp_path / "out.json"
    clerp.label(graph, ledger=ledger).write(out)
    first, second = (read_nodes(out)[feature] for feature in (FIRST, SECOND))
    assert (first["clerp"], first["clerp_status"]) == ("US states", "reviewed")
    assert (first["clerp_role"], first["clerp_method"]) == ("cross", "review")
    assert (second["clerp"], second["clerp_status"]) == ("", "reviewed")
    record = json.loads(out.read_text())["metadata"]["clerp"]["features"][str(FIRST)]
    assert record["reason"] == "reviewed by ada"
    assert record["route_reason"].startswith("review: cross; the rule said input: ")


def test_two_runs_write_the_same_bytes_and_the_ledger_nothing(
    graph: Path, ledger: Path, tmp_path: Path
):
    clerp.label(graph, ledger=ledger).write(tmp_path / "a.json")
    before = dump(ledger)
    clerp.label(graph, ledger=ledger).write(tmp_path / "b.json")
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    assert dump(ledger) == before


def dump(ledger: Path) -> list[str]:
    with closing(sqlite3.connect(ledger)) as connection:
        return list(connection.iterdump())


def test_another_graph_with_the_feature_has_the_label(ledger: Path, tmp_path: Path):
    other = write_named(tmp_path, "two")
    labeled = clerp.label(other, ledger=ledger)
    named = labeled[0, 10]
    assert (named.label and named.label.text, named.status) == ("US states", "reviewed")


def test_the_same_numbers_under_another_set_are_another_feature(ledger: Path, tmp_path: Path):
    other = write_named(tmp_path, "two", scan="another/transcoders")
    assert clerp.label(other, ledger=ledger)[0, 10].status == "labeled"


def test_a_feature_of_a_local_set_is_known_by_its_evidence(tmp_path: Path, features: Path):
    local = write_named(tmp_path, "local", scan="custom-1")
    ledger = tmp_path / "local.db"
    clerp.label(local, ledger=ledger)
    decide(ledger, FIRST, "edit", label="US states")
    again = write_named(tmp_path, "again", scan="custom-1")
    assert clerp.label(again, ledger=ledger)[0, 10].status == "reviewed"
    record = features / f"{FIRST.cantor}.json"
    record.write_text(record.read_text().replace("Dallas", "Houston"))
    assert clerp.label(again, ledger=ledger)[0, 10].status == "labeled"


def test_a_labelled_graph_brings_its_reviews_where_there_is_no_ledger(
    graph: Path, ledger: Path, tmp_path: Path
):
    out, again = tmp_path / "out.json", tmp_path / "again.json"
    clerp.label(graph, ledger=ledger).write(out)
    clerp.label(out, ledger=tmp_path / "new.db").write(again)
    assert again.read_bytes() == out.read_bytes()


def test_what_was_undone_here_does_not_come_back_from_a_labelled_graph(
    graph: Path, ledger: Path, tmp_path: Path
):
    out = tmp_path / "out.json"
    clerp.label(graph, ledger=ledger).write(out)
    with open_ledger(str(ledger)) as opened:
        session = ReviewSession(opened, Choice("ada"))
        session.undo()
        session.undo()
    again = clerp.label(out, ledger=ledger)
    assert {again[0, 10].status, again[1, 11].status} == {"labeled"}


@pytest.mark.parametrize(
    "said",
    [
        {"act": "comment", "comment": "hm"},
        {"act": "skip"},
        {"act": "flag"},
        {"act": "edit", "label": "cities"},
    ],
)
def test_a_review_that_a_graph_brings_holds_until_enough_have_judged_here(
    graph: Path, ledger: Path, tmp_path: Path, run: Run, said: dict[str, Any]
):
    out, other = tmp_path / "out.json", tmp_path / "other.db"
    clerp.label(graph, ledger=ledger).write(out)
    clerp.label(out, features=tmp_path / "features", ledger=other)
    run("review", "terms", "--overlap", "1", "--ledger", other)
    decide(other, FIRST, annotator="bob", **said)
    labeled = clerp.label(out, features=tmp_path / "features", ledger=other)[0, 10]
    assert (labeled.status, labeled.label and labeled.label.text) == ("reviewed", "US states")


def test_one_graph_claims_no_review_for_another(graph: Path, ledger: Path, tmp_path: Path):
    out, other = tmp_path / "out.json", tmp_path / "other.json"
    clerp.label(graph, ledger=ledger).write(out)
    other.write_text(out.read_text().replace('"US states"', '"another"'))
    new = tmp_path / "new.db"
    assert [g[0, 10].status for g in clerp.label([graph, out], ledger=new)] == ["labeled"] * 2
    assert [g[0, 10].status for g in clerp.label([other, out], ledger=new)] == ["labeled"] * 2
    assert [g[0, 10].status for g in clerp.label([out, out], ledger=new)] == ["reviewed"] * 2


def test_options_before_a_subcommand_are_not_lost_without_a_word(
    ledger: Path, tmp_path: Path, run: Run
):
    refused = run("review", "--ledger", ledger, "export", tmp_path / "x.csv")
    assert refused.code == 1
    assert "--ledger: stands before export" in refused.err
    refused = run("review", "--blind", "terms", "--ledger", ledger)
    assert (refused.code, "--blind: stands before terms" in refused.err) == (1, True)


def test_a_role_alone_decides_who_labels(graph: Path, tmp_path: Path):
    ledger = tmp_path / "clerp.db"
    clerp.label(graph, ledger=ledger)
    decide(ledger, FIRST, "role", role="cross")
    labeled = clerp.label(graph, ledger=ledger)[0, 10]
    assert (labeled.route.role, labeled.route.tier) == ("cross", 2)
    assert (labeled.status, labeled.label) == ("needs_review", None)


def test_one_of_two_judges_locks_nothing_here_nor_where_it_is_imported(
    graph: Path, tmp_path: Path, run: Run
):
    ledger, other, file = (tmp_path / name for name in ("clerp.db", "other.db", "made.csv"))
    before = clerp.label(graph, ledger=ledger)[0, 10]
    run("review", "terms", "--overlap", "1", "--ledger", ledger)
    decide(ledger, FIRST, "edit", label="US states")
    run("review", "export", file, "--ledger", ledger)
    assert run("review", "import", file, "--ledger", other).code == 0
    for place in (ledger, other):
        assert clerp.label(graph, ledger=place)[0, 10] == before
    decide(ledger, FIRST, "edit", annotator="bob", label="US states")
    run("review", "export", file, "--ledger", ledger)
    assert run("review", "import", file, "--ledger", other).code == 0
    for place in (ledger, other):
        assert clerp.label(graph, ledger=place)[0, 10].status == "reviewed"


def test_terms_are_kept_and_told(ledger: Path, run: Run):
    asked = run("review", "terms", "--ledger", ledger, "--json")
    assert json.loads(asked.out) == {"overlap": 0.0, "annotators": 2, "is_blind": False}
    run("review", "terms", "--overlap", "0.2", "--ledger", ledger)
    told = run("review", "terms", "--annotators", "3", "--blind", "--ledger", ledger)
    assert "3 people judge each of 20 % of the features" in told.err
    assert "shows once one has judged" in told.err
    refused = run("review", "terms", "--annotators", "1001", "--ledger", ledger)
    assert (refused.code, "more than 1,000" in refused.err) == (1, True)
    again = run("review", "terms", "--ledger", ledger, "--json")
    assert json.loads(again.out) == {"overlap": 0.2, "annotators": 3, "is_blind": True}


def test_people_who_disagree_lock_nothing(graph: Path, tmp_path: Path, run: Run):
    ledger = tmp_path / "clerp.db"
    clerp.label(graph, ledger=ledger)
    before = clerp.label(graph, ledger=ledger)[0, 10]
    run("review", "terms", "--overlap", "1", "--ledger", ledger)
    with open_ledger(str(ledger)) as opened:
        for person, label in (("ada", "US states"), ("bob", "cities")):
            session = ReviewSession(opened, Choice(person))
            listed = session.list_items(limit=100, offset=0)
            item = next(row.item for row in listed if row.feature == str(FIRST))
            session.decide(item, act="edit", seen=0, label=label)
    assert clerp.label(graph, ledger=ledger)[0, 10] == before


@pytest.mark.parametrize(
    ("existing", "shown"), [("keep", "theirs"), ("compare", "US states"), ("replace", "US states")]
)
def test_a_reviewed_label_takes_the_place_of_a_foreign_one(
    ledger: Path, tmp_path: Path, existing: Any, shown: str
):
    document = build_tiny_graph()
    for node in document["nodes"]:
        if node["node_id"].startswith("0_10_"):
            node["clerp"] = "theirs"
    other = write_graph(tmp_path / "other.json", document)
    out = tmp_path / "out.json"
    clerp.label(other, ledger=ledger, existing=existing).write(out)
    assert read_nodes(out)[FIRST]["clerp"] == shown


def test_a_supernodes_name_is_never_overwritten(ledger: Path, tmp_path: Path):
    document = build_tiny_graph()
    for node in document["nodes"]:
        if node["node_id"].startswith("0_10_"):
            node["clerp"] = "[supernode] places"
    other = write_graph(tmp_path / "other.json", document)
    out = tmp_path / "out.json"
    clerp.label(other, ledger=ledger).write(out)
    assert read_nodes(out)[FIRST]["clerp"] == "[supernode] places"


@pytest.mark.parametrize("name", ["review.jsonl", "review.csv"])
def test_an_exported_review_gives_the_same_graph_in_a_fresh_clone(
    graph: Path, ledger: Path, tmp_path: Path, run: Run, name: str
):
    here, there = tmp_path / "here.json", tmp_path / "there.json"
    clerp.label(graph, ledger=ledger).write(here)
    exported = run("review", "export", tmp_path / name, "--ledger", ledger)
    assert exported.code == 0, exported
    new = tmp_path / "new.db"
    imported = run("review", "import", tmp_path / name, "--ledger", new)
    assert (imported.code, imported.err.splitlines()[0]) == (
        0,
        "2 decisions added, 0 known already",
    )
    assert "2 features are of no graph" in imported.err
    again = run("review", "import", tmp_path / name, "--ledger", new, "--json")
    assert json.loads(again.out) == {"added": 0, "known": 2, "conflicts": [], "unseen": 0}
    clerp.label(graph, ledger=new).write(there)
    assert there.read_bytes() == here.read_bytes()
    with open_ledger(str(new)) as opened:
        waiting = {item.key.feature for item in opened.queued()}
    assert not waiting & {FIRST, SECOND}


def test_a_conflict_is_told_and_exits_with_two(ledger: Path, graph: Path, tmp_path: Path, run: Run):
    path, other = tmp_path / "review.csv", tmp_path / "other.db"
    run("review", "export", path, "--ledger", ledger)
    clerp.label(graph, ledger=other)
    decide(other, SECOND, "edit", label="cities")
    with open_ledger(str(other)) as opened:
        ReviewSession(opened, Choice("ada")).undo()
    told = run("review", "import", path, "--ledger", other)
    assert told.code == 2
    assert "conflict, left out: ada on 1_11: here taken back, in the file reject" in told.err


def test_no_model_is_asked_of_what_people_named(ledger: Path, graph: Path, tmp_path: Path):
    def count_calls(ledger: Path) -> int:
        found = estimate([graph], ledger=str(ledger), llm="http:m@http://127.0.0.1:9", llm_all=True)
        return sum(tier.calls for tier in found.calls.values())

    assert count_calls(tmp_path / "none.db") - count_calls(ledger) == 2


def test_why_shows_who_reviewed(ledger: Path, graph: Path):
    explained = explain(graph, FIRST, ledger=ledger)
    assert explained.labeled.reason == "reviewed by ada"
    assert explained.steps[-1].startswith("review: cross; the rule said input")


def test_a_ledger_that_is_not_there_is_not_made(tmp_path: Path, run: Run):
    for command in (["--no-browser"], ["export", str(tmp_path / "x.csv")]):
        refused = run("review", *command, "--ledger", tmp_path / "none.db")
        assert refused.code == 1
        assert "there is no such ledger" in refused.err
    assert not (tmp_path / "none.db").exists()
