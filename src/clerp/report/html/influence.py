"""How much of the influence in each graph labels cover."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from clerp.report.html.drawing import SHARE_COLOURS
from clerp.report.html.figures import Cover, draw_cover
from clerp.report.html.recorded import RecordedGraph
from clerp.report.rows import percent
from clerp.report.summary import Summary


@dataclass(frozen=True, slots=True)
class CoverRow:
    """How much of a graph has a label."""

    graph: str
    features: int
    labelled: int
    by_label: str
    """Share of the influence that goes through labelled features; so on below."""
    by_feature: str
    by_token: str
    by_error: str
    checked: int
    """Labels that can be held against the words on which their features fire in this graph."""
    misfits: str
    """Those of them that do not name such a word, and the share of the nodes where they do not."""
    repeated: int
    """Labels that several features bear."""


def make_cover(one: RecordedGraph, summary: Summary) -> CoverRow:
    """Say how much of a graph has a label."""
    return CoverRow(
        graph=one.graph.name,
        features=summary.everything.features,
        labelled=summary.named.features,
        by_label=percent(summary.named.share),
        by_feature=percent(summary.everything.share),
        by_token=percent(summary.embedding_share),
        by_error=percent(summary.error_share),
        checked=summary.held_against,
        misfits=_tell_misfits(summary),
        repeated=summary.repeated_labels,
    )


def _tell_misfits(summary: Summary) -> str:
    told = f"{summary.misfits.features:,}"
    share = summary.misfits.share
    return told if share is None else f"{told} ({percent(share)})"


def draw_covers(recorded: Sequence[RecordedGraph], summaries: Sequence[Summary]) -> Markup:
    """Draw the same of all graphs that hold influences; nothing where none does."""
    covers = [
        Cover(one.graph.name, dict(zip(SHARE_COLOURS, _divide(summary), strict=True)))
        for one, summary in zip(recorded, summaries, strict=True)
        if one.graph.shares is not None
    ]
    return draw_cover(covers) if covers else Markup("")


def _divide(summary: Summary) -> tuple[float, ...]:
    named, everything = summary.named.share or 0.0, summary.everything.share or 0.0
    return (
        named,
        everything - named,
        summary.embedding_share or 0.0,
        summary.error_share or 0.0,
    )
