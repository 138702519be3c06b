import json
import os
from dataclasses import asdict
from pathlib import Path

import pytest
from tests.unit.evaluation.annotated import EMBEDDER, ROLES, N, make_known, read_twice, settle

from clerp.errors import EvidenceError, UsageError
from clerp.evaluation import RolesReport, evaluate_roles, read_truth
from clerp.evaluation.comparison import ALWAYS, BASELINES
from clerp.evidence import EvidenceGap, FeatureEvidence
from clerp.evidence.folder import FolderSource
from clerp.feature import FeatureId
from clerp.router import RULES, Role, find_rule, route_features
from clerp.windows import DEFAULT_WINDOWS

DATA = Path(os.environ.get("CLERP_TEST_DATA", "/nonexistent")) / "roles"


def evaluate(known: list[FeatureEvidence], roles: list[Role], *rules: str) -> RolesReport:
    chosen = [find_rule(name) for name in rules]
    return evaluate_roles(known, settle(roles), chosen, DEFAULT_WINDOWS, EMBEDDER)


def test_rules_stand_beside_every_baseline() -> None:
    report = evaluate(make_known(), ROLES, "calibrated")
    names = [standing.name for standing in report.find("truth").standings]
    assert names == [*BASELINES, "calibrated"]
    assert report.thresholds["calibrated"] == RULES["calibrated"].threshold
    assert (report.level, report.resamples, report.seed) == (0.9, 2000, 0)
    assert report.windows == {"input": "-1:0", "output": "1:2", "cross": "-8:8"}


def test_roles_are_those_that_routing_finds() -> None:
    known = make_known()
    report = evaluate(known, ROLES)
    for name in ("layer", "tokens", "protocol", "air"):
        routes = route_features(
            known, rule=find_rule(name), windows=DEFAULT_WINDOWS, embedder=EMBEDDER
        )
        found = {(f.layer, f.index): f.found[name] for f in report.features}
        assert found == {(r.feature.layer, r.feature.index): r.role for r in routes}
    assert {f.found[ALWAYS] for f in report.features} == {"input"}
    assert [f.truth for f in sorted(report.features, key=lambda f: f.index)] == [
        (role,) for role in ROLES
    ]


def test_a_rule_under_the_name_of_a_baseline_stands_for_it() -> None:
    rule = find_rule("tokens", 0.9)
    report = evaluate_roles(make_known(), settle(ROLES), [rule], DEFAULT_WINDOWS, EMBEDDER)
    assert len(report.find("truth").standings) == len(BASELINES)
    assert report.thresholds["tokens"] == 0.9


def test_the_order_of_features_and_roles_changes_nothing() -> None:
    known, truth = make_known(), settle(ROLES)
    one = evaluate_roles(known, truth, [], DEFAULT_WINDOWS, EMBEDDER)
    other = evaluate_roles(known[::-1], truth[::-1], [], DEFAULT_WINDOWS, EMBEDDER)
    assert one == other


def test_features_that_have_no_role_are_routed_and_not_scored() -> None:
    report = evaluate(make_known(), ROLES[:4])
    assert report.find("truth").n == 4
    assert len(report.features) == 4
    # The deepest layer of all that is routed, not of what is scored, makes a layer late.
    alone = evaluate(make_known(2), ROLES[:2])
    together = evaluate(make_known(), ROLES[:2])
    found = [[f.found["layer"] for f in report.features] for report in (alone, together)]
    assert found == [["input", "output"], ["input", "input"]]


def test_without_artefacts_their_features_are_left_out() -> None:
    report = evaluate(make_known(), ROLES)
    assert report.find("truth").n == N
    assert report.find("truth", without_artefacts=True).n == N - ROLES.count("artefact")


def test_two_passes_give_three_targets() -> None:
    truth = read_twice([(role, "input") for role in ROLES])
    report = evaluate_roles(make_known(), truth, [], DEFAULT_WINDOWS, EMBEDDER)
    assert [(c.target, c.without_artefacts, c.n) for c in report.comparisons] == [
        *[(name, False, n) for name, n in (("pass 1", N), ("pass 2", N), ("both passes", N // 4))],
        *[(name, True, n) for name, n in (("pass 1", N), ("pass 2", N), ("both passes", N // 4))],
    ]


@pytest.mark.parametrize(
    ("known", "reason"),
    [
        (make_known(3), "it was not read"),
        ([*make_known(3), EvidenceGap(FeatureId(0, 3), "no record")], "no record"),
    ],
)
def test_a_feature_without_evidence_is_named(
    known: list[FeatureEvidence | EvidenceGap], reason: str
) -> None:
    with pytest.raises(EvidenceError, match=f"0_3 has a role and no evidence: {reason}"):
        evaluate_roles(known, settle(ROLES[:4]), [], DEFAULT_WINDOWS, EMBEDDER)


def test_nothing_to_score_is_bad_usage() -> None:
    with pytest.raises(UsageError, match="no feature to score"):
        evaluate_roles(make_known(), [], [], DEFAULT_WINDOWS, EMBEDDER)


def test_a_report_is_json() -> None:
    report = evaluate(make_known(), ROLES)
    assert json.loads(json.dumps(asdict(report)))["comparisons"][0]["n"] == N


@pytest.mark.skipif(not DATA.is_dir(), reason="CLERP_TEST_DATA is not set")
def test_real_roles_are_scored_as_their_makers_counted() -> None:
    truth = read_truth(DATA / "roles.jsonl")
    known = list(FolderSource(str(DATA / "features")).read([t.feature for t in truth]))
    comparison = evaluate_roles(known, truth, [], DEFAULT_WINDOWS, EMBEDDER).find("truth")
    always = comparison.find(ALWAYS)
    support = {role: figures.support for role, figures in always.by_role.items()}
    assert support == {"input": 33, "cross": 8, "output": 4, "obscure": 3, "artefact": 0}
    assert always.figures["accuracy"].value == 33 / 48
    assert always.figures["kappa"].value == 0
    assert always.figures["macro_f1"].value == pytest.approx(2 * 33 / (33 + 48) / 4)
