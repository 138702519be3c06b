"""The ledger, with real files, real faults and real processes."""

import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.dialects import postgresql

from clerp import ledger as ledger_module
from clerp.errors import LedgerError
from clerp.feature import FeatureId
from clerp.ledger import Answer, FeatureKey, Ledger, QueueItem, TranscoderSet, open_ledger

SET = TranscoderSet("owner/transcoders", "main")
NOBODY = 65534

WRITER = """
import itertools, sys
from clerp.ledger import Answer, open_ledger
path, name = sys.argv[1:3]
count = int(sys.argv[3]) if len(sys.argv) > 3 else None
with open_ledger(path) as ledger:
    for n in itertools.count() if count is None else range(count):
        ledger.record_answer(Answer(f"{name}-{n}", "text", "model", 1, 1, None, "stop"))
        sys.stdout.write(f"{name}-{n}\\n")
        sys.stdout.flush()
"""


def make_item(
    index: int = 7, graphs: tuple[str, ...] = ("dallas",), **changes: object
) -> QueueItem:
    item = QueueItem(
        key=FeatureKey(SET, FeatureId(3, index)),
        evidence_digest="d" * 64,
        graphs=graphs,
        role="obscure",
        tier=3,
        status="needs_review",
        reason="no window is coherent",
        hint="Texas | is | Austin",
        share=0.1,
    )
    return replace(item, **changes)


def make_answer(key: str = "k", **changes: object) -> Answer:
    answer = Answer(key, '{"label": "US states"}', "m-2026", 600, 40, 0.001, "stop", {"seed": None})
    return replace(answer, **changes)


def queue(ledger: Ledger, *items: QueueItem, graphs: tuple[str, ...] = ("dallas",)) -> None:
    ledger.queue_features(items, transcoders=SET, graphs=graphs, run_id="run")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "clerp.db"


@pytest.fixture
def ledger(path: Path) -> Iterator[Ledger]:
    with open_ledger(str(path)) as opened:
        yield opened


@pytest.fixture
def as_nobody() -> Iterator[None]:
    """The superuser may write anywhere: become somebody to whom permissions apply."""
    before = os.geteuid()
    if before == 0:
        os.seteuid(NOBODY)
    yield
    os.seteuid(before)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that any user can reach, unlike tmp_path."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)
        Path(folder).chmod(0o755)


def test_answers_and_queue_survive_reopening(path: Path):
    item = make_item(key=FeatureKey(SET, FeatureId(3, 2**40, "lor"), digest="e" * 64), share=None)
    unpriced = make_answer(cost_usd=None, prompt_tokens=None, parameters={"temperature": 0})
    with open_ledger(str(path)) as first:
        first.record_answer(unpriced)
        queue(first, item)
    with open_ledger(str(path)) as second:
        assert second.find_answer("k") == unpriced
        assert second.queued() == [item]


def test_an_unknown_key_has_no_answer(ledger: Ledger):
    ledger.record_answer(make_answer("one"))
    assert ledger.find_answer("two") is None


def test_the_first_answer_under_a_key_stays(ledger: Ledger):
    ledger.record_answer(make_answer(text="first"))
    ledger.record_answer(make_answer(text="second"))
    found = ledger.find_answer("k")
    assert found is not None
    assert found.text == "first"


@given(text=st.text(st.characters(exclude_categories=["Cs"])))
def test_an_answer_comes_back_as_it_was(text: str):
    with open_ledger(":memory:") as ledger:
        ledger.record_answer(make_answer(text=text))
        assert ledger.find_answer("k") == make_answer(text=text)


def test_queueing_twice_changes_nothing(ledger: Ledger, path: Path):
    def dump() -> list[str]:
        with sqlite3.connect(path) as connection:
            lines = list(connection.iterdump())
        connection.close()
        return lines

    queue(ledger, make_item(1), make_item(2))
    once = dump()
    queue(ledger, make_item(1), make_item(2))
    assert dump() == once


def test_the_queue_is_ordered_by_share_with_artefacts_last(ledger: Ledger):
    small, large = make_item(1, share=0.1), make_item(2, share=0.3)
    unknown = make_item(3, share=None)
    artefact = make_item(4, share=0.9, role="artefact", status="abstained")
    queue(ledger, artefact, unknown, small, large)
    assert ledger.queued() == [large, small, unknown, artefact]


def test_a_feature_that_needs_review_no_more_leaves(ledger: Ledger):
    queue(ledger, make_item(1), make_item(2))
    queue(ledger, make_item(2, reason="another"))
    assert ledger.queued() == [make_item(2, reason="another")]


def test_an_empty_run_empties_the_queue_of_its_graphs(ledger: Ledger):
    queue(ledger, make_item(1))
    queue(ledger)
    assert ledger.queued() == []


def test_other_graphs_keep_their_queue(ledger: Ledger):
    queue(ledger, make_item(1, ("dallas",)))
    queue(ledger, make_item(1, ("oakland",)), make_item(2, ("oakland",)), graphs=("oakland",))
    assert ledger.queued()[0].graphs == ("dallas", "oakland")
    queue(ledger, graphs=("oakland",))
    assert ledger.queued() == [make_item(1, ("dallas",))]


def test_the_same_slug_under_another_transcoder_set_is_another_graph(ledger: Ledger):
    queue(ledger, make_item(1))
    ledger.queue_features([], transcoders=TranscoderSet("x"), graphs=["dallas"], run_id="run")
    assert ledger.queued() == [make_item(1)]


def test_local_sets_are_told_apart_by_their_evidence(ledger: Ledger):
    ours = make_item(key=FeatureKey(SET, FeatureId(3, 7), digest="a"), share=0.2)
    theirs = make_item(key=FeatureKey(SET, FeatureId(3, 7), digest="b"), share=0.1)
    queue(ledger, ours, theirs)
    assert ledger.queued() == [ours, theirs]


def test_a_decided_feature_is_neither_queued_nor_forgotten(ledger: Ledger, path: Path):
    queue(ledger, make_item(1))
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE queue SET decided = 1")
    connection.close()
    queue(ledger, make_item(1, reason="another"))
    queue(ledger)
    assert ledger.queued() == []
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT reason FROM queue").fetchall() == [
            ("no window is coherent",)
        ]
    connection.close()


def test_a_run_is_remembered_as_first_and_as_last(ledger: Ledger, path: Path):
    for run_id in ("one", "two"):
        ledger.queue_features([make_item()], transcoders=SET, graphs=["dallas"], run_id=run_id)
    with sqlite3.connect(path) as connection:
        rows = connection.execute("SELECT first_run, last_run FROM queue").fetchall()
    connection.close()
    assert rows == [("one", "two")]


def test_a_file_is_durable(ledger: Ledger, path: Path):
    with ledger._engine.connect() as connection:
        pragmas = [
            connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        ]
    assert pragmas == ["wal", 2, 1]


def test_the_statements_are_also_postgresql():
    insert = ledger_module._INSERTS["postgresql"](ledger_module._ANSWERS).on_conflict_do_nothing()
    written = str(insert.compile(dialect=postgresql.dialect()))
    assert written.endswith("ON CONFLICT DO NOTHING")


def test_a_missing_folder_is_named(tmp_path: Path):
    with pytest.raises(LedgerError, match=r"no/clerp.db: the folder .* does not exist"):
        open_ledger(str(tmp_path / "no" / "clerp.db"))
    assert list(tmp_path.iterdir()) == []


def test_a_folder_is_no_ledger(tmp_path: Path):
    with pytest.raises(LedgerError, match="this is a folder"):
        open_ledger(str(tmp_path))


@pytest.mark.parametrize("garbage", [b"{}" * 1000, b"SQLite format 3\0" + b"\xff" * 4096])
def test_a_file_that_is_no_database_is_left_alone(path: Path, garbage: bytes):
    path.write_bytes(garbage)
    with pytest.raises(LedgerError, match=r"clerp.db: .*--ledger"):
        open_ledger(str(path))
    assert path.read_bytes() == garbage
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("table", ["notes (body)", "schema_version (number)"])
def test_a_database_of_something_else_is_left_alone(path: Path, table: str):
    with sqlite3.connect(path) as connection:
        connection.execute(f"CREATE TABLE {table}")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(LedgerError, match="database of something else"):
        open_ledger(str(path))
    assert path.read_bytes() == before


def test_a_newer_schema_is_refused_and_left_alone(path: Path):
    open_ledger(str(path)).close()
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE schema_version SET version = 2")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(LedgerError, match=r"made by a newer clerp \(schema 2, not 1\)"):
        open_ledger(str(path))
    assert path.read_bytes() == before


def test_a_read_only_file_is_refused(open_folder: Path, request: pytest.FixtureRequest):
    path = open_folder / "clerp.db"
    open_ledger(str(path)).close()
    path.chmod(0o444)
    open_folder.chmod(0o555)
    before = path.read_bytes()
    request.getfixturevalue("as_nobody")
    with pytest.raises(LedgerError, match=r"clerp.db: the ledger (is read-only|cannot be opened)"):
        open_ledger(str(path))
    assert path.read_bytes() == before


def test_a_read_only_folder_is_refused(open_folder: Path, request: pytest.FixtureRequest):
    open_folder.chmod(0o555)
    request.getfixturevalue("as_nobody")
    with pytest.raises(LedgerError, match=r"the ledger cannot be opened.*writable"):
        open_ledger(str(open_folder / "clerp.db"))


def test_a_locked_ledger_says_so(path: Path, monkeypatch: pytest.MonkeyPatch):
    open_ledger(str(path)).close()
    monkeypatch.setattr(ledger_module, "BUSY_TIMEOUT_SECONDS", 0.05)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(LedgerError, match="another process has locked the ledger"):
        open_ledger(str(path))
    other.close()


def test_a_ledger_damaged_while_open_fails_with_its_name(path: Path):
    with open_ledger(str(path)) as ledger:
        with sqlite3.connect(path) as connection:
            connection.execute("DROP TABLE answers")
        connection.close()
        with pytest.raises(LedgerError, match=r"clerp.db: the ledger failed \(no such table"):
            ledger.record_answer(make_answer())


def test_a_failed_queueing_changes_nothing(ledger: Ledger, path: Path):
    queue(ledger, make_item(1))
    with sqlite3.connect(path) as connection:
        connection.execute(
            "CREATE TRIGGER fault BEFORE INSERT ON queue_graphs WHEN NEW.graph = 'oakland'"
            " BEGIN SELECT RAISE(ABORT, 'injected'); END"
        )
    connection.close()
    with pytest.raises(LedgerError, match="injected"):
        queue(ledger, make_item(2, ("dallas", "oakland")))
    assert ledger.queued() == [make_item(1)]


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("mysql://host/db", "cannot live in mysql"),
        ("://secret", "URL cannot be read"),
        ("postgresql+nonesuch://user:secret@host/db", r"user:\*\*\*@host.*not installed"),
    ],
)
def test_a_url_that_cannot_be_used_is_explained(url: str, said: str):
    with pytest.raises(LedgerError, match=said) as caught:
        open_ledger(url)
    assert "secret" not in str(caught.value)


def test_a_url_of_sqlite_is_the_same_ledger(path: Path):
    with open_ledger(f"sqlite:///{path}") as by_url:
        by_url.record_answer(make_answer())
    with open_ledger(str(path)) as by_path:
        assert by_path.find_answer("k") == make_answer()


def test_threads_share_one_ledger(ledger: Ledger):
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: ledger.record_answer(make_answer(str(n % 20))), range(60)))
    assert all(ledger.find_answer(str(n)) for n in range(20))


def write_answers(path: Path, *arguments: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", WRITER, str(path), *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_two_processes_write_one_new_ledger(path: Path):
    writers = [write_answers(path, name, "25") for name in ("left", "right")]
    acknowledged = [line for writer in writers for line in writer.communicate()[0].split()]
    assert [writer.returncode for writer in writers] == [0, 0]
    assert len(acknowledged) == 50
    with open_ledger(str(path)) as ledger:
        assert all(ledger.find_answer(key) for key in acknowledged)


def test_what_was_acknowledged_survives_kill_9(path: Path):
    writer = write_answers(path, "doomed")
    assert writer.stdout is not None
    acknowledged = [writer.stdout.readline().strip() for _ in range(30)]
    writer.send_signal(signal.SIGKILL)
    acknowledged += writer.communicate()[0].split()
    with open_ledger(str(path)) as ledger:
        assert all(ledger.find_answer(key) for key in acknowledged)
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()
