"""What waits for a person, and what leaves."""

from tests.unit.ledger.databases import add_trigger, ask, connect, dump, lock
from tests.unit.ledger.records import SET, make_item, queue

from clerp.feature import FeatureId
from clerp.ledger import FeatureKey, Ledger, TranscoderSet


def test_queueing_twice_takes_no_lock(ledger: Ledger, url: str):
    items = [make_item(1), make_item(2, ("dallas", "oakland"), share=None)]
    queue(ledger, *items)
    with lock(url):
        queue(ledger, *items)


def test_only_what_differs_is_written(ledger: Ledger, url: str):
    queue(ledger, make_item(1), make_item(2), make_item(3, ("dallas", "oakland")))
    with connect(url) as connection:
        connection.exec_driver_sql("CREATE TABLE touched (what TEXT)")
        for table in ("queue", "queue_graphs"):
            for act, row in (("INSERT", "NEW"), ("UPDATE", "NEW"), ("DELETE", "OLD")):
                noting = f"INSERT INTO touched VALUES ('{act} ' || {row}.feature_key)"
                add_trigger(connection, f"AFTER {act} ON {table}", noting)
    now = [make_item(1), make_item(2, reason="another"), make_item(3)]
    queue(ledger, *now, graphs=("dallas", "oakland"))
    assert ledger.queued() == now
    keys = dict(ask(url, "SELECT feature_index, feature_key FROM queue"))
    touched = ask(url, "SELECT what FROM touched ORDER BY what")
    assert touched == [(f"DELETE {keys[3]}",), (f"UPDATE {keys[2]}",)]


def test_queueing_twice_changes_nothing(ledger: Ledger, url: str):
    queue(ledger, make_item(1), make_item(2))
    once = dump(url)
    queue(ledger, make_item(1), make_item(2))
    assert dump(url) == once


def test_the_queue_is_ordered_by_share_with_artefacts_last(ledger: Ledger):
    small, large = make_item(1, share=0.1), make_item(2, share=0.3)
    unknown = make_item(3, share=None)
    artefact = make_item(4, share=0.9, role="artefact", status="abstained")
    queue(ledger, artefact, unknown, small, large)
    assert ledger.queued() == [large, small, unknown, artefact]


def test_graphs_are_named_in_the_same_order_in_every_database(ledger: Ledger):
    # By code point; a language puts them otherwise.
    graphs = ("Zebra", "_under", "apple", "Äpfel")
    queue(ledger, make_item(1, graphs), graphs=graphs)
    assert ledger.queued() == [make_item(1, graphs)]


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


def test_a_decided_feature_is_neither_queued_nor_forgotten(ledger: Ledger, url: str):
    queue(ledger, make_item(1))
    ask(url, "UPDATE queue SET decided = true")
    queue(ledger, make_item(1, reason="another"))
    queue(ledger)
    assert ledger.queued() == []
    assert ask(url, "SELECT reason FROM queue") == [("no window is coherent",)]


def test_a_run_is_remembered_as_first_and_as_last(ledger: Ledger, url: str):
    for run_id in ("one", "two"):
        ledger.queue_features([make_item()], transcoders=SET, graphs=["dallas"], run_id=run_id)
    assert ask(url, "SELECT first_run, last_run FROM queue") == [("one", "two")]


def test_a_feature_with_a_label_is_kept_and_waits_for_no_name(ledger: Ledger, url: str):
    labeled = make_item(
        2, status="labeled", label="say Austin", method="token-frequency", uncertainty=0.25
    )
    queue(ledger, make_item(1), labeled)
    assert ledger.queued() == [make_item(1)]
    columns = "feature_index, status, label, method, uncertainty"
    assert ask(url, f"SELECT {columns} FROM queue WHERE feature_index = 2") == [
        (2, "labeled", "say Austin", "token-frequency", 0.25)
    ]


def test_a_feature_waits_again_when_it_lost_its_label(ledger: Ledger):
    queue(ledger, make_item(1, status="labeled", label="Texas", uncertainty=0.5))
    assert ledger.queued() == []
    queue(ledger, make_item(1, method="llm"))
    assert ledger.queued() == [make_item(1, method="llm")]
