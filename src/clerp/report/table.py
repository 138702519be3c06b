"""Tables for a terminal. Everything that comes from a graph or a model is shown as plain text."""

from collections.abc import Iterable, Mapping, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from clerp.feature import FeatureId
from clerp.labels import MAX_LABEL_CHARS
from clerp.outcome import LabeledFeature
from clerp.report.occurrence import Occurrence
from clerp.report.rows import Row, list_rows, make_visible, percent
from clerp.report.summary import TIERS, Coverage, JointSummary, Summary

_STATUS_STYLES: Mapping[str, str] = {
    "labeled": "green",
    "reviewed": "bold green",
    "needs_review": "yellow",
    "abstained": "dim",
    "failed": "red",
}
_MEASURES: Mapping[str, str] = {
    "lead": "by how much the role leads the next one, in log odds; below 0.7 is a near tie",
    "z": "likeness of the examples in standard deviations above chance",
    "raw": "likeness of the examples as mean cosine similarity",
}
_OTHERS = "others say"
_MAX_WIDTHS = {"label": MAX_LABEL_CHARS, _OTHERS: 28}
_TIER_NAMES = {1: "1 token frequency", 2: "2 LLM", 3: "3 review"}


def render_features(
    features: Sequence[LabeledFeature], places: Mapping[FeatureId, Occurrence], *, limit: int
) -> RenderableType:
    """Show the most influential features, and say how many are left out.

    A reason takes one line and ends in `…` where the terminal is too narrow; the labelled graph
    holds it whole. What is true of many features stands once, as a footnote.
    """
    rows = list_rows(features, places, limit)
    notes = list(dict.fromkeys(note for row in rows for note in row.notes))
    measure = _name_measure(features)
    others = [_OTHERS] if any(row.others for row in rows) else []
    table = _lay_out("label", *others, "fires on", "role", "share", measure, "feature", "why")
    for row in rows:
        table.add_row(*_list_cells(row, notes, with_others=bool(others)))
    lines = _list_footnotes(rows, notes, measure, hidden=len(features) - len(rows))
    return Group(table, *(Text(line, style="dim") for line in lines))


def render_summary(summary: Summary) -> RenderableType:
    """Show features and influence by tier, beside errors, review and cost."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("tier")
    table.add_column("features labelled", justify="right")
    table.add_column("influence labelled", justify="right")
    for tier in TIERS:
        table.add_row(_TIER_NAMES[tier], *_compare(summary.labeled[tier], summary.routed[tier]))
    table.add_row("all features", *_compare(summary.named, summary.everything), style="bold")
    table.add_row("token embeddings", "", percent(summary.embedding_share), style="dim")
    table.add_row("error nodes", "", percent(summary.error_share), style="dim")
    return Group(Text(), table, *map(Text, _list_remarks(summary)))


def render_together(together: JointSummary) -> RenderableType:
    """Close a run over several graphs: what they share, and what all of them cost."""
    head = f"All {together.graphs} graphs"
    lines = (
        f"Distinct features: {together.features}, in more than one graph: {together.shared}.",
        f"Labelled: {together.named} of {together.features}.",
        _tell_cost(together.answered, together.cost_usd),
    )
    return Group(Text(), Text(head, style="bold"), *map(Text, lines))


def plain(text: str) -> Text:
    """Return text that neither markup nor control characters can act in."""
    return Text(make_visible(text, limit=len(text)))


def _lay_out(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        is_free = column in ("label", _OTHERS, "why")
        table.add_column(
            column,
            justify="right" if column in ("share", *_MEASURES) else "left",
            no_wrap=not is_free,
            max_width=_MAX_WIDTHS.get(column),
        )
    return table


def _list_cells(row: Row, notes: Sequence[str], *, with_others: bool) -> Iterable[Text]:
    # A hint is cut to one line, a label never.
    overflow = "ellipsis" if row.is_hint else "fold"
    style = _STATUS_STYLES[row.status]
    yield Text(row.name, style=style, no_wrap=row.is_hint, overflow=overflow)
    if with_others:
        yield Text(row.others, style="italic")
    yield Text(row.fires_on)
    yield Text(row.role)
    yield Text(row.share)
    yield Text(row.strength)
    numbers = ",".join(str(number) for number in sorted(notes.index(n) + 1 for n in row.notes))
    yield Text(f"{row.feature} [{numbers}]" if numbers else row.feature)
    yield Text(row.why, no_wrap=True, overflow="ellipsis")


def _list_footnotes(
    rows: Sequence[Row], notes: Sequence[str], measure: str, *, hidden: int
) -> Iterable[str]:
    for number, note in enumerate(notes, start=1):
        yield f"[{number}] {note}"
    if any(row.is_hint for row in rows):
        yield "? no label; shown are peak words | next words | promoted tokens"
    if any(row.others for row in rows):
        yield f"{_OTHERS} labels that come with the examples; none of clerp's rests on them"
    if any(" +" in row.fires_on for row in rows):
        yield "The +4 the first token of the prompt that it fires on, and how many others"
    if any(row.strength for row in rows):
        yield f"{measure} {_MEASURES[measure]}"
    if any(row.is_counted for row in rows):
        yield "17/20 3/25 examples that the label fits: of the top 20, of 25 at lower activations"
    if hidden:
        yield f"{hidden} more features, of less influence, are not shown"


def _name_measure(features: Sequence[LabeledFeature]) -> str:
    if any(labeled.route.margin is not None for labeled in features):
        return "lead"
    scores = [score for labeled in features for score in labeled.route.scores.values()]
    return "raw" if scores and all(score.z is None for score in scores) else "z"


def _compare(part: Coverage, whole: Coverage) -> tuple[str, str]:
    features = f"{part.features} of {whole.features:>4}"
    return features, f"{percent(part.share)} of {percent(whole.share):>5}"


def _list_remarks(summary: Summary) -> Iterable[str]:
    if summary.named.features < summary.everything.features:
        yield _tell_unnamed(summary)
        yield _tell_queue(summary)
    if summary.held_against:
        yield (
            f"Of {summary.held_against} labels that can be checked, {summary.misfits.features} do "
            f"not name the word fired on here ({percent(summary.misfits.share)})."
        )
    if summary.by_status["failed"].features:
        yield "Run again to try only the failed features."
    if summary.kept_nodes:
        yield f"Nodes that had a label which is not clerp's: {summary.kept_nodes}."
    if summary.repeated_labels:
        yield f"Labels that several features bear: {summary.repeated_labels}."
    yield _tell_cost(summary.answered, summary.cost_usd)


def _tell_unnamed(summary: Summary) -> str:
    unnamed = {
        "artefacts": summary.artefacts,
        "abstained": summary.declined,
        "to review": summary.by_status["needs_review"],
        "failed": summary.by_status["failed"],
    }
    parts = (
        f"{c.features} {name} ({percent(c.share)})" for name, c in unnamed.items() if c.features
    )
    return f"Without a label: {', '.join(parts)}."


def _tell_queue(summary: Summary) -> str:
    head, artefacts = summary.queue_head, summary.queue_head_artefacts
    among = f", {artefacts} of them artefacts," if artefacts else ""
    return f"The first {head.features} of the review queue{among} would add {percent(head.share)}."


def _tell_cost(answered: int, cost_usd: float | None) -> str:
    cost = "at an unknown cost" if cost_usd is None else f"which cost ${cost_usd:.4f} when asked"
    return f"Features answered by an LLM: {answered}, {cost}." if answered else "LLM answers: none."
