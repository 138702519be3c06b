"""Evaluations as tables for a terminal."""

from collections.abc import Iterator, Mapping, Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from clerp.evaluation.comparison import Comparison, Margin, Standing
from clerp.evaluation.measures import Metric
from clerp.evaluation.resampling import Estimate
from clerp.evaluation.roles import RolesReport
from clerp.evaluation.sweep import SweepReport, SweepRow
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
    """Show the settings that agree best, cheaper ones first among equals, and the default's."""
    ranked = sorted(report.rows, key=lambda row: (-row.agreement["kappa"], row.n_windows))
    shown = [*ranked[:BEST], *(row for row in ranked[BEST:] if row.setting.is_default)]
    embedders = list(dict.fromkeys(row.setting.embedder for row in report.rows))
    columns = (
        *("kappa", "accuracy", "macro-F1", "input", "output", "cross", "high from"),
        *("examples", "tiers 1/2/3 in %", "windows", "seconds", "embedder"),
    )
    return Group(
        Text(f"Agreement with {_name_target(report.target)}, n = {report.n_target}", style="bold"),
        render_rows(columns, (_list_cells(row, embedders) for row in shown)),
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
    figures = (_write(standing.figures[metric]) for metric in METRIC_NAMES)
    return (standing.name, str(n), *figures, _write_margin(standing.margins["kappa"]))


def _write(figure: Estimate) -> str:
    # Adding zero keeps what rounds to nothing from being written as -0.00.
    value, low, high = (round(end, 2) + 0.0 for end in (figure.value, figure.low, figure.high))
    return f"{value:.2f} [{low:.2f}, {high:.2f}]"


def _write_margin(margin: Margin) -> str:
    value, low, high = (round(end, 2) + 0.0 for end in (margin.value, margin.low, margin.high))
    return f"{value:+.2f} [{low:+.2f}, {high:+.2f}] over {margin.over}"


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


def _list_cells(row: SweepRow, embedders: Sequence[str]) -> Sequence[str]:
    setting = row.setting
    return (
        *(f"{row.agreement[metric]:.2f}" for metric in ("kappa", "accuracy", "macro_f1")),
        *(setting.input, setting.output, setting.cross),
        f"{setting.threshold:.2f}{' *' if setting.is_default else ''}",
        str(setting.n_examples),
        "/".join(f"{100 * share:.0f}" for share in row.tiers),
        f"{row.n_windows:,}",
        f"{row.seconds:.2f}",
        f"[{1 + embedders.index(setting.embedder)}]",
    )


def _explain_sweep(report: SweepReport, embedders: Sequence[str]) -> Iterator[str]:
    yield f"The {BEST} best of {len(report.rows)} settings by kappa, and * the default"
    yield "The best of so many looks better than it is: hold it against features not swept over"
    yield f"Tiers, windows and seconds are of all {report.n_features} features"
    for number, name in enumerate(embedders, start=1):
        yield f"[{number}] {make_visible(name, limit=len(name))}"
