from collections.abc import Callable
from typing import Literal

import pytest
from tests.faults.figures import Figure, Figures, collect_figures, draw_table

Report = Callable[[Literal["passed", "failed"]], pytest.TestReport]


@pytest.fixture
def report(request: pytest.FixtureRequest) -> Report:
    """Report on a test that noted one figure."""
    node = request.node
    Figures(node).note("a fault", "100 %", "99 %")
    noted = [("another", "property"), *node.user_properties]
    node.user_properties.clear()
    return lambda outcome: pytest.TestReport(
        node.nodeid, node.location, {}, outcome, None, "call", user_properties=noted
    )


def test_what_a_test_notes_is_in_its_report(report: Report):
    assert collect_figures([report("passed")]) == [Figure("a fault", "100 %", "99 %")]


def test_what_a_test_noted_before_it_failed_is_no_figure(report: Report):
    assert collect_figures([report("failed")]) == []


@pytest.mark.parametrize("figure", [Figure("a long row", "1", "2"), Figure("a", "100 %", "99 %")])
def test_columns_line_up(figure: Figure):
    head, line = draw_table([figure])
    assert head.index("target") == line.index(figure.target)
    assert head.index("measured") == line.index(figure.measured)
