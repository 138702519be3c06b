from dataclasses import replace

import pytest
from tests.unit.router.told import PROTOCOL, route_told

from clerp.errors import UsageError
from clerp.router import RULES, Rule, find_rule
from clerp.router.calibrated import CalibratedRule
from clerp.router.protocol import ProtocolRule


@pytest.mark.parametrize(
    ("name", "kind", "threshold"),
    [("calibrated", CalibratedRule, 0.05), ("protocol", ProtocolRule, 0.025)],
)
def test_a_rule_is_found_by_name(name: str, kind: type[Rule], threshold: float):
    rule = find_rule(name)

    assert type(rule) is kind
    assert (rule.name, rule.threshold) == (name, threshold)


def test_the_default_comes_first_and_every_rule_is_found_by_the_name_it_has():
    assert list(RULES) == ["calibrated", "protocol", "air", "tokens", "layer"]
    assert [find_rule(name).name for name in RULES] == list(RULES)


def test_other_ordinary_text_is_for_the_rule_that_compares_with_it():
    found = find_rule("calibrated", null="folder", alpha=0.01)

    assert found == CalibratedRule("calibrated", 0.01, "folder")
    assert find_rule("protocol", null="folder") == PROTOCOL


@pytest.mark.parametrize("alpha", [0.0, 1.0, 3.0, -0.5, float("nan"), float("inf")])
def test_an_alpha_that_is_no_chance_is_refused(alpha: float):
    with pytest.raises(UsageError, match=f"the alpha {alpha:g} is no chance"):
        find_rule("calibrated", alpha=alpha)


def test_a_threshold_for_the_rule_that_takes_a_chance_is_answered_with_alpha():
    with pytest.raises(UsageError, match="calibrated takes no threshold") as raised:
        find_rule("calibrated", 0.35)

    assert raised.value.remedy == (
        "Give --alpha (it has 0.05), or another --rule: protocol, air, tokens, layer"
    )


@pytest.mark.parametrize("name", ["protocol", "air", "tokens", "layer"])
def test_a_chance_for_a_baseline_is_answered_with_its_threshold(name: str):
    with pytest.raises(UsageError, match=f"{name} takes no alpha") as raised:
        find_rule(name, alpha=0.05)

    assert f"--threshold (it has {RULES[name].threshold:g})" in raised.value.remedy


def test_a_threshold_replaces_the_rules_own_and_changes_the_route():
    strict = find_rule("protocol", 0.7)

    assert strict == replace(RULES["protocol"], threshold=0.7)
    assert route_told(0.6, 0.1, 0.1).role == "input"
    assert route_told(0.6, 0.1, 0.1, strict).role == "obscure"
    assert route_told(0.6, 0.1, 0.8, strict).role == "cross"
    assert "(high from 0.7)" in route_told(0.6, 0.1, 0.1, strict).reason
    assert RULES["protocol"].threshold == 0.025


@pytest.mark.parametrize("threshold", [0.0, -0.5, float("nan"), float("inf"), float("-inf")])
def test_a_threshold_that_nothing_can_be_measured_by_is_refused(threshold: float):
    with pytest.raises(UsageError, match=f"the threshold {threshold:g} is not a number above 0"):
        find_rule("protocol", threshold)


def test_an_unknown_rule_is_answered_with_the_known_ones():
    with pytest.raises(UsageError) as raised:
        find_rule("majority")

    assert (
        str(raised.value)
        == "there is no rule 'majority'. Known: calibrated, protocol, air, tokens, layer"
    )
