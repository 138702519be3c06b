from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from tests.unit.evaluation.annotated import EMBEDDER, ROLES, N, make_known, read_twice, settle

from clerp.errors import EvidenceError, UsageError
from clerp.evaluation import SweepReport, sweep_protocol
from clerp.evaluation.measures import ROLES as ALL_ROLES
from clerp.evaluation.stored_scores import Channels, score_windows
from clerp.evaluation.sweep import (
    CROSSES,
    INPUTS,
    N_EXAMPLES,
    OUTPUTS,
    THRESHOLDS,
    Setting,
    SweepRow,
)
from clerp.progress import Progress
from clerp.router import RULES, find_rule, route_features
from clerp.testing import make_evidence
from clerp.windows import DEFAULT_WINDOWS, Window


class CountingEmbedder:
    def __init__(self, name: str = "counting") -> None:
        self.name = name
        self.calls = 0

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        self.calls += 1
        return EMBEDDER.embed(texts)


@pytest.fixture
def _few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sweep over few settings, where all are not needed."""
    monkeypatch.setattr("clerp.evaluation.sweep.CROSSES", CROSSES[:1])
    monkeypatch.setattr("clerp.evaluation.sweep.INPUTS", INPUTS[:1])
    monkeypatch.setattr("clerp.evaluation.sweep.OUTPUTS", OUTPUTS[:1])


@pytest.fixture
def report(swept: SweepReport) -> SweepReport:
    return swept


def test_every_setting_is_tried_once(report: SweepReport) -> None:
    settings = {row.setting for row in report.rows}
    n = len(N_EXAMPLES) * len(INPUTS) * len(OUTPUTS) * len(CROSSES) * len(THRESHOLDS)
    assert len(report.rows) == len(settings) == n


def test_what_is_swept_is_what_is_stated() -> None:
    steps = [0.01, 0.025, 0.05, 0.075, *(0.1 + 0.05 * step for step in range(15))]
    assert list(THRESHOLDS) == pytest.approx(steps)
    assert {window[1:] for window in INPUTS} == {(-1, 0), (0, 0), (-2, 0)}
    assert {window[1:] for window in OUTPUTS} == {(1, 1), (1, 2), (1, 4)}
    assert {window[1:] for window in CROSSES} == {(-8, 8), (-16, 16)}
    assert N_EXAMPLES == (5, 10, 20)


def test_the_default_is_the_rule_as_it_is(report: SweepReport) -> None:
    (row,) = (row for row in report.rows if row.setting.is_default)
    setting = row.setting
    assert (setting.input, setting.output, setting.cross) == ("-1:0", "1:2", "-8:8")
    assert (setting.threshold, setting.n_examples) == (RULES["protocol"].threshold, 20)


@pytest.mark.parametrize("threshold", [0.1, 0.25, RULES["protocol"].threshold, 0.5, 0.8])
@pytest.mark.parametrize("n_examples", [4, 5, 6])
@pytest.mark.parametrize("windows", [DEFAULT_WINDOWS, (INPUTS[1], OUTPUTS[2], CROSSES[1])])
def test_stored_scores_route_as_the_rule_does(
    windows: tuple[Window, Window, Window], n_examples: int, threshold: float
) -> None:
    known = make_known()
    stored = score_windows(known, n_examples, windows, EMBEDDER)
    roles = [ALL_ROLES[int(i)] for i in stored.route(Channels(*windows), threshold).roles]
    shortened = [replace(k, top=k.top[:n_examples]) for k in known]
    rule = find_rule("protocol", threshold)
    routes = list(route_features(shortened, rule=rule, windows=windows, embedder=EMBEDDER))
    assert roles == [route.role for route in routes]


def test_every_choice_of_windows_and_examples_has_its_best_threshold(report: SweepReport) -> None:
    groups: dict[Setting, list[SweepRow]] = {}
    for row in report.rows:
        key = replace(row.setting, threshold=0.0, is_default=False)
        groups.setdefault(key, []).append(row)
    assert len(report.best) == len(groups)
    for best in report.best:
        rows = groups[replace(best.setting, threshold=0.0, is_default=False)]
        (chosen,) = (row for row in rows if row.setting == best.setting)
        assert best.setting.threshold == best.plateau.threshold
        top = max(row.agreement["kappa"] for row in rows)
        assert chosen.agreement["kappa"] == best.plateau.figure.value == top
        assert best.plateau_without_artefacts is not None


@pytest.mark.usefixtures("_few")
def test_artefacts_are_left_out_of_the_second_agreement() -> None:
    truth = settle(ROLES)
    report = sweep_protocol(make_known(), truth, [EMBEDDER])
    without = sweep_protocol(make_known(), [a for a in truth if a.role != "artefact"], [EMBEDDER])
    for row, other in zip(report.rows, without.rows, strict=True):
        assert row.without_artefacts == other.agreement
        assert row.agreement != other.agreement


@pytest.mark.usefixtures("_few")
def test_the_order_of_the_roles_changes_nothing() -> None:
    report = sweep_protocol(make_known(), settle(ROLES), [EMBEDDER])
    other = sweep_protocol(make_known()[::-1], settle(ROLES)[::-1], [EMBEDDER])
    rows = ([replace(row, seconds=0.0) for row in r.rows] for r in (report, other))
    one, reversed_ = rows
    assert one == reversed_
    assert report.best == other.best


@pytest.mark.usefixtures("_few")
def test_thresholds_cost_no_embedding() -> None:
    one, other = CountingEmbedder("one"), CountingEmbedder("other")
    sweep_protocol(make_known(), settle(ROLES), [one, other])
    # One more each time, which loads the embedder before the clock runs.
    assert one.calls == other.calls == len(N_EXAMPLES) * (3 + 1)


def test_tiers_are_shares_of_all_features(report: SweepReport) -> None:
    assert report.n_features == N
    for row in report.rows:
        assert sum(row.tiers) == pytest.approx(1)


def test_cross_windows_cost_only_where_they_are_needed() -> None:
    known = [*make_known(4), make_evidence([[" one", " two"]] * 4)]
    windows = Channels(*DEFAULT_WINDOWS)
    stored = score_windows(known, 5, DEFAULT_WINDOWS, EMBEDDER)
    # The fifth has too few examples to be scored; the others have five.
    assert stored.route(windows, 2.0).n_windows == 3 * 4 * 5
    assert stored.route(windows, -2.0).n_windows == 2 * 4 * 5
    assert stored.route(windows, 2.0).seconds > stored.route(windows, -2.0).seconds > 0


def test_nothing_but_artefacts_costs_nothing() -> None:
    known = [make_evidence([[" one", " two"]] * 4)]
    routed = score_windows(known, 5, DEFAULT_WINDOWS, EMBEDDER).route(
        Channels(*DEFAULT_WINDOWS), 0.35
    )
    assert routed.n_windows == 0
    assert [ALL_ROLES[int(i)] for i in routed.roles] == ["artefact"]


@pytest.mark.usefixtures("_few")
def test_progress_ends_with_its_total() -> None:
    told: list[Progress] = []
    sweep_protocol(make_known(), settle(ROLES), [EMBEDDER], told.append)
    assert [p.done for p in told] == [0, N, 2 * N, 3 * N]
    assert {p.total for p in told} == {3 * N}


@pytest.mark.usefixtures("_few")
def test_two_passes_are_swept_where_they_agree() -> None:
    truth = read_twice([(role, "input") for role in ROLES])
    report = sweep_protocol(make_known(), truth, [EMBEDDER])
    assert (report.target, report.n_target, report.n_features) == ("both passes", N // 4, N)


def test_passes_that_agree_on_nothing_are_bad_usage() -> None:
    truth = read_twice([("input", "cross")])
    with pytest.raises(UsageError, match="agree on no feature"):
        sweep_protocol(make_known(1), truth, [EMBEDDER])


def test_a_feature_without_evidence_is_named() -> None:
    with pytest.raises(EvidenceError, match="0_3 has a role and no evidence"):
        sweep_protocol(make_known(3), settle(ROLES[:4]), [EMBEDDER])
