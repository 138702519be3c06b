from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from tests.outcomes import (
    FIRST,
    SECOND,
    THIRD,
    make_artefact,
    make_label,
    make_named,
    make_unnamed,
)
from tests.unit.graph.conftest import build_graph

from clerp.errors import LedgerError
from clerp.evidence import EvidenceGap
from clerp.graph import AttributionGraph, read_graph
from clerp.ledger import FeatureKey, Ledger, QueueItem, TranscoderSet, open_ledger
from clerp.ledger.decision import Decision
from clerp.ledger.review_reads import QueueFilter
from clerp.outcome import LabeledFeature
from clerp.report.summary import share_by_feature
from clerp.review.queue import DOUBT, Outcomes, queue_features
from clerp.review.snapshot import FeatureSnapshot, GraphSnapshot, decode


@pytest.fixture
def ledger() -> Iterator[Ledger]:
    with open_ledger(":memory:") as opened:
        yield opened


def read(slug: str = "small", n_features: int = 3, **metadata: Any) -> AttributionGraph:
    document = build_graph(n_features=n_features)
    document["metadata"].update(slug=slug, **metadata)
    return read_graph(document)


def queue(
    ledger: Ledger,
    *features: LabeledFeature,
    graphs: Sequence[AttributionGraph] = (),
) -> list[QueueItem]:
    outcomes = [
        Outcomes(graph, [f for f in features if graph.nodes_of(f.feature)])
        for graph in graphs or [read()]
    ]
    queue_outcomes(ledger, *outcomes)
    return ledger.queued()


def queue_outcomes(ledger: Ledger, *outcomes: Outcomes) -> None:
    known = {f.feature: EvidenceGap(f.feature, "none") for o in outcomes for f in o.features}
    queue_features(outcomes, known, ledger, "run")


def test_what_has_no_label_waits_with_reason_and_hint(ledger: Ledger):
    failed = replace(make_unnamed(SECOND), status="failed", reason="it broke")
    items = queue(ledger, make_unnamed(FIRST), failed, make_artefact(THIRD))
    by_feature = {item.key.feature: item for item in items}
    assert {f: item.status for f, item in by_feature.items()} == {
        FIRST: "needs_review",
        SECOND: "failed",
        THIRD: "abstained",
    }
    first = by_feature[FIRST]
    assert (first.role, first.tier) == ("obscure", 3)
    assert first.reason == make_unnamed().reason
    assert (first.hint, first.evidence_digest) == ("of, the | comma | Austin", "d" * 64)
    assert by_feature[SECOND].reason == "it broke"


def test_what_got_its_label_leaves_the_queue(ledger: Ledger):
    queue(ledger, make_unnamed(FIRST), make_unnamed(SECOND))
    items = queue(ledger, make_named(FIRST), make_unnamed(SECOND))
    assert [item.key.feature for item in items] == [SECOND]
    assert queue(ledger, make_named(FIRST), make_named(SECOND)) == []


def test_the_share_is_that_of_the_graph_where_a_feature_matters_most(ledger: Ledger):
    graphs = [read("large", n_features=3), read("tiny", n_features=1), read("mid", n_features=2)]
    shares = [share_by_feature(graph) for graph in graphs]
    assert shares[1][FIRST] > max(shares[0][FIRST], shares[2][FIRST])
    for order in (graphs, graphs[::-1], [graphs[1], graphs[0], graphs[2]]):
        items = queue(ledger, make_unnamed(FIRST), make_unnamed(SECOND), graphs=order)
        by_feature = {item.key.feature: item.share for item in items}
        assert by_feature[FIRST] == pytest.approx(shares[1][FIRST])
        assert by_feature[SECOND] == pytest.approx(max(shares[0][SECOND], shares[2][SECOND]))


def test_occurrences_of_one_graph_are_added_up(ledger: Ledger):
    document = build_graph(n_features=1)
    first = document["nodes"][0]
    document["nodes"].append(first | {"node_id": "0_10_0", "ctx_idx": 0, "influence": 0.9})
    graph = read_graph(document)
    (item,) = queue(ledger, make_unnamed(FIRST), graphs=[graph])
    shares = [node.share for node in graph.nodes_of(FIRST)]
    assert item.share == pytest.approx(sum(share or 0.0 for share in shares))
    assert None not in shares


def test_without_influence_there_is_no_share(ledger: Ledger):
    document = build_graph()
    for node in document["nodes"]:
        node["influence"] = None
    (item,) = queue(ledger, make_unnamed(FIRST), graphs=[read_graph(document)])
    assert item.share is None


def test_a_feature_waits_for_the_graphs_that_have_it(ledger: Ledger):
    graphs = [read("b", n_features=2), read("a", n_features=3), read("b", n_features=2)]
    items = queue(ledger, make_unnamed(FIRST), make_unnamed(THIRD), graphs=graphs)
    assert {item.key.feature: item.graphs for item in items} == {FIRST: ("a", "b"), THIRD: ("a",)}


def test_a_graph_without_a_slug_goes_by_its_name(ledger: Ledger):
    (item,) = queue(ledger, make_unnamed(FIRST), graphs=[read("")])
    assert item.graphs == ("graph",)


@pytest.mark.parametrize("scan", ["/models/transcoders", "./transcoders", "custom-123", ""])
def test_features_of_a_set_without_a_name_of_its_own_are_known_by_their_evidence(
    ledger: Ledger, scan: str
):
    graph = read(scan=scan)
    (item,) = queue(ledger, make_unnamed(FIRST), graphs=[graph])
    assert item.key.digest == item.evidence_digest == "d" * 64
    other = replace(make_unnamed(FIRST), evidence_digest="e" * 64)
    graphs = [read("other", scan=scan)]
    digests = {item.key.digest for item in queue(ledger, other, graphs=graphs)}
    assert digests == {"d" * 64, "e" * 64}


def test_features_of_a_set_with_a_name_are_known_by_it_whatever_the_evidence(ledger: Ledger):
    graph = read(scan="owner/transcoders@v2")
    (item,) = queue(ledger, make_unnamed(FIRST), graphs=[graph])
    assert item.key.transcoders == TranscoderSet("owner/transcoders", "v2")
    assert (item.key.digest, item.evidence_digest) == ("", "d" * 64)
    other = replace(make_unnamed(FIRST), evidence_digest="e" * 64)
    (item,) = queue(ledger, other, graphs=[graph])
    assert item.evidence_digest == "e" * 64


def test_the_same_feature_of_another_revision_is_another_one(ledger: Ledger):
    queue(ledger, make_unnamed(FIRST), graphs=[read(scan="owner/transcoders@v1")])
    items = queue(ledger, make_unnamed(FIRST), graphs=[read(scan="owner/transcoders@v2")])
    assert {item.key.transcoders.revision for item in items} == {"v1", "v2"}


@pytest.mark.parametrize("status", ["labeled", "kept"])
def test_an_outcome_of_another_status_cannot_lack_a_label(ledger: Ledger, status: Any):
    with pytest.raises(LedgerError, match=f"0_10 is {status} and has no label"):
        queue(ledger, replace(make_unnamed(FIRST), status=status))
    assert ledger.queued() == []


def test_what_people_give_no_name_is_abstained(ledger: Ledger):
    (item,) = queue(ledger, make_unnamed(FIRST, status="reviewed"))
    assert (item.status, item.label, item.uncertainty) == ("abstained", "", 1.0)


def list_all(ledger: Ledger) -> list[QueueItem]:
    """Return every feature of the queue, also those with a label."""
    with ledger.reading_review() as reads:
        entries = reads.list_entries(QueueFilter(with_artefacts=True))
        return reads.find_items([entry.item for entry in entries])


def test_every_feature_is_in_the_queue_with_and_without_a_label(ledger: Ledger):
    failed = make_unnamed(THIRD, status="failed", method="llm", reason="it broke")
    queue(ledger, make_named(FIRST), make_artefact(SECOND), failed)
    by_feature = {item.key.feature: item for item in list_all(ledger)}
    assert {f: (i.status, i.label, i.method, i.role) for f, i in by_feature.items()} == {
        FIRST: ("labeled", "Texas", "token-frequency", "input"),
        SECOND: ("abstained", "", "", "artefact"),
        THIRD: ("failed", "", "llm", "obscure"),
    }
    assert by_feature[FIRST].reason == make_named().reason


@pytest.mark.parametrize("status", ["labeled", "kept", "reviewed"])
def test_whatever_has_a_label_is_labeled(ledger: Ledger, status: Any):
    queue(ledger, make_named(FIRST, status=status))
    (item,) = list_all(ledger)
    assert (item.status, item.label) == ("labeled", "Texas")


@pytest.mark.parametrize("confidence", ["high", "medium", "low"])
def test_a_label_is_in_doubt_by_its_confidence(ledger: Ledger, confidence: Any):
    label = make_label(confidence=confidence)
    for misfits in (None, ()):
        queue(ledger, make_named(FIRST, label, misfits=misfits))
        (item,) = list_all(ledger)
        assert item.uncertainty == DOUBT[confidence]


def test_less_confidence_is_more_doubt_and_never_none_nor_all():
    assert 0 < DOUBT["high"] < DOUBT["medium"] < DOUBT["low"] < 1


def test_without_a_label_all_is_in_doubt(ledger: Ledger):
    queue(ledger, make_unnamed(SECOND), make_artefact(THIRD))
    assert {item.uncertainty for item in list_all(ledger)} == {1.0}


@pytest.mark.parametrize("first", [True, False])
def test_a_label_that_misfits_in_one_of_the_graphs_is_in_doubt(ledger: Ledger, first: bool):
    fits = Outcomes(read("a"), [make_named(FIRST, misfits=())])
    not_here = Outcomes(read("b"), [make_named(FIRST, misfits=("0_10_1",))])
    queue_outcomes(ledger, *((not_here, fits) if first else (fits, not_here)))
    (item,) = list_all(ledger)
    assert (item.uncertainty, item.graphs) == (DOUBT["low"], ("a", "b"))


def test_a_run_again_with_a_label_less_puts_the_feature_back_in_line(ledger: Ledger):
    queue(ledger, make_named(FIRST), make_named(SECOND))
    items = queue(ledger, make_unnamed(FIRST), make_named(SECOND))
    assert [item.key.feature for item in items] == [FIRST]
    assert len(list_all(ledger)) == 2


def test_what_the_page_shows_is_kept_with_the_queue(ledger: Ledger):
    queue(ledger, make_named(FIRST), graphs=[read("a"), read("b")])
    with ledger.reading_review() as reads:
        (entry,) = reads.list_entries(QueueFilter())
        kept = reads.find_snapshots(entry.item)
        graph = decode(
            reads.find_graph_snapshot(TranscoderSet("owner/transcoders"), "b"), GraphSnapshot
        )
    feature = decode(kept[""], FeatureSnapshot)
    assert feature is not None
    assert feature.proposal is not None
    assert feature.proposal.label == "Texas"
    assert set(kept) == {"", "a", "b"}
    assert graph == GraphSnapshot("b", ("<bos>", "Dallas"))


def test_the_proposal_that_people_judged_stays_when_they_agreed(ledger: Ledger):
    queue(ledger, make_named(FIRST))
    decide(ledger, "the state")
    for later in (make_named(FIRST, make_label("the state"), status="reviewed"), other_label()):
        queue(ledger, later)
        with ledger.reading_review() as reads:
            (entry,) = reads.list_entries(QueueFilter())
            feature = decode(reads.find_snapshots(entry.item)[""], FeatureSnapshot)
            queued = reads.find_item(entry.item)
        assert feature is not None
        assert feature.proposal is not None
        assert feature.proposal.label == "Texas"
        assert queued is not None
        assert queued.label == "Texas"


def test_what_was_decided_before_a_run_is_no_proposal_of_clerp(ledger: Ledger):
    decide(ledger, "the state")
    queue(ledger, make_named(FIRST, make_label("the state"), status="reviewed"))
    with ledger.reading_review() as reads:
        (entry,) = reads.list_entries(QueueFilter())
        feature = decode(reads.find_snapshots(entry.item)[""], FeatureSnapshot)
        queued = reads.find_item(entry.item)
    assert queued is not None
    assert (queued.label, queued.method, queued.status) == ("", "", "needs_review")
    assert "the state" not in repr(feature)
    assert ledger.queued() == []


def decide(ledger: Ledger, label: str) -> None:
    key = FeatureKey(TranscoderSet("owner/transcoders"), FIRST)
    made = Decision("u", key, "ada", "edit", datetime(2026, 1, 2), label=label)
    with ledger.reviewing() as writes:
        writes.decide(made, seen=0)


def other_label() -> LabeledFeature:
    """What a run says that began before the decision."""
    return make_named(FIRST, make_label("another"))


def test_of_graphs_that_share_a_slug_the_first_is_shown(ledger: Ledger):
    graphs = [read("a"), read("a", prompt_tokens=["<bos>", "Austin"])]
    queue(ledger, make_named(FIRST), graphs=graphs)
    with ledger.reading_review() as reads:
        kept = reads.find_graph_snapshot(TranscoderSet("owner/transcoders"), "a")
    assert decode(kept, GraphSnapshot) == GraphSnapshot("a", ("<bos>", "Dallas"))
