import pytest
from tests.unit.report.html.labelled_graphs import Named, make_recorded

from clerp.report.html.distinct import list_distinct
from clerp.report.summary import summarize_together

SHARED = Named(4, 1)


def test_a_feature_that_graphs_share_counts_once_where_it_matters_most():
    first = make_recorded([Named(0, 1), Named(0, 2), Named(0, 3), SHARED])
    second = make_recorded([SHARED])
    features = list_distinct([first, second])
    assert len(features) == 4
    shared = next(f for f in features if f.outcome.feature == SHARED.feature)
    assert (shared.home, shared.graphs, len(shared.nodes)) == (1, (0, 1), 2)
    assert shared.share == pytest.approx((0.225 + 0.9) / 2)


def test_the_most_influential_come_first_and_shares_add_up():
    recorded = make_recorded([Named(layer, layer) for layer in range(5)])
    features = list_distinct([recorded])
    shares = [f.share for f in features if f.share is not None]
    assert shares == sorted(shares, reverse=True)
    assert sum(shares) == pytest.approx(0.9)


def test_features_of_other_transcoders_or_evidence_are_others():
    one = make_recorded([SHARED])
    other_set = make_recorded([SHARED], scan="someone/else")
    other_evidence = make_recorded([Named(4, 1, record={"evidence_digest": "other"})])
    assert len(list_distinct([one, other_set])) == 2
    assert len(list_distinct([one, other_evidence])) == 2
    assert len(list_distinct([one, one])) == 1


def test_depth_is_over_the_deepest_layer_of_the_transcoders_in_all_graphs():
    shallow = make_recorded([Named(0, 1), Named(5, 2)])
    deep = make_recorded([Named(10, 3)])
    apart = make_recorded([Named(5, 2)], scan="someone/else")
    depths = {
        (f.outcome.feature.index, f.graphs): f.depth for f in list_distinct([shallow, deep, apart])
    }
    assert depths == {(1, (0,)): 0.0, (2, (0,)): 0.5, (3, (1,)): 1.0, (2, (2,)): 1.0}


def test_one_layer_alone_has_no_depth():
    assert [f.depth for f in list_distinct([make_recorded([Named(0, 1)])])] == [0.0]


def test_what_somebody_else_calls_it_is_kept():
    recorded = make_recorded([Named(0, 1, label="mine", status="kept")])
    assert [f.foreign_label for f in list_distinct([recorded])] == ["mine"]
    assert [f.foreign_label for f in list_distinct([make_recorded([SHARED])])] == [""]


@pytest.mark.parametrize("is_paid_first", [True, False])
def test_label_and_cost_are_those_of_clerp_labels_totals(is_paid_first: bool):
    """The answer is known where the feature matters less; its share is that of both."""
    paid = Named(4, 1, "cross", record={"details": {"cost_usd": 0.5}})
    waiting = Named(4, 1, "cross", "", "needs_review")
    graphs = [make_recorded([Named(0, 1), Named(0, 2), paid]), make_recorded([waiting])]
    graphs = graphs if is_paid_first else graphs[::-1]
    shared = next(f for f in list_distinct(graphs) if f.outcome.feature == paid.feature)
    joint = summarize_together([(one.graph, one.outcomes) for one in graphs])
    assert (shared.home, shared.share) == (int(is_paid_first), pytest.approx((0.3 + 0.9) / 2))
    assert shared.outcome.details == {"cost_usd": 0.5}
    assert (joint.cost_usd, joint.named) == (0.5, 3)
    assert sum(f.outcome.label is not None for f in list_distinct(graphs)) == 3
