import pytest
from tests.unit.report.html.labelled_graphs import Named, make_recorded

from clerp.errors import UsageError
from clerp.report.html.comparison import compare_runs

SCORE = {"raw": 0.3, "weighted": 0.3, "n": 20, "z": 9.0}
BEFORE = [
    Named(0, 1, label="same"),
    Named(1, 1, label="old"),
    Named(2, 1, label=""),
    Named(3, 1, label="lost"),
    Named(4, 1, "input", record={"scores": {"input": SCORE}}),
]
AFTER = [
    Named(0, 1, label="same"),
    Named(1, 1, label="new"),
    Named(2, 1, label="gained"),
    Named(3, 1, "obscure", label="", status="needs_review"),
    Named(4, 1, "input", record={"scores": {"input": {**SCORE, "z": 8.0}}}),
]


def test_what_changed_is_counted_and_listed():
    comparison = compare_runs(make_recorded(BEFORE), make_recorded(AFTER))
    counted = (comparison.labels_gained, comparison.labels_lost, comparison.labels_changed)
    assert counted == (1, 1, 1)
    assert comparison.by_aspect == {"label": 3, "role": 1, "tier": 1, "status": 1, "scores": 1}
    assert comparison.n_shared == 5
    listed = {
        str(changed.feature): {d.aspect: (d.before, d.after) for d in changed.differences}
        for changed in comparison.changed
    }
    assert listed == {
        "1_1": {"label": ("old", "new")},
        "2_1": {"label": (None, "gained")},
        "3_1": {
            "label": ("lost", None),
            "role": ("input", "obscure"),
            "tier": ("1", "3"),
            "status": ("labeled", "needs review"),
        },
        "4_1": {"scores": ("input z 9.00", "input z 8.00")},
    }


def test_the_most_influential_change_comes_first():
    comparison = compare_runs(make_recorded(BEFORE), make_recorded(AFTER))
    shares = [changed.share for changed in comparison.changed if changed.share is not None]
    assert len(shares) == 4
    assert shares == sorted(shares, reverse=True)


def test_a_run_does_not_differ_from_itself():
    recorded = make_recorded(BEFORE)
    comparison = compare_runs(recorded, recorded)
    assert (comparison.changed, comparison.settings) == ((), ())
    assert comparison.is_same_graph


def test_settings_that_differ_are_listed():
    other = make_recorded(
        AFTER, clerp={"configuration": {"rule": "air", "alpha": 0.05}, "embedder": "tiny"}
    )
    comparison = compare_runs(make_recorded(BEFORE), other)
    listed = {setting.name: (setting.before, setting.after) for setting in comparison.settings}
    assert listed == {"rule": ("calibrated", "air"), "embedder": ("bare", "tiny")}


def test_features_that_one_run_alone_has_are_counted():
    comparison = compare_runs(make_recorded(BEFORE[:3]), make_recorded(AFTER[1:]))
    assert (comparison.n_shared, comparison.only_before, comparison.only_after) == (2, 1, 2)
    assert not comparison.is_same_graph


def test_runs_over_graphs_without_a_common_feature_are_refused():
    with pytest.raises(UsageError, match="no feature in common"):
        compare_runs(make_recorded(BEFORE), make_recorded([Named(9, 9)]))


def test_a_dash_is_a_label_and_a_setting_like_others():
    before = make_recorded([Named(0, 1, label="-")], clerp={"embedder": "-"})
    after = make_recorded([Named(0, 1, label="")], clerp={"embedder": ""})
    comparison = compare_runs(before, after)
    counted = (comparison.labels_gained, comparison.labels_lost, comparison.labels_changed)
    assert counted == (0, 1, 0)
    assert [(s.before, s.after) for s in comparison.settings] == [("-", None)]
    assert comparison.changed[0].differences[0].before == "-"
