from dataclasses import replace
from io import StringIO

from rich.console import Console, RenderableType
from tests.unit.evaluation.annotated import EMBEDDER, ROLES, make_known, read_twice, repeat, settle

from clerp.evaluation import SweepReport, evaluate_roles, sweep_protocol
from clerp.evaluation.sweep import BestThreshold
from clerp.evaluation.tables import BEST, render_roles, render_sweep
from clerp.router import Role, find_rule
from clerp.windows import DEFAULT_WINDOWS


def write(renderable: RenderableType) -> list[str]:
    console = Console(file=StringIO(), width=200, color_system=None)
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


def test_the_best_windows_and_the_default_are_shown(swept: SweepReport) -> None:
    lines = write(render_sweep(swept))
    rows = [line for line in lines if line.strip().endswith(" [1]")]
    kappas = [float(line.split()[0]) for line in rows]
    assert len(rows) == BEST + 1
    assert kappas[:BEST] == sorted(kappas[:BEST], reverse=True)
    assert kappas[0] == round(max(row.agreement["kappa"] for row in swept.rows), 2)
    (default,) = (row for row in swept.rows if row.setting.is_default)
    assert rows[-1].split()[1:3] == ["default", f"{default.setting.threshold:g}"]
    assert ["default" in line for line in rows] == [False] * BEST + [True]


def test_the_stretch_of_thresholds_that_are_as_good_is_shown(swept: SweepReport) -> None:
    best = max(swept.best, key=lambda b: kappa_of(swept, b))
    lines = write(render_sweep(swept))
    (first, *_) = (line for line in lines if line.strip().endswith(" [1]"))
    assert f" {best.plateau.lowest:g}-{best.plateau.highest:g} " in first


def kappa_of(report: SweepReport, best: BestThreshold) -> tuple[float, int]:
    (row,) = (row for row in report.rows if row.setting == best.setting)
    return row.agreement["kappa"], -row.n_windows


def test_where_all_are_artefacts_nothing_is_left_to_show() -> None:
    report = sweep_protocol(make_known(), settle(repeat("artefact", 12)), [EMBEDDER])
    rows = [line for line in write(render_sweep(report)) if line.strip().endswith(" [1]")]
    assert all(" - " in line for line in rows)


def test_names_of_embedders_cannot_act(swept: SweepReport) -> None:
    name = "[bold]x[/bold]\x1b[31m"
    rows = tuple(replace(row, setting=replace(row.setting, embedder=name)) for row in swept.rows)
    best = tuple(replace(b, setting=replace(b.setting, embedder=name)) for b in swept.best)
    text = "\n".join(write(render_sweep(replace(swept, rows=rows, best=best))))
    assert "[1] [bold]x[/bold]" in text
    assert "\x1b" not in text
