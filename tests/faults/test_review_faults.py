"""A review page whose ledger fails it says so in one line, loses nothing, and goes on."""

import json
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from itertools import takewhile
from pathlib import Path
from threading import Barrier

import httpx
import pytest
from tests.command_line import Run, assert_refused, make_runner
from tests.faults.figures import Figures
from tests.faults.review_pages import Visitor
from tests.postgres import Postgres, postgres
from tests.tiny_graph import build_records, build_tiny_graph, write_graph, write_records
from tests.unit.ledger.databases import ask, connect, lock
from tests.unit.ledger.records import SET, make_item, queue
from tests.unit.review.fold import check_fold
from tests.unit.review.web.visitor import SHOWN, find_text, serve_session

import clerp
from clerp.errors import LedgerBusyError
from clerp.ledger import Ledger, engine, open_ledger
from clerp.ledger.queue import hash_key
from clerp.ledger.review_reads import QueueFilter
from clerp.review.exchange import Imported, import_decisions
from clerp.review.session import Choice, ReviewSession

pytestmark = pytest.mark.slow

__all__ = ["postgres"]

ITEMS = [make_item(n, label="US geography", share=0.1) for n in range(1, 5)]
KEYS = [hash_key(item.key) for item in ITEMS]
FIRST, SECOND = KEYS[:2]
NOON = datetime(2026, 1, 2, 12)
EVERYTHING = QueueFilter(with_artefacts=True)
PutBack = Callable[[], object]
PROSE = "a comment that takes up room, " * 60 + "and more"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A ledger in a folder of its own."""
    folder = tmp_path / "shelf"
    folder.mkdir()
    fill(str(folder / "clerp.db"))
    return folder / "clerp.db"


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, path: Path, postgres: Postgres) -> Iterator[str]:
    """The same in a file and on a server."""
    if request.param == "sqlite":
        yield str(path)
        return
    with postgres.make_database() as url:
        fill(url)
        yield url


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    return make_runner(capsys, monkeypatch)


def fill(place: str) -> None:
    with open_ledger(place) as ledger:
        queue(ledger, *ITEMS)


@contextmanager
def open_page(ledger: Ledger) -> Iterator[Visitor]:
    session = ReviewSession(ledger, Choice("ada", wanted=EVERYTHING, cover=1.0))
    with serve_session(session) as served:
        served.get(served.link)
        yield Visitor(served.client, served.address.rstrip("/"), served.access.csrf)


def list_comments(place: str) -> list[str]:
    """Check that a ledger is whole; return the comments in it."""
    with open_ledger(place) as ledger:
        kept = check_fold(ledger)
    return sorted(made.comment for decisions in kept.values() for made in decisions)


def check_refused(answer: httpx.Response, status: int, *parts: str) -> None:
    """Check that an answer is one sentence with these parts, and not of the inside."""
    assert answer.status_code == status, answer.text
    is_json = answer.headers["content-type"] == "application/json"
    said = answer.json()["error"] if is_json else find_text(answer.text)
    assert "\n" not in said
    assert "Traceback" not in said
    for part in parts:
        assert part in said


def move_file(path: Path) -> PutBack:
    away = path.with_name("away.db")
    path.rename(away)
    return lambda: shutil.move(away, path)


def move_folder(path: Path) -> PutBack:
    away = path.parent.with_name("away")
    path.parent.rename(away)
    return lambda: shutil.move(away, path.parent)


def replace_file(path: Path) -> PutBack:
    put_back = move_file(path)
    path.write_bytes(b"somebody else's")

    def restore() -> None:
        assert path.read_bytes() == b"somebody else's"
        put_back()

    return restore


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (move_file, "was deleted or cannot be reached"),
        (move_folder, "was deleted or cannot be reached"),
        (replace_file, "was replaced by another file"),
    ],
)
def test_a_ledger_that_is_away_is_said_and_goes_on_when_it_is_back(
    path: Path, spoil: Callable[[Path], PutBack], said: str
) -> None:
    with open_ledger(str(path)) as ledger, open_page(ledger) as visitor:
        assert visitor.decide(FIRST, "edit", label="Texas", comment="1").is_success
        restore = spoil(path)
        refused = visitor.post(f"/item/{FIRST}/decision", act="reject", **{**SHOWN, "seen": 1})
        check_refused(refused, 500, said, "Put it back")
        for page in ("/", "/list", f"/item/{SECOND}"):
            check_refused(visitor.client.get(page), 500, said)
        restore()
        assert visitor.decide(FIRST, "reject", comment="2").is_success
    assert list_comments(str(path)) == ["1", "2"]


def test_a_locked_ledger_is_said_and_takes_the_same_decision_afterwards(
    place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "BUSY_TIMEOUT_SECONDS", 0.05)
    with open_ledger(place) as ledger, open_page(ledger) as visitor:
        visitor.look(FIRST)
        asked = {**SHOWN, "act": "edit", "label": "Texas", "comment": "1"}
        with lock(place):
            refused = visitor.post(f"/item/{FIRST}/decision", **asked)
            check_refused(refused, 503, "another process has locked the ledger", "Wait")
            # Who only reads waits for nobody.
            assert visitor.look(SECOND).is_success
        assert visitor.post(f"/item/{FIRST}/decision", **asked).is_success
    assert list_comments(place) == ["1"]


def make_newer(path: Path) -> None:
    with connect(str(path)) as connection:
        connection.exec_driver_sql("UPDATE schema_version SET version = 1000")


def make_text(path: Path) -> None:
    path.write_text("no database at all\n" * 100)


def make_foreign(path: Path) -> None:
    path.unlink()
    with connect(str(path)) as connection:
        connection.exec_driver_sql("CREATE TABLE songs (name TEXT)")


def make_read_only(path: Path) -> None:
    """Raise the write version in the header above what SQLite knows: root may write any file."""
    with path.open("r+b") as file:
        file.seek(18)
        file.write(b"\x03")


def tear(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[4096 : len(content) // 2] = bytes(len(content) // 2 - 4096)
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (make_newer, "made by a newer clerp (schema 1000"),
        (make_text, "not a ledger, nor any SQLite database"),
        (make_foreign, "a database of something else"),
        (make_read_only, "the ledger is read-only"),
        (tear, "the ledger is damaged"),
    ],
)
@pytest.mark.parametrize("command", [["--no-browser", "--port", "0"], ["export", "out.jsonl"]])
def test_what_is_no_ledger_of_today_is_refused_in_one_line_and_stays(
    path: Path,
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
    spoil: Callable[[Path], None],
    said: str,
    command: Sequence[str],
) -> None:
    monkeypatch.chdir(path.parent)
    spoil(path)
    before = path.read_bytes()
    assert_refused(run("review", *command, "--ledger", path), str(path), said)
    assert path.read_bytes() == before
    assert not (path.parent / "out.jsonl").exists()


def test_a_queue_outlives_its_graphs_and_feature_files(tmp_path: Path) -> None:
    features = write_records(tmp_path / "features", build_records())
    graph = write_graph(tmp_path / "graph.json", build_tiny_graph())
    ledger = tmp_path / "clerp.db"
    clerp.label(graph, ledger=ledger)
    before = read_pages(ledger)
    shutil.rmtree(features)
    graph.unlink()
    assert read_pages(ledger) == before
    assert len(before) == len(build_records())
    for page in before.values():
        assert "Top activations" in page
        assert "Where it fires" in page


def read_pages(path: Path) -> dict[str, str]:
    """Read the page of every feature, but for what each run of the page has of its own."""
    with open_ledger(str(path)) as ledger, open_page(ledger) as visitor:
        items = re.findall(r"/item/([0-9a-f]{64})", visitor.client.get("/list").text)
        shown = {item: visitor.look(item).text for item in items}
        return {item: page.replace(visitor.csrf, "") for item, page in shown.items()}


@pytest.mark.parametrize("table", ["snapshots", "graph_snapshots"])
@pytest.mark.parametrize("content", ["x'00'", "substr(content, 1, 20)", "zeroblob(100)"])
def test_a_damaged_snapshot_is_said_and_the_queue_goes_on(
    tmp_path: Path, table: str, content: str
) -> None:
    write_records(tmp_path / "features", build_records())
    path = tmp_path / "clerp.db"
    clerp.label(write_graph(tmp_path / "graph.json", build_tiny_graph()), ledger=path)
    with open_ledger(str(path)) as ledger, open_page(ledger) as visitor:
        first = visitor.client.get("/").headers["location"].removeprefix("/item/")
        where = "" if table == "graph_snapshots" else f" WHERE feature_key = '{first}'"
        ask(str(path), f"UPDATE {table} SET content = {content}{where}")
        shown = visitor.look(first)
        assert shown.is_success
        assert "a snapshot in the ledger is damaged" in find_text(shown.text)
        assert "Restore the ledger from a copy" in find_text(shown.text)
        following = visitor.decide(first, "skip", comment="1").json()["next"]
        assert following not in (f"/item/{first}", "/list")
        after = visitor.client.get(following)
        assert after.is_success
        assert ("is damaged" in after.text) is (table == "graph_snapshots")
    assert list_comments(str(path)) == ["1"]


def test_a_full_disk_is_said_and_the_page_goes_on_when_there_is_room(path: Path) -> None:
    with open_ledger(str(path)) as ledger, open_page(ledger) as visitor:
        set_most_pages(ledger, "page_count")
        comments = [f"{number} {PROSE}" for number in range(100)]
        answers = list(takewhile(lambda a: a.is_success, comment_on(visitor, comments)))
        refused = comments[len(answers)]
        for answer in comment_on(visitor, [refused, refused]):
            check_refused(answer, 500, "the disk is full", "Make room")
        set_most_pages(ledger, "1000000")
        assert visitor.decide(FIRST, "comment", comment=refused).is_success
    assert list_comments(str(path)) == sorted(comments[: len(answers) + 1])
    assert ask(str(path), "PRAGMA integrity_check") == [("ok",)]


def comment_on(visitor: Visitor, comments: Iterable[str]) -> Iterator[httpx.Response]:
    """Send one comment after another about one feature."""
    return (visitor.decide(FIRST, "comment", comment=comment) for comment in comments)


def set_most_pages(ledger: Ledger, most: str) -> None:
    """Let SQLite find the disk full beyond so many pages."""
    with ledger._transaction() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        chosen = most.replace("page_count", str(pages))
        connection.exec_driver_sql(f"PRAGMA max_page_count={chosen}")


def write_decisions(path: Path, features: Sequence[str], **more: object) -> Path:
    rows = [
        {
            "transcoder_set": SET.name,
            "revision": SET.revision,
            "feature": feature,
            "annotator": "bob",
            "act": "edit",
            "label": "Texas",
        }
        | more
        for feature in features
    ]
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return path


def test_an_import_while_the_page_is_open_is_seen_there(place: str, tmp_path: Path) -> None:
    file = write_decisions(tmp_path / "review.jsonl", ["3_1", "3_99"])
    with open_ledger(place) as ledger, open_page(ledger) as visitor:
        visitor.look(FIRST)
        with open_ledger(place) as other:
            assert import_decisions(other, file, now=NOON).unseen == 1
        refused = visitor.decide(FIRST, "reject")
        assert refused.status_code == httpx.codes.CONFLICT
        assert "bob decided meanwhile" in refused.json()["conflict"]
        assert "Texas" in visitor.look(FIRST).text
        assert visitor.client.get("/").headers["location"] != f"/item/{FIRST}"
        assert visitor.decide(FIRST, "reject", comment="1").is_success
    assert list_comments(place) == ["", "", "1"]


def test_features_that_nobody_queued_are_kept_and_reported(
    path: Path, tmp_path: Path, run: Run
) -> None:
    file = write_decisions(tmp_path / "review.jsonl", ["3_1", "3_98", "3_99"])
    done = run("review", "import", file, "--ledger", path)
    assert (done.code, done.out) == (0, "")
    assert done.err.splitlines() == [
        "3 decisions added, 0 known already",
        "2 features are of no graph that this ledger knows; they wait for one",
    ]
    with open_ledger(str(path)) as ledger:
        queue(ledger, *ITEMS, make_item(99))
        assert len(check_fold(ledger)) == 3
        assert make_item(99) not in ledger.queued()


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ({"uid": "one"}, "two decisions have the uid 'one'"),
        ({"annotator": "  "}, "annotator: "),
        ({"made_at": "0001-01-01T00:00:00+14:00"}, "made_at: "),
        ({"made_at": "9999-12-31T23:59:59-14:00"}, "made_at: "),
        ({"seconds": 1e300}, "seconds: "),
        ({"act": "erase"}, "act: "),
        ({"feature": "3_1; DROP TABLE decisions"}, "is not a feature"),
        ({"label": "x" * 2_000}, "label: "),
    ],
)
def test_nothing_of_a_file_with_a_broken_row_is_imported(
    path: Path, tmp_path: Path, run: Run, broken: dict[str, object], said: str
) -> None:
    file = write_decisions(tmp_path / "review.jsonl", ["3_1", "3_2"], **broken)
    good = write_decisions(tmp_path / "good.jsonl", ["3_3"])
    file.write_text(good.read_text() + file.read_text())
    refused = run("review", "import", file, "--ledger", path)
    assert_refused(refused, str(file), said, "Nothing was imported")
    assert list_comments(str(path)) == []


def test_a_line_that_stands_twice_is_one_decision(path: Path, tmp_path: Path) -> None:
    file = write_decisions(tmp_path / "review.jsonl", ["3_1", "3_1"])
    with open_ledger(str(path)) as ledger:
        assert import_decisions(ledger, file, now=NOON).added == 1
    assert list_comments(str(path)) == [""]


def test_a_uid_of_another_feature_is_refused(path: Path, tmp_path: Path, run: Run) -> None:
    for feature in ("3_1", "3_2"):
        file = write_decisions(tmp_path / "review.jsonl", [feature], uid="one", comment=feature)
        done = run("review", "import", file, "--ledger", path)
    assert_refused(done, "the uid 'one' is that of a decision about another feature")
    assert list_comments(str(path)) == ["3_1"]


def test_of_two_imports_at_once_each_decision_is_kept_once(
    place: str, tmp_path: Path, figures: Figures, monkeypatch: pytest.MonkeyPatch
) -> None:
    # However slow the machine is, one waits for the other.
    monkeypatch.setattr(engine, "BUSY_TIMEOUT_SECONDS", 60.0)
    n = 300
    file = write_decisions(tmp_path / "review.jsonl", [f"3_{i}" for i in range(n)])
    begin = Barrier(2)

    def add() -> Imported:
        with open_ledger(place) as ledger:
            begin.wait(60)
            return import_decisions(ledger, file, now=NOON)

    with ThreadPoolExecutor(2) as pool:
        done = [future.result(60) for future in [pool.submit(add) for _ in range(2)]]
    assert sorted((d.added, d.known) for d in done) == [(0, n), (n, 0)]
    n_kept = len(list_comments(place))
    kind = "PostgreSQL" if "://" in place else "SQLite"
    row = f"two imports of {n} decisions at once, {kind}"
    figures.note(row, "each once", f"{n_kept} decisions")
    assert n_kept == n


def test_an_import_that_somebody_keeps_waiting_says_so_and_adds_nothing(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "BUSY_TIMEOUT_SECONDS", 0.05)
    file = write_decisions(tmp_path / "review.jsonl", ["3_1"])
    with open_ledger(place) as ledger, open_ledger(place) as other:
        with other.reviewing() as writes:
            writes.keep_others_out()
            with pytest.raises(LedgerBusyError, match="another process has locked the ledger"):
                import_decisions(ledger, file, now=NOON)
        assert check_fold(ledger) == {}
        assert import_decisions(ledger, file, now=NOON).added == 1


@pytest.mark.parametrize("name", ["none/out.jsonl", "clerp.db/out.csv", "folder.jsonl", "out.txt"])
def test_an_export_that_cannot_be_written_says_where(path: Path, run: Run, name: str) -> None:
    (path.parent / "folder.jsonl").mkdir()
    out = path.parent / name
    before = sorted(path.parent.iterdir())
    for roles in ([], ["--roles"]):
        if name == "out.txt" and roles:
            continue
        assert_refused(run("review", "export", *roles, out, "--ledger", path), str(out))
    assert sorted(path.parent.iterdir()) == before
