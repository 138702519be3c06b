"""The features of a graph as a notebook shows them. Everything in it is escaped."""

import html
from collections.abc import Iterable, Mapping, Sequence

from clerp.feature import FeatureId
from clerp.outcome import LabeledFeature
from clerp.report.occurrence import Occurrence
from clerp.report.rows import Row, list_rows
from clerp.report.tier_plot import draw_tiers

_COLUMNS = ("label", "others say", "fires on", "role", "share", "feature", "why", "notes")


def build_html(
    features: Sequence[LabeledFeature], places: Mapping[FeatureId, Occurrence], *, limit: int
) -> str:
    """Build the picture of tiers, the most influential features, and how many are left out."""
    rows = list_rows(features, places, limit)
    head = _join_cells("th", _COLUMNS)
    body = "".join(f"<tr>{_join_cells('td', _list_cells(row))}</tr>" for row in rows)
    hidden = len(features) - len(rows)
    left_out = f"<p>{hidden} more features, of less influence, are not shown</p>" if hidden else ""
    picture = draw_tiers(features)
    return f"{picture}<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{left_out}"


def _join_cells(tag: str, cells: Iterable[str]) -> str:
    return "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in cells)


def _list_cells(row: Row) -> Iterable[str]:
    yield from (row.name, row.others, row.fires_on, row.role, row.share, row.feature, row.why)
    yield "; ".join(row.notes)
