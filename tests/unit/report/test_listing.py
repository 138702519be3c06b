import io

from rich.console import Console
from tests.outcomes import FIRST, SECOND, make_artefact, make_route

from clerp.report.listing import render_routes, render_rows

HOSTILE = "[red]a[/red]\x1b]0;x\x07\u202eb\r\nc"


def show(renderable: object, width: int = 120) -> list[str]:
    shown = io.StringIO()
    Console(file=shown, width=width).print(renderable)
    return [line.rstrip() for line in shown.getvalue().splitlines()]


def test_rows_stand_under_their_columns():
    lines = show(render_rows(("name", "value"), [("style", "plain"), ("rule", "-")]))
    assert [line.split() for line in lines] == [
        ["name", "value"],
        ["style", "plain"],
        ["rule", "-"],
    ]
    starts = [line.index(word) for line, word in zip(lines, ("value", "plain", "-"), strict=True)]
    assert len(set(starts)) == 1


def test_without_rows_the_columns_are_shown():
    assert show(render_rows(("name", "value"), [])) == ["name  value"]


def test_nothing_is_cut_off_on_a_narrow_terminal():
    value = "abcdefghij" * 9
    lines = show(render_rows(("name", "value"), [("long", value)]), width=30)
    assert "".join(line.removeprefix("long").strip() for line in lines[1:]) == value


def test_what_a_stranger_wrote_is_one_plain_line():
    (_, line) = show(render_rows(("name",), [(HOSTILE,)]))
    assert line == "[red]a[/red]�]0;x��b  c"


def test_a_route_is_shown_with_its_reason():
    routes = [make_route(FIRST), make_artefact(SECOND).route]
    lines = show(render_routes(routes), width=200)
    assert lines[0].split() == ["feature", "role", "tier", "confidence", "examples", "why"]
    assert lines[1].split()[:5] == ["0_10", "input", "1", "high", "20"]
    assert lines[1].endswith("(high from 3)")
    assert lines[2].split()[:2] == ["1_11", "artefact"]
    assert lines[2].endswith("dense: fires on 53% of all tokens")
