"""Supernodes as a table for a terminal."""

from collections.abc import Iterable, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from clerp.grouped.graph import GroupedGraph
from clerp.grouped.rows import SupernodeRow, count_reasons, list_rows

_COLUMNS = ("supernode", "nodes", "layers", "fires on", "share", "labels of its nodes")
_RIGHT = ("nodes", "share")
_MAX_REASONS = 12


def render_groups(grouped: GroupedGraph) -> RenderableType:
    """Show every supernode, then warnings, and what is in none, by reason."""
    rows = list_rows(grouped.graph, grouped.grouping)
    warnings = list(dict.fromkeys(warning for row in rows for warning in row.warnings))
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in _COLUMNS:
        is_free = column.startswith(("supernode", "labels"))
        table.add_column(
            column, justify="right" if column in _RIGHT else "left", no_wrap=not is_free
        )
    for row in rows:
        table.add_row(*_list_cells(row, warnings))
    lines = (*_list_footnotes(rows, warnings), *_list_left_out(grouped))
    return Group(table, *(Text(line, style="dim") for line in lines))


def _list_cells(row: SupernodeRow, warnings: Sequence[str]) -> Iterable[Text]:
    numbers = ",".join(str(1 + warnings.index(warning)) for warning in row.warnings)
    marked = f"{row.name} [{numbers}]" if numbers else row.name
    yield Text(marked, style="bold" if row.by == "person" else "green", overflow="fold")
    yield from map(Text, (row.members, row.layers, row.positions, row.share))
    yield Text(row.labels, no_wrap=True, overflow="ellipsis")


def _list_footnotes(rows: Sequence[SupernodeRow], warnings: Sequence[str]) -> Iterable[str]:
    for number, warning in enumerate(warnings, start=1):
        yield f"[{number}] {warning}"
    if people := sum(row.by == "person" for row in rows):
        added = sum(row.n_added for row in rows)
        kept = f"kept; {added} members added" if added else "kept as they were"
        yield f"The first {people} are a person's and {kept}"


def _list_left_out(grouped: GroupedGraph) -> Iterable[str]:
    ungrouped = grouped.grouping.ungrouped
    if not ungrouped:
        return
    yield f"Feature nodes in no supernode: {len(ungrouped)} of {len(grouped.graph.feature_nodes)}"
    reasons = count_reasons(grouped.grouping)
    for reason, count in reasons[:_MAX_REASONS]:
        yield f"{count:>5} {reason}"
    if hidden := sum(count for _, count in reasons[_MAX_REASONS:]):
        yield f"{hidden:>5} for other reasons, which --json has"
