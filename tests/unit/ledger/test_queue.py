"""What waits for a person, and what leaves."""

import sqlite3
from contextlib import closing
from pathlib import Path

from tests.unit.ledger.records import SET, make_item, queue

from clerp.feature import FeatureId
from clerp.ledger import FeatureKey, Ledger, TranscoderSet


def test_queueing_twice_takes_no_lock(ledger: Ledger, path: Path):
    items = [make_item(1), make_item(2, ("dallas", "oakland"), share=None)]
    queue(ledger, *items)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        queue(ledger, *items)


def test_only_what_differs_is_written(ledger: Ledger, path: Path):
    queue(ledger, make_item(1), make_item(2), make_item(3, ("dallas", "oakland")))
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE touched (what TEXT)")
        for table in ("queue", "queue_graphs"):
            for act, row in (("INSERT", "NEW"), ("UPDATE", "NEW"), ("DELETE", "OLD")):
                connection.execute(
                    f"CREATE TRIGGER {table}_{act} AFTER {act} ON {table} BEGIN"
                    f" INSERT INTO touched VALUES ('{act} ' || {row}.feature_key); END"
                )
    now = [make_item(1), make_item(2, reason="another"), make_item(3)]
    queue(ledger, *now, graphs=("dallas", "oakland"))
    assert ledger.queued() == now
    with closing(sqlite3.connect(path)) as connection:
        keys = dict(connection.execute("SELECT feature_index, feature_key FROM queue"))
        touched = connection.execute("SELECT what FROM touched ORDER BY what").fetchall()
    assert touched == [(f"DELETE {keys[3]}",), (f"UPDATE {keys[2]}",)]


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
