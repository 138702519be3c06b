"""Evaluations as tables for a terminal."""

from collections.abc import Iterator, Mapping, Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from clerp.evaluation.comparison import Comparison, Margin, Standing
from clerp.evaluation.measures import Metric
from clerp.evaluation.resampling import Estimate
from clerp.evaluation.roles import RolesReport
from clerp.evaluation.sweep import BestThreshold, SweepReport, SweepRow
from clerp.report.listing import render_rows
from clerp.report.rows import make_visible

BEST = 15
METRIC_NAMES: Mapping[Metric, str] = {
    "accuracy": "accuracy",
    "macro_f1": "macro-F1",
    "kappa": "kappa",
}


def render_roles(report: RolesReport) -> RenderableType:
    """Show one table for each target, every figure with its interval."""
    parts = [part for shown in _list_shown(report) for part in _render_comparison(shown)]
    return Group(*parts, *(Text(line, style="dim") for line in _explain_roles(report)))


def render_sweep(report: SweepReport) -> RenderableType:
    """Show windows with their best threshold, best ones first, and the default as it is."""
    rows = {row.setting: row for row in report.rows}
    ranked = sorted(report.best, key=lambda best: _rank(rows[best.setting]))
    embedders = list(dict.fromkeys(row.setting.embedder for row in report.rows))
    shown = [_list_best(best, rows[best.setting], embedders) for best in ranked[:BEST]]
    shown += [
        (_write_plain(row.agreement), "default", *_list_cells(row, embedders))
        for row in report.rows
        if row.setting.is_default
    ]
    columns = (
        *("kappa", "as good", "from", "bare", "in/out/cross"),
        *("n", "tiers %", "s", ""),
    )
    return Group(
        Text(f"Agreement with {_name_target(report.target)}, n = {report.n_target}", style="bold"),
        render_rows(columns, shown),
        *(Text(line, style="dim") for line in _explain_sweep(report, embedders)),
    )


def name_comparison(comparison: Comparison) -> str:
    """Name a target as a title does."""
    kind = ", without artefacts" if comparison.without_artefacts else ""
    return f"{_name_target(comparison.target)}{kind}"


def _list_shown(report: RolesReport) -> Iterator[Comparison]:
    """Leave out those without artefacts where nothing is an artefact."""
    whole = {(c.target, c.n) for c in report.comparisons if not c.without_artefacts}
    for comparison in report.comparisons:
        if not comparison.without_artefacts or (comparison.target, comparison.n) not in whole:
            yield comparison


def _render_comparison(comparison: Comparison) -> Iterator[RenderableType]:
    readers = (comparison.other_pass,) if comparison.other_pass else ()
    rows = [_list_figures(s, comparison.n) for s in (*comparison.standings, *readers)]
    columns = ("rule", "n", *METRIC_NAMES.values(), "margin in kappa")
    yield Text(f"Against {name_comparison(comparison)}", style="bold")
    yield render_rows(columns, rows)
    yield Text()


def _list_figures(standing: Standing, n: int) -> Sequence[str]:
    figures = (write_estimate(standing.figures[metric]) for metric in METRIC_NAMES)
    return (standing.name, str(n), *figures, _write_margin(standing.margins["kappa"]))


def write_estimate(figure: Estimate) -> str:
    """Write a figure with its interval: `0.75 [0.50, 0.92]`."""
    value, low, high = _round(figure)
    return f"{value:.2f} [{low:.2f}, {high:.2f}]"


def write_change(change: Estimate | Margin) -> str:
    """Write a difference with its interval, all signed."""
    value, low, high = _round(change)
    return f"{value:+.2f} [{low:+.2f}, {high:+.2f}]"


def _round(figure: Estimate | Margin) -> tuple[float, ...]:
    # Adding zero keeps what rounds to nothing from being written as -0.00.
    return tuple(round(end, 2) + 0.0 for end in (figure.value, figure.low, figure.high))


def _write_margin(margin: Margin) -> str:
    return f"{write_change(margin)} over {margin.over}"


def _name_target(target: str) -> str:
    return "features on which both passes agree" if target == "both passes" else target


def _explain_roles(report: RolesReport) -> Iterator[str]:
    yield (
        f"[ ] {report.level:.0%} of {report.resamples:,} resamples of features "
        f"(bootstrap, seed {report.seed})"
    )
    yield "macro-F1 mean over the roles that occur; margin over the best of the other baselines"
    if any(comparison.other_pass for comparison in report.comparisons):
        yield "the other pass a second reader of the same features: the line to compare with"
    yield "--json has margins in every figure, precision and recall by role, and who confused what"


def _rank(row: SweepRow) -> tuple[float, int]:
    """Put cheaper ones first among equals."""
    return -row.agreement["kappa"], row.n_windows


def _list_best(best: BestThreshold, row: SweepRow, embedders: Sequence[str]) -> Sequence[str]:
    plateau = best.plateau
    stretch = f"{plateau.lowest:g}-{plateau.highest:g}"
    return (write_estimate(plateau.figure), stretch, *_list_cells(row, embedders))


def _list_cells(row: SweepRow, embedders: Sequence[str]) -> Sequence[str]:
    setting = row.setting
    return (
        f"{setting.threshold:g}",
        _write_plain(row.without_artefacts),
        " ".join((setting.input, setting.output, setting.cross)),
        str(setting.n_examples),
        "/".join(f"{100 * share:.0f}" for share in row.tiers),
        f"{row.seconds:.2f}",
        f"[{1 + embedders.index(setting.embedder)}]",
    )


def _write_plain(agreement: Mapping[Metric, float]) -> str:
    return f"{agreement['kappa']:.2f}" if agreement else "-"


def _explain_sweep(report: SweepReport, embedders: Sequence[str]) -> Iterator[str]:
    n = len(report.best)
    yield f"{min(BEST, n)} of {n} choices of windows, examples and embedder, best kappa first"
    yield f"[ , ] {report.level:.0%} of resamples of features (bootstrap)"
    yield "as good: no threshold between these is clearly worse, by paired resamples"
    yield "The best of so many looks better than it is: hold it against features not swept over"
    yield "from: the threshold; bare: kappa without artefacts; n: examples of each feature"
    yield f"Tiers 1/2/3 and seconds are of all {report.n_features} features"
    for number, name in enumerate(embedders, start=1):
        yield f"[{number}] {make_visible(name, limit=len(name))}"
