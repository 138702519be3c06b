"""The table of features as a notebook shows it. Everything in it is escaped."""

import html
from collections.abc import Iterable, Mapping, Sequence

from clerp.feature import FeatureId
from clerp.outcome import LabeledFeature
from clerp.report.occurrence import Occurrence
from clerp.report.rows import Row, list_rows

_COLUMNS = ("label", "others say", "fires on", "role", "share", "feature", "why", "notes")


def build_html(
    features: Sequence[LabeledFeature], places: Mapping[FeatureId, Occurrence], *, limit: int
) -> str:
    """Build a table of the most influential features and a line on how many are left out."""
    rows = list_rows(features, places, limit)
    head = _join_cells("th", _COLUMNS)
    body = "".join(f"<tr>{_join_cells('td', _list_cells(row))}</tr>" for row in rows)
    hidden = len(features) - len(rows)
    left_out = f"<p>{hidden} more features, of less influence, are not shown</p>" if hidden else ""
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{left_out}"


def _join_cells(tag: str, cells: Iterable[str]) -> str:
    return "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in cells)


def _list_cells(row: Row) -> Iterable[str]:
    yield from (row.name, row.others, row.fires_on, row.role, row.share, row.feature, row.why)
    yield "; ".join(row.notes)
