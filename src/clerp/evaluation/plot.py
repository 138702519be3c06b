"""Evaluations as a picture: a point for each rule and measure, a bar for its interval."""

from collections.abc import Callable
from importlib import import_module
from io import BytesIO
from pathlib import Path
from typing import Any

from clerp.errors import UsageError
from clerp.evaluation.comparison import Comparison, Standing
from clerp.evaluation.measures import Metric
from clerp.evaluation.roles import RolesReport
from clerp.evaluation.tables import METRIC_NAMES, name_comparison
from clerp.graph import check_destination
from clerp.graph.writing import write_atomically

# matplotlib leaves open what most of its methods take and return.
_Untyped = Any

# Okabe and Ito's palette, which the colour-blind can tell apart.
_BASELINE, _RULE, _READER = "#999999", "#0072B2", "#D55E00"
_WIDTH, _ROW, _FRAME = 9.0, 0.28, 0.75
_DOTS_PER_INCH = 150


def check_plot(path: Path) -> None:
    """Find out whether a picture can be drawn and written, before anything is computed for it.

    Raises:
        UsageError: The suffix is neither `.svg` nor `.png`, or matplotlib is not installed.
        OutputError: It could not be written there.
    """
    if path.suffix.lower() not in (".svg", ".png"):
        raise UsageError(
            "a picture is written as SVG or PNG",
            where=str(path),
            remedy="Name a file that ends in .svg or .png: --plot FILE",
        )
    _load("matplotlib.figure")
    check_destination(path)


def write_plot(report: RolesReport, path: Path) -> None:
    """Draw every target with all of its features; equal reports give equal files.

    Raises:
        OutputError: It could not be written.
    """
    suffix = path.suffix.lower().removeprefix(".")
    buffer = BytesIO()
    settings = {"svg.hashsalt": "clerp", "svg.fonttype": "none", "font.size": 9}
    with _load("matplotlib").rc_context(settings):
        metadata = {"Date": None} if suffix == "svg" else {"Software": None}
        figure = _draw(report, _load("matplotlib.figure").Figure)
        figure.savefig(buffer, format=suffix, dpi=_DOTS_PER_INCH, metadata=metadata)
    write_atomically(buffer.getvalue(), path)


def _load(name: str) -> _Untyped:
    try:
        return import_module(name)
    except ModuleNotFoundError as missing:
        raise UsageError(
            f"pictures need the module {missing.name!r}, which is not installed",
            remedy="Run: pip install matplotlib, or leave out --plot",
        ) from missing


def _draw(report: RolesReport, make_figure: Callable[..., _Untyped]) -> _Untyped:
    shown = [comparison for comparison in report.comparisons if not comparison.without_artefacts]
    heights = [_FRAME + _ROW * len(comparison.standings) for comparison in shown]
    figure = make_figure(figsize=(_WIDTH, sum(heights) + _FRAME), layout="constrained")
    panels = figure.subplots(
        len(shown), len(METRIC_NAMES), squeeze=False, sharex="col", height_ratios=heights
    )
    for row, comparison in zip(panels, shown, strict=True):
        for panel, (metric, name) in zip(row, METRIC_NAMES.items(), strict=True):
            _draw_panel(panel, comparison, metric)
            panel.set_xlabel(name)
        row[0].set_title(f"{name_comparison(comparison)}, n = {comparison.n}", loc="left")
        for panel in row[1:]:
            panel.set_yticklabels([])
    figure.supxlabel(
        f"bars: {report.level:.0%} of {report.resamples:,} resamples of features; "
        "grey: baselines; orange: the other pass",
        fontsize="small",
    )
    return figure


def _draw_panel(panel: _Untyped, comparison: Comparison, metric: Metric) -> None:
    for height, standing in enumerate(comparison.standings):
        _draw_point(panel, standing, metric, height)
    if comparison.other_pass is not None:
        other = comparison.other_pass.figures[metric]
        panel.axvspan(other.low, other.high, color=_READER, alpha=0.12, linewidth=0)
        panel.axvline(other.value, color=_READER, linestyle="--", linewidth=1)
    names = [standing.name for standing in comparison.standings]
    panel.set_yticks(range(len(names)), names)
    panel.invert_yaxis()
    panel.grid(axis="x", color="#dddddd", linewidth=0.6)
    panel.set_axisbelow(True)
    panel.spines[["top", "right", "left"]].set_visible(False)
    panel.tick_params(left=False, labelbottom=True)


def _draw_point(panel: _Untyped, standing: Standing, metric: Metric, height: int) -> None:
    figure = standing.figures[metric]
    color = _BASELINE if standing.is_baseline else _RULE
    # A percentile interval of few features need not hold the figure, which error bars insist on.
    panel.hlines(height, figure.low, figure.high, colors=color, linewidth=2)
    panel.plot([figure.value], [height], "o", color=color, markersize=5)
