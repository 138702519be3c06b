"""What an LLM cost, or may cost, as a table for a terminal."""

from collections.abc import Mapping, Sequence

from rich.table import Table
from rich.text import Text

from clerp.llm.costs import CostRow, Estimate, LostCalls
from clerp.report.table import plain
from clerp.router import Tier

_UNKNOWN = "unknown"


def render_costs(rows: Sequence[CostRow]) -> Table:
    """Show what the answers of a run cost, by tier, model and method."""
    table = _make_table(
        words=("tier", "model", "method"),
        figures=("calls", "cached", "tokens in", "tokens out", "US$"),
    )
    for row in rows:
        table.add_row(
            str(row.tier),
            plain(row.model),
            plain(row.method),
            _write_count(row.calls),
            _write_count(row.cached),
            _write_count(row.prompt_tokens),
            _write_count(row.completion_tokens),
            _write_dollars(row.cost_usd),
        )
    return table


def render_losses(lost: LostCalls) -> Text:
    """Say what calls may be billed for that no answer came of."""
    calls = "1 call" if lost.calls == 1 else f"{lost.calls:,} calls"
    most = "unknown" if lost.most_usd is None else f"at most ${lost.most_usd:,.4f}"
    return Text(f"Lost: {calls} that may be billed though no answer came: {most}")


def render_estimates(estimates: Mapping[Tier, Estimate]) -> Table:
    """Show what a run would take that has not begun, by tier."""
    table = _make_table(
        words=("tier",),
        figures=("calls", "tokens in", "tokens out (most)", "US$", "US$ (most)"),
    )
    for tier, estimate in sorted(estimates.items()):
        table.add_row(
            str(tier),
            _write_count(estimate.calls),
            _write_count(estimate.prompt_tokens),
            _write_count(estimate.most_completion_tokens),
            _write_dollars(estimate.likely_usd),
            _write_dollars(estimate.most_usd),
        )
    return table


def _make_table(words: Sequence[str], figures: Sequence[str]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in words:
        table.add_column(column, overflow="fold")
    for column in figures:
        table.add_column(column, justify="right", overflow="fold")
    return table


def _write_count(count: int | None) -> str:
    return _UNKNOWN if count is None else f"{count:,}"


def _write_dollars(amount: float | None) -> str:
    return _UNKNOWN if amount is None else f"{amount:,.4f}"
