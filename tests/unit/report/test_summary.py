from dataclasses import replace

import pytest
from tests.outcomes import (
    FIRST,
    SECOND,
    THIRD,
    make_artefact,
    make_label,
    make_named,
    make_route,
    make_unnamed,
)
from tests.unit.graph.conftest import build_graph

from clerp.graph import AttributionGraph, TranscoderIdentity, read_graph
from clerp.report.summary import (
    QUEUE_HEAD,
    Coverage,
    choose_outcome,
    order_queue,
    share_by_feature,
    summarize,
    summarize_together,
)

NODE = 1 / 7
"""Share of every node of `build_graph`."""


def paid(cost: float | int | None, feature=FIRST, **changes):
    return make_named(feature, details={"cost_usd": cost}, **changes)


@pytest.fixture
def graph() -> AttributionGraph:
    return read_graph(build_graph())


def test_the_shares_of_all_nodes_of_a_feature_add_up():
    document = build_graph()
    document["links"] = []
    document["nodes"][1] |= {"node_id": "0_10_0", "jsNodeId": "0_10-0", "ctx_idx": 0}
    assert share_by_feature(read_graph(document)) == {
        FIRST: pytest.approx(2 * NODE),
        THIRD: pytest.approx(NODE),
    }


def test_every_feature_counts_in_one_tier_and_one_status(graph):
    cross = make_unnamed(SECOND, route=make_route(SECOND, role="cross", tier=2))
    summary = summarize(graph, [make_named(FIRST), cross, make_artefact(THIRD)])
    assert {tier: c.features for tier, c in summary.routed.items()} == {1: 1, 2: 1, 3: 1}
    assert {tier: c.features for tier, c in summary.labeled.items()} == {1: 1, 2: 0, 3: 0}
    assert {status: c.features for status, c in summary.by_status.items() if c.features} == {
        "labeled": 1,
        "needs_review": 1,
        "abstained": 1,
    }
    assert (summary.artefacts.features, summary.declined.features) == (1, 0)
    assert (summary.everything.features, summary.named.features) == (3, 1)


def test_shares_are_of_all_influence_in_the_graph(graph):
    summary = summarize(graph, [make_named(FIRST), make_artefact(SECOND), make_artefact(THIRD)])
    assert summary.everything.share == pytest.approx(3 * NODE)
    assert [summary.named.share, summary.labeled[1].share] == pytest.approx([NODE] * 2)
    assert [summary.artefacts.share, summary.routed[3].share] == pytest.approx([2 * NODE] * 2)
    assert [summary.error_share, summary.embedding_share] == pytest.approx([2 * NODE] * 2)


def test_a_reviewed_label_counts_as_one(graph):
    reviewed = make_named(FIRST, status="reviewed", route=make_route(role="obscure", tier=3))
    summary = summarize(graph, [reviewed])
    assert summary.named.features == summary.labeled[3].features == 1


def test_who_declined_is_not_counted_among_the_artefacts(graph):
    declined = make_unnamed(FIRST, status="abstained", reason="nothing recurs at the peak")
    summary = summarize(graph, [declined, make_artefact(SECOND)])
    assert (summary.declined.features, summary.artefacts.features) == (1, 1)


def test_a_graph_without_influence_has_no_shares():
    document = build_graph()
    for node in document["nodes"]:
        node["influence"] = None
    summary = summarize(read_graph(document), [make_named()])
    assert summary.everything == Coverage(1, None)
    assert summary.error_share is summary.embedding_share is None


def test_the_queue_has_artefacts_last_and_else_what_adds_most_first():
    features = [make_artefact(FIRST), make_unnamed(SECOND), make_unnamed(THIRD), make_named()]
    queue = order_queue(features, {FIRST: 0.9, SECOND: 0.1, THIRD: 0.2})
    assert [labeled.feature for labeled in queue] == [THIRD, SECOND, FIRST]


def test_the_head_of_the_queue_is_what_a_person_can_be_asked_for():
    document = build_graph(n_features=QUEUE_HEAD + 5)
    graph = read_graph(document)
    kinds = [make_artefact if i % 2 else make_unnamed for i in range(len(graph.features))]
    summary = summarize(graph, [make(f) for make, f in zip(kinds, graph.features, strict=True)])
    assert summary.queue_head.features == QUEUE_HEAD
    assert summary.queue_head_artefacts == QUEUE_HEAD - kinds.count(make_unnamed)
    assert summary.queue_head.share == pytest.approx(QUEUE_HEAD / (QUEUE_HEAD + 9))


def test_a_label_of_several_features_is_counted_once(graph):
    labels = [make_named(f, make_label("Texas")) for f in (FIRST, SECOND)]
    assert summarize(graph, [*labels, make_named(THIRD, make_label("Ohio"))]).repeated_labels == 1


def test_nodes_that_bear_another_label_are_counted():
    document = build_graph()
    document["nodes"][0]["clerp"] = "somebody's"
    assert summarize(read_graph(document), []).kept_nodes == 1


@pytest.mark.parametrize(
    ("costs", "total"), [((), 0.0), ((0.25, 1), 1.25), ((0.25, None), None), ((0,), 0.0)]
)
def test_a_cost_is_known_where_all_its_parts_are(graph, costs, total):
    summary = summarize(graph, [paid(cost) for cost in costs])
    assert (summary.answered, summary.cost_usd) == (len(costs), total)


def test_a_feature_of_two_graphs_counts_and_costs_once(graph):
    first = [paid(0.5), make_named(SECOND)]
    joint = summarize_together([(graph, first), (graph, [paid(0.5), make_unnamed(THIRD)])])
    assert (joint.graphs, joint.features, joint.shared, joint.named) == (2, 3, 1, 2)
    assert (joint.answered, joint.cost_usd) == (1, 0.5)


@pytest.mark.parametrize("paid_first", [True, False])
def test_an_answer_known_in_one_graph_alone_is_counted(graph, paid_first):
    outcomes = [paid(0.5), make_unnamed(FIRST)]
    ordered = outcomes if paid_first else outcomes[::-1]
    joint = summarize_together([(graph, [labeled]) for labeled in ordered])
    assert (joint.features, joint.named, joint.cost_usd) == (1, 1, 0.5)


def test_other_transcoders_or_other_evidence_make_another_feature(graph):
    other = replace(graph, transcoder_identity=TranscoderIdentity("other/set", None, False))
    renewed = make_named(evidence_digest="e" * 64)
    joint = summarize_together(
        [(graph, [make_named()]), (other, [make_named()]), (graph, [renewed])]
    )
    assert (joint.features, joint.shared) == (3, 0)


def test_of_the_outcomes_of_one_feature_an_answer_with_a_label_counts_first():
    without = make_unnamed(FIRST, details={"cost_usd": 0.5})
    ordered = [paid(0.5), without, make_named(FIRST), make_unnamed(FIRST)]
    for n in range(len(ordered)):
        assert choose_outcome(ordered[n:]) is ordered[n]
        assert choose_outcome(ordered[n:][::-1]) is ordered[n]
