import io

import pytest
from rich.console import Console, RenderableType

from clerp.llm.costs import CostRow, Estimate, LostCalls
from clerp.report.costs import render_costs, render_estimates, render_losses
from clerp.router import Tier


def write(renderable: RenderableType) -> list[list[str]]:
    console = Console(file=io.StringIO(), width=200)
    console.print(renderable)
    written = console.file
    assert isinstance(written, io.StringIO)
    return [line.split() for line in written.getvalue().splitlines()]


def test_costs_are_shown_by_tier_model_and_method():
    row = CostRow(2, "m-2026", "max-act-logits", 1200, 1000, 720_000, 48_000, 1.5)
    assert write(render_costs([row]))[1:] == [
        ["2", "m-2026", "max-act-logits", "1,200", "1,000", "720,000", "48,000", "1.5000"]
    ]


def test_what_is_not_known_is_not_shown_as_nothing():
    row = CostRow(2, "m", "max-act-logits", 1, 0, None, None, None)
    assert write(render_costs([row]))[1][-3:] == ["unknown"] * 3
    assert write(render_estimates({2: Estimate(3, 10, 600, None, None)}))[1][-2:] == ["unknown"] * 2


def test_a_models_name_cannot_act_on_a_terminal():
    row = CostRow(2, "[bold]m[/] \x1b[31m", "[link=http://x]y", 1, 0, 1, 1, 0.0)
    cells = write(render_costs([row]))[1]
    assert cells[1] == "[bold]m[/]"
    assert "\x1b" not in "".join(cells)
    assert "[link=http://x]y" in cells


@pytest.mark.parametrize(
    ("lost", "told"),
    [
        (LostCalls(1, 0.012), "1 call that may be billed though no answer came: at most $0.0120"),
        (LostCalls(1200, None), "1,200 calls that may be billed though no answer came: unknown"),
    ],
)
def test_what_was_lost_is_told_with_the_most_that_it_costs(lost: LostCalls, told: str):
    assert write(render_losses(lost)) == [["Lost:", *told.split()]]


def test_estimates_are_shown_by_tier():
    estimates: dict[Tier, Estimate] = {
        2: Estimate(300, 190_000, 60_000, 0.9, 7.25),
        1: Estimate(5, 900, 100, 0.0, 0.01),
    }
    rows = write(render_estimates(estimates))
    assert rows[1:] == [
        ["1", "5", "900", "100", "0.0000", "0.0100"],
        ["2", "300", "190,000", "60,000", "0.9000", "7.2500"],
    ]
