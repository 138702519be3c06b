"""Supernodes as a notebook shows them. Everything in it is escaped."""

import html
from collections.abc import Iterable, Sequence

from clerp.grouped.rows import SupernodeRow

_COLUMNS = ("supernode", "by", "nodes", "layers", "fires on", "share", "labels", "warnings")


def build_html(rows: Sequence[SupernodeRow]) -> str:
    """Build a table of supernodes."""
    head = _join_cells("th", _COLUMNS)
    body = "".join(f"<tr>{_join_cells('td', _list_cells(row))}</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _join_cells(tag: str, cells: Iterable[str]) -> str:
    return "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in cells)


def _list_cells(row: SupernodeRow) -> Iterable[str]:
    yield from (row.name, row.by, row.members, row.layers, row.positions, row.share, row.labels)
    yield "; ".join(row.warnings)
