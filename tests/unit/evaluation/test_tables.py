from dataclasses import replace
from io import StringIO

import pytest
from rich.console import Console, RenderableType
from tests.unit.evaluation.annotated import EMBEDDER, ROLES, make_known, read_twice, repeat, settle

from clerp.evaluation import SweepReport, evaluate_roles, sweep_protocol
from clerp.evaluation.tables import BEST, render_roles, render_sweep
from clerp.router import Role, find_rule
from clerp.windows import DEFAULT_WINDOWS


def write(renderable: RenderableType) -> list[str]:
    console = Console(file=StringIO(), width=120, color_system=None)
    console.print(renderable)
    return console.file.getvalue().splitlines()  # pyright: ignore[reportAttributeAccessIssue]


def show_settled(roles: list[Role]) -> list[str]:
    rules = [find_rule("calibrated")]
    report = evaluate_roles(make_known(), settle(roles), rules, DEFAULT_WINDOWS, EMBEDDER)
    return write(render_roles(report))


def test_every_figure_stands_beside_its_interval() -> None:
    lines = show_settled(repeat("input", 9) + repeat("cross", 3))
    always = next(line for line in lines if line.startswith("always input"))
    assert always.split()[2:5] == ["12", "0.75", "[0.50,"]
    assert "0.00 [0.00, 0.00]" in always
    assert " over " in always
    assert any("seed 0" in line for line in lines)


def test_a_table_without_artefacts_stands_only_where_there_are_some() -> None:
    titles = [
        [line for line in show_settled(roles) if line.startswith("Against")]
        for roles in (repeat("input", 12), ROLES)
    ]
    assert titles == [["Against truth"], ["Against truth", "Against truth, without artefacts"]]


def test_the_other_pass_is_the_last_row_of_each_pass() -> None:
    truth = read_twice([(role, "input") for role in ROLES])
    report = evaluate_roles(make_known(), truth, [], DEFAULT_WINDOWS, EMBEDDER)
    lines = write(render_roles(report))
    rows = [i for i, line in enumerate(lines) if line.startswith("the other pass  12")]
    assert len(rows) == 2
    assert all(lines[i - 1].startswith("air") and not lines[i + 1].strip() for i in rows)


@pytest.fixture(scope="module")
def swept() -> SweepReport:
    return sweep_protocol(make_known(), settle(ROLES), [EMBEDDER])


def test_the_best_settings_and_the_default_are_shown(swept: SweepReport) -> None:
    lines = write(render_sweep(swept))
    rows = [line for line in lines if line.strip().endswith(" [1]")]
    kappas = [float(line.split()[0]) for line in rows]
    assert len(rows) in (BEST, BEST + 1)
    assert kappas[:BEST] == sorted(kappas[:BEST], reverse=True)
    assert kappas[0] == round(max(row.agreement["kappa"] for row in swept.rows), 2)
    assert [line.split()[6:8] for line in rows if "*" in line] == [["0.35", "*"]]


def test_names_of_embedders_cannot_act(swept: SweepReport) -> None:
    name = "[bold]x[/bold]\x1b[31m"
    rows = tuple(replace(row, setting=replace(row.setting, embedder=name)) for row in swept.rows)
    text = "\n".join(write(render_sweep(replace(swept, rows=rows))))
    assert "[1] [bold]x[/bold]" in text
    assert "\x1b" not in text
