"""Tables for a terminal. Everything that comes from a graph or a model is shown as plain text."""

from collections.abc import Iterable, Mapping, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from clerp.feature import FeatureId
from clerp.outcome import LabeledFeature
from clerp.report.summary import QUEUE_HEAD, TIERS, Coverage, Summary

_STATUS_STYLES: Mapping[str, str] = {
    "labeled": "green",
    "reviewed": "bold green",
    "needs_review": "yellow",
    "abstained": "dim",
    "failed": "red",
}
_TIER_NAMES = {1: "1  token frequency", 2: "2  LLM", 3: "3  review"}
_CONTROL = dict.fromkeys((*range(32), *range(127, 160)), "�")


def render_summary(summary: Summary) -> RenderableType:
    """Show features and influence by tier, beside errors, review and cost."""
    table = Table(title="Coverage", title_justify="left", box=None, pad_edge=False)
    table.add_column("tier")
    for column in ("features", "labelled", "influence", "labelled "):
        table.add_column(column, justify="right")
    for tier in TIERS:
        routed, labeled = summary.routed[tier], summary.labeled[tier]
        table.add_row(_TIER_NAMES[tier], *_figures(routed, labeled))
    done = summary.by_status["labeled"]
    table.add_row("all features", *_figures(summary.everything, done), style="bold")
    table.add_row("error nodes", "", "", _percent(summary.error_share), "")
    return Group(table, *(Text(line) for line in _closing_lines(summary)))


def render_features(
    features: Sequence[LabeledFeature], shares: Mapping[FeatureId, float], *, limit: int
) -> RenderableType:
    """Show the most influential features with their labels and the reasons for them."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("feature", no_wrap=True)
    table.add_column("share", justify="right", no_wrap=True)
    table.add_column("label", max_width=28)
    table.add_column("role", no_wrap=True)
    table.add_column("why", ratio=1)
    ordered = sorted(features, key=lambda f: (-shares.get(f.feature, 0.0), f.feature))
    for labeled in ordered[:limit]:
        table.add_row(
            str(labeled.feature),
            _percent(shares.get(labeled.feature)),
            _name(labeled),
            labeled.route.role,
            plain(f"{labeled.reason}. {labeled.route.reason}"),
        )
    return table


def plain(text: str) -> Text:
    """Return text that neither markup nor control characters can act in."""
    return Text(text.translate(_CONTROL))


def _name(labeled: LabeledFeature) -> Text:
    shown = labeled.label.text if labeled.label else f"({labeled.status.replace('_', ' ')})"
    text = plain(shown)
    text.stylize(_STATUS_STYLES[labeled.status])
    return text


def _figures(routed: Coverage, labeled: Coverage) -> Iterable[str]:
    return (
        str(routed.features),
        str(labeled.features),
        _percent(routed.share),
        _percent(labeled.share),
    )


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.1%}"


def _closing_lines(summary: Summary) -> Iterable[str]:
    waiting, artefacts = summary.by_status["needs_review"], summary.by_status["abstained"]
    yield (
        f"To review: {waiting.features} features ({_percent(waiting.share)} of influence); "
        f"abstained: {artefacts.features} ({_percent(artefacts.share)})."
    )
    yield (
        f"The first {min(QUEUE_HEAD, summary.queue_head.features)} items of the review queue "
        f"would add {_percent(summary.queue_head.share)}."
    )
    if failed := summary.by_status["failed"].features:
        yield f"Failed: {failed} features; run again to try only these."
    if summary.kept_nodes:
        yield f"Nodes that already had a label which is not clerp's: {summary.kept_nodes}."
    if summary.repeated_labels:
        yield f"Labels that several features share: {summary.repeated_labels}."
    cost = "unknown cost" if summary.cost_usd is None else f"${summary.cost_usd:.4f}"
    yield f"LLM answers: {summary.calls}, {cost}."
