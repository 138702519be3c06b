"""Plain lists for a terminal: routes, plugins, settings."""

from collections.abc import Iterable, Sequence

from rich.table import Table

from clerp.report.table import plain
from clerp.router import Route


def render_rows(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    """Show rows of text under their columns, nothing cut off."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*map(plain, row))
    return table


def render_routes(routes: Iterable[Route]) -> Table:
    """Show each feature's role, tier, confidence and the reason for them."""
    columns = ("feature", "role", "tier", "confidence", "examples", "why")
    return render_rows(
        columns,
        (
            (str(r.feature), r.role, str(r.tier), r.confidence, str(r.n_examples), r.reason)
            for r in routes
        ),
    )
