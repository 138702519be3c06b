"""A ledger of the first schema, as clerp 0.1 made it, becomes one of today's."""

import sqlite3
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest
from tests.unit.ledger.databases import ask, list_indexes
from tests.unit.ledger.records import make_answer, make_item, queue

from clerp.errors import LedgerError
from clerp.ledger import SCHEMA_VERSION, Claim, open_ledger
from clerp.ledger.decision import Decision
from clerp.ledger.migration import _ADDED, _MADE

FIRST_SCHEMA = """
CREATE TABLE schema_version (
    made_by TEXT NOT NULL, version INTEGER NOT NULL, PRIMARY KEY (made_by));
CREATE TABLE queue (
    feature_key TEXT NOT NULL, transcoder_set TEXT NOT NULL, revision TEXT NOT NULL,
    layer INTEGER NOT NULL, feature_index BIGINT NOT NULL, kind TEXT NOT NULL,
    identity_digest TEXT NOT NULL, evidence_digest TEXT NOT NULL, role TEXT NOT NULL,
    tier INTEGER NOT NULL, status TEXT NOT NULL, reason TEXT NOT NULL, hint TEXT NOT NULL,
    share FLOAT, first_run TEXT NOT NULL, last_run TEXT NOT NULL,
    decided BOOLEAN DEFAULT 0 NOT NULL, PRIMARY KEY (feature_key));
CREATE TABLE answers (
    "key" TEXT NOT NULL, text TEXT NOT NULL, model TEXT NOT NULL, prompt_tokens INTEGER,
    completion_tokens INTEGER, cost_usd FLOAT, finish_reason TEXT NOT NULL,
    parameters JSON NOT NULL, created_at DATETIME DEFAULT (CURRENT_TIMESTAMP) NOT NULL,
    PRIMARY KEY ("key"));
CREATE TABLE queue_graphs (
    feature_key TEXT NOT NULL, graph TEXT NOT NULL, PRIMARY KEY (feature_key, graph),
    FOREIGN KEY(feature_key) REFERENCES queue (feature_key) ON DELETE CASCADE);
INSERT INTO schema_version VALUES ('clerp', 1);
INSERT INTO queue VALUES (
    '{key}', 'owner/transcoders', 'main', 3, 7, '', '', '{digest}', 'obscure', 3,
    'needs_review', 'no window is coherent', 'Texas | is | Austin', 0.1, 'run', 'run', 0);
INSERT INTO queue_graphs VALUES ('{key}', 'dallas');
INSERT INTO answers VALUES (
    'k', '{{"label": "US states"}}', 'm-2026', 600, 40, 0.001, 'stop', '{{"seed": null}}',
    '2026-01-02 03:04:05');
"""


@pytest.fixture
def old(path: Path) -> Path:
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.executescript(FIRST_SCHEMA.format(key="f" * 64, digest="d" * 64))
    connection.close()
    return path


def describe(path: Path) -> dict[str, list[object]]:
    tables = ("schema_version", "queue", "queue_graphs", "answers", "leases")
    with sqlite3.connect(path) as connection:
        told: dict[str, list[object]] = {
            table: connection.execute(
                f"SELECT name, type, \"notnull\", pk FROM pragma_table_info('{table}')"
            ).fetchall()
            for table in tables
        }
    connection.close()
    return told


def test_answers_and_queue_of_an_old_ledger_are_kept(old: Path):
    with open_ledger(str(old)) as ledger:
        assert ledger.find_answer("k") == make_answer()
        assert ledger.queued() == [make_item()]


def test_an_old_ledger_gets_todays_tables(old: Path, tmp_path: Path):
    open_ledger(str(old)).close()
    new = tmp_path / "new.db"
    open_ledger(str(new)).close()
    assert describe(old) == describe(new)


def test_an_old_ledger_can_be_used_like_a_new_one(old: Path):
    asked = make_answer(
        "new", format="json_object", request_id="r-1", seconds=2.5, method="max-act-logits"
    )
    with open_ledger(str(old)) as ledger:
        assert isinstance(ledger.claim("new", "ada", 10.0), Claim)
        ledger.record_answer(asked)
    with open_ledger(str(old)) as again:
        assert again.find_answer("new") == asked
        assert again.claim("k", "ada", 10.0) == make_answer()


def test_the_time_of_an_old_answer_stays(old: Path):
    open_ledger(str(old)).close()
    with sqlite3.connect(old) as connection:
        made = connection.execute("SELECT created_at FROM answers").fetchall()
    connection.close()
    assert made == [("2026-01-02 03:04:05",)]


def test_a_migration_that_fails_changes_nothing(old: Path):
    with sqlite3.connect(old) as connection:
        connection.execute("ALTER TABLE answers ADD COLUMN complaint TEXT")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    before = old.read_bytes()
    with pytest.raises(LedgerError, match="duplicate column name: complaint"):
        open_ledger(str(old))
    assert old.read_bytes() == before


SAID = Decision("u", make_item().key, "ada", "comment", datetime(2026, 1, 2), comment="why?")


def make_older(url: str, version: int) -> None:
    """Take from a ledger what later schemas added to it."""
    for later in range(version + 1, SCHEMA_VERSION + 1):
        for column in _ADDED[later]:
            ask(url, f"ALTER TABLE {column.table.name} DROP COLUMN {column.name}")
    for table, made in _MADE.items():
        if made > version:
            ask(url, f"DROP TABLE {table}")
    if _MADE["decisions"] <= version < 5:
        ask(url, "DROP INDEX decisions_by_person")
        ask(url, "CREATE INDEX ix_decisions_annotator ON decisions (annotator)")
    ask(url, f"UPDATE schema_version SET version = {version}")


@pytest.mark.parametrize("version", range(1, SCHEMA_VERSION))
def test_a_ledger_of_an_older_schema_keeps_its_rows_in_every_database(url: str, version: int):
    with open_ledger(url) as ledger:
        ledger.record_answer(make_answer())
        queue(ledger, make_item())
        with ledger.reviewing() as writes:
            writes.decide(SAID, seen=0)
    indexes = list_indexes(url)
    make_older(url, version)
    for _ in range(2):
        with open_ledger(url) as ledger:
            assert ledger.find_answer("k") == make_answer()
            assert ledger.queued() == [make_item()]
            with ledger.reading_review() as reads:
                kept = list(reads.list_all_decisions())
        assert kept == ([replace(SAID, number=1)] if version >= _MADE["decisions"] else [])
    assert ask(url, "SELECT version FROM schema_version") == [(SCHEMA_VERSION,)]
    assert list_indexes(url) == indexes
    assert "decisions_by_person" in indexes
