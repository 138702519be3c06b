"""What is kept for the review page, and what is written again."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

import pytest
from tests.unit.ledger.databases import ask, dump, lock
from tests.unit.ledger.records import SET, make_item

from clerp.feature import FeatureId
from clerp.ledger import FeatureKey, Ledger, QueueItem, TranscoderSet
from clerp.ledger.record import Shown, Snapshot

SHARED = ""
GRAPHS = ("dallas", "oakland")
Kept = dict[tuple[int, str], tuple[str, bytes]]


def show(
    items: Mapping[QueueItem, str], *graphs: str, written: list[str] | None = None
) -> Callable[[Ledger], None]:
    """Queue items with a snapshot of each, of its occurrences and of the graphs.

    Args:
        items: With the fingerprint of each; those of occurrences and graphs are made of it.
        graphs: Of the run.
        written: Learns what is built.
    """
    noted = written if written is not None else []

    def make(fingerprint: str) -> Snapshot:
        return Snapshot(fingerprint, partial(_build, fingerprint, noted))

    shown = Shown(
        features={item.key: make(f) for item, f in items.items()},
        occurrences={
            (item.key, g): make(f"{f} {g}") for item, f in items.items() for g in item.graphs
        },
        graphs={graph: make(graph) for graph in graphs},
    )
    of_set = next((item.key.transcoders for item in items), SET)

    def queue(ledger: Ledger) -> None:
        ledger.queue_features(
            list(items), transcoders=of_set, graphs=graphs, run_id="run", shown=shown
        )

    return queue


def _build(fingerprint: str, noted: list[str]) -> bytes:
    noted.append(fingerprint)
    return f"content of {fingerprint}\0".encode()


def read(url: str) -> Kept:
    rows = ask(
        url,
        "SELECT queue.feature_index, snapshots.graph, fingerprint, content FROM snapshots"
        " JOIN queue ON queue.feature_key = snapshots.feature_key",
    )
    return {(index, graph): (made, bytes(content)) for index, graph, made, content in rows}


def count(url: str, table: str) -> int:
    ((n,),) = ask(url, f"SELECT COUNT(*) FROM {table}")
    return n


def test_what_was_shown_is_kept_as_it_was_built(ledger: Ledger, url: str):
    show({make_item(1, GRAPHS): "a"}, *GRAPHS)(ledger)
    assert read(url) == {
        (1, SHARED): ("a", b"content of a\0"),
        (1, "dallas"): ("a dallas", b"content of a dallas\0"),
        (1, "oakland"): ("a oakland", b"content of a oakland\0"),
    }
    graphs = ask(url, "SELECT transcoder_set, revision, graph, content FROM graph_snapshots")
    assert {(*key, bytes(content)) for *key, content in graphs} == {
        (SET.name, SET.revision, "dallas", b"content of dallas\0"),
        (SET.name, SET.revision, "oakland", b"content of oakland\0"),
    }


def test_showing_the_same_again_builds_and_writes_nothing(ledger: Ledger, url: str):
    items = {make_item(1, GRAPHS): "a", make_item(2): "b"}
    show(items, *GRAPHS)(ledger)
    once, again = dump(url), list[str]()
    with lock(url):
        show(items, *GRAPHS, written=again)(ledger)
    assert again == []
    assert dump(url) == once


def test_only_what_differs_is_built(ledger: Ledger, url: str):
    show({make_item(1): "a", make_item(2): "b"}, "dallas")(ledger)
    written: list[str] = []
    show({make_item(1): "a", make_item(2): "new"}, "dallas", written=written)(ledger)
    assert sorted(written) == ["new", "new dallas"]
    assert {place: made for place, (made, _) in read(url).items()} == {
        (1, SHARED): "a",
        (1, "dallas"): "a dallas",
        (2, SHARED): "new",
        (2, "dallas"): "new dallas",
    }


def test_a_graph_that_no_feature_waits_for_is_kept_no_more(ledger: Ledger, url: str):
    show({make_item(1, GRAPHS): "a"}, *GRAPHS)(ledger)
    other = TranscoderSet("owner/other", "")
    moved = replace(make_item(1), key=replace(make_item(1).key, transcoders=other))
    show({moved: "b"}, "dallas")(ledger)
    show({make_item(1): "a"}, *GRAPHS)(ledger)
    assert count(url, "graph_snapshots") == 2
    show({}, "dallas")(ledger)
    kept = ask(url, "SELECT transcoder_set, graph FROM graph_snapshots")
    assert kept == [("owner/other", "dallas")]
    once = dump(url)
    show({}, "dallas")(ledger)
    assert dump(url) == once


def test_a_feature_that_left_the_queue_is_shown_no_more(ledger: Ledger, url: str):
    show({make_item(1): "a", make_item(2): "b"}, "dallas")(ledger)
    show({make_item(2): "b"}, "dallas")(ledger)
    assert {index for index, _ in read(url)} == {2}
    assert count(url, "snapshots") == 2


def test_a_feature_that_left_one_graph_is_shown_in_the_other(ledger: Ledger, url: str):
    show({make_item(1, GRAPHS): "a"}, *GRAPHS)(ledger)
    show({}, "oakland")(ledger)
    assert set(read(url)) == {(1, SHARED), (1, "dallas")}


def test_a_run_leaves_what_other_graphs_show(ledger: Ledger, url: str):
    show({make_item(1, ("dallas",)): "a", make_item(2, ("dallas",)): "b"}, "dallas")(ledger)
    show({make_item(1, ("oakland",)): "a", make_item(3, ("oakland",)): "c"}, "oakland")(ledger)
    assert set(read(url)) == {
        *((1, SHARED), (1, "dallas"), (1, "oakland")),
        *((2, SHARED), (2, "dallas")),
        *((3, SHARED), (3, "oakland")),
    }
    assert count(url, "graph_snapshots") == 2


@pytest.mark.parametrize(
    "other", [TranscoderSet("another/set", "main"), replace(SET, revision="2")]
)
def test_a_run_leaves_what_other_sets_show_of_the_same_slug(
    ledger: Ledger, url: str, other: TranscoderSet
):
    show({make_item(1): "a"}, "dallas")(ledger)
    theirs = make_item(key=FeatureKey(other, FeatureId(3, 2)))
    show({theirs: "b"}, "dallas")(ledger)
    assert {index for index, _ in read(url)} == {1, 2}
    assert count(url, "graph_snapshots") == 2
    written: list[str] = []
    show({make_item(1): "a"}, "dallas", written=written)(ledger)
    assert written == []


def test_a_decided_feature_is_shown_as_long_as_it_is_kept(ledger: Ledger, url: str):
    show({make_item(1): "a"}, "dallas")(ledger)
    ask(url, "UPDATE queue SET decided = true")
    show({}, "dallas")(ledger)
    assert set(read(url)) == {(1, SHARED), (1, "dallas")}


def test_a_run_that_shows_nothing_drops_nothing_that_is_queued(ledger: Ledger, url: str):
    item = make_item(1)
    show({item: "a"}, "dallas")(ledger)
    changed = replace(item, reason="another")
    ledger.queue_features([changed], transcoders=SET, graphs=["dallas"], run_id="run")
    assert set(read(url)) == {(1, SHARED), (1, "dallas")}


def test_what_cannot_be_built_changes_nothing(ledger: Ledger, url: str):
    show({make_item(1): "a"}, "dallas")(ledger)
    once = dump(url)

    def fail() -> bytes:
        raise MemoryError

    item = make_item(1, reason="another")
    shown = Shown(features={item.key: Snapshot("b", fail)})
    with pytest.raises(MemoryError):
        ledger.queue_features([item], transcoders=SET, graphs=["dallas"], run_id="run", shown=shown)
    assert dump(url) == once
