import pytest
from tests.faults.figures import Figure, Figures, collect_figures, draw_table


def test_what_a_test_notes_is_in_its_report(request: pytest.FixtureRequest):
    node = request.node
    report = pytest.TestReport(node.nodeid, node.location, {}, "passed", None, "call")
    Figures(node).note("a fault", "100 %", "99 %")
    report.user_properties = [("another", "property"), *node.user_properties]
    node.user_properties.clear()
    assert collect_figures([report]) == [Figure("a fault", "100 %", "99 %")]


@pytest.mark.parametrize("figure", [Figure("a long row", "1", "2"), Figure("a", "100 %", "99 %")])
def test_columns_line_up(figure: Figure):
    head, line = draw_table([figure])
    assert head.index("target") == line.index(figure.target)
    assert head.index("measured") == line.index(figure.measured)
