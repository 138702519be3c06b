from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.evaluation.annotated import part, read_twice, repeat, settle

from clerp.evaluation.comparison import ALWAYS, BASELINES, Comparison, compare
from clerp.evaluation.measures import MEASURES, ROLES
from clerp.evaluation.targets import Target, list_targets
from clerp.router import Role

TRUTH = repeat("input", 12) + repeat("output", 6) + repeat("cross", 4) + repeat("artefact", 2)
N = len(TRUTH)
PAIR = st.tuples(st.sampled_from(ROLES), st.sampled_from(ROLES))


def change(roles: Sequence[Role], n: int, to: Role) -> list[Role]:
    """Set the first n roles."""
    return repeat(to, n) + list(roles[n:])


FOUND: Mapping[str, Sequence[Role]] = {
    ALWAYS: repeat("input", N),
    "layer": repeat("output", N),
    "tokens": change(TRUTH, 6, "cross"),
    "protocol": change(TRUTH, 12, "obscure"),
    "air": change(TRUTH, 9, "output"),
    "good": change(TRUTH, 1, "obscure"),
    "perfect": TRUTH,
}


def find_roles(target: Target) -> Mapping[str, Sequence[Role]]:
    indices = [feature.index for feature in target.features]
    return {name: [roles[i] for i in indices] for name, roles in FOUND.items()}


@pytest.fixture(scope="module")
def comparison() -> Comparison:
    return compare(list_targets(settle(TRUTH))[0], FOUND)


def test_every_rule_stands_there_in_the_order_given(comparison: Comparison) -> None:
    assert comparison.n == N
    assert [standing.name for standing in comparison.standings] == list(FOUND)
    marked = [standing.name for standing in comparison.standings if standing.is_baseline]
    assert marked == list(BASELINES)


def test_figures_are_those_of_all_features(comparison: Comparison) -> None:
    figures = comparison.find("tokens").figures
    assert figures["accuracy"].value == pytest.approx(18 / 24)
    assert figures["accuracy"].low < 18 / 24 < figures["accuracy"].high
    perfect = comparison.find("perfect").figures
    assert {(f.value, f.low, f.high) for f in perfect.values()} == {(1.0, 1.0, 1.0)}


def test_margins_are_over_the_best_of_the_other_baselines(comparison: Comparison) -> None:
    good = comparison.find("good")
    assert good.margins["accuracy"].over == "tokens"
    assert good.margins["accuracy"].value == pytest.approx(5 / 24)
    tokens = comparison.find("tokens").margins["accuracy"]
    assert (tokens.over, tokens.value) == ("air", pytest.approx(3 / 24))


def test_margins_are_of_pairs(comparison: Comparison) -> None:
    """`good` is right wherever `tokens` is, so no resample has it behind."""
    good = comparison.find("good")
    assert good.margins["accuracy"].low >= 0
    tokens = comparison.find("tokens").figures["accuracy"]
    assert good.margins["accuracy"].low > good.figures["accuracy"].low - tokens.high


def test_roles_have_precision_recall_and_support(comparison: Comparison) -> None:
    by_role = comparison.find("tokens").by_role
    assert (by_role["input"].support, by_role["input"].found) == (12, 6)
    assert (by_role["input"].precision, by_role["input"].recall) == (1.0, 0.5)
    assert (by_role["cross"].precision, by_role["cross"].recall) == (0.4, 1.0)
    assert (by_role["obscure"].precision, by_role["obscure"].recall) == (None, None)
    always = comparison.find(ALWAYS).by_role
    assert (always["input"].precision, always["output"].precision) == (0.5, None)


def test_the_confusion_says_what_was_taken_for_what(comparison: Comparison) -> None:
    confusion = comparison.find("tokens").confusion
    assert confusion["input"] == {**dict.fromkeys(ROLES, 0), "input": 6, "cross": 6}
    assert sum(sum(row.values()) for row in confusion.values()) == N


def test_a_second_pass_is_the_line_to_compare_with() -> None:
    other = change(TRUTH, 3, "cross")
    twice = read_twice(list(zip(TRUTH, other, strict=True)))
    targets = list_targets(twice)[:3]
    first, second, agreed = (compare(target, find_roles(target)) for target in targets)
    assert first.other_pass is not None
    assert second.other_pass is not None
    assert first.other_pass.figures["accuracy"].value == pytest.approx(21 / 24)
    assert first.other_pass.figures["kappa"] == second.other_pass.figures["kappa"]
    assert first.other_pass.margins["accuracy"].over == "tokens"
    assert agreed.other_pass is None
    assert agreed.n == 21


@settings(max_examples=20)
@given(st.lists(PAIR, min_size=150, max_size=250))
def test_an_interval_of_many_features_holds_its_figure(pairs: list[tuple[Role, Role]]) -> None:
    truth, found = part(pairs)
    target = list_targets(settle(truth))[0]
    standing = compare(target, dict.fromkeys([*BASELINES, "rule"], found)).find("rule")
    for metric in MEASURES:
        figure = standing.figures[metric]
        assert figure.low <= figure.value <= figure.high
        assert (standing.margins[metric].low, standing.margins[metric].high) == (0, 0)
