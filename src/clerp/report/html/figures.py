"""The figures of a report: what is covered, roles over layers, and scores."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from clerp.report.html.distinct import DistinctFeature
from clerp.report.html.drawing import (
    INK,
    ROLE_COLOURS,
    SHARE_COLOURS,
    TIER_COLOURS,
    Untyped,
    draw,
)
from clerp.report.html.escapes import spell_out
from clerp.report.html.layer_order import RoleDepth

MAX_BARS = 40
"""Graphs that a figure tells apart."""
_BAR, _FRAME = 0.26, 0.75
_PANEL = 1.75
_BINS = 30
_NAME_CHARS = 32
LEAST_CHANCE = 0.00001
"""Of a scale of chances."""
_CHANCES = (LEAST_CHANCE, 0.0001, 0.001, 0.01, 0.1, 1.0)
MAX_Z = 40.0
"""Of a scale: what is far beyond chance would hide all else."""


@dataclass(frozen=True, slots=True)
class Cover:
    """How the influence in a graph divides."""

    graph: str
    shares: Mapping[str, float]
    """By the names of `SHARE_COLOURS`; together 1, but for nodes of unknown types."""


@dataclass(frozen=True, slots=True)
class ScorePanel:
    """Scores of all features on one scale."""

    title: str
    scale: str
    values: Mapping[str, Sequence[float]]
    """By role."""
    threshold: float | None = None
    """From where on a score counts as high; of chances the greatest that does."""
    is_log: bool = False
    """The values are chances: small ones matter."""


def draw_cover(covers: Sequence[Cover]) -> Markup:
    """Draw how the influence in each graph divides."""
    shown = covers[:MAX_BARS]

    def paint(figure: Untyped) -> None:
        axes = figure.subplots()
        places = range(len(shown))
        reached = np.zeros(len(shown))
        for name, colour in SHARE_COLOURS.items():
            widths = np.array([100 * cover.shares.get(name, 0.0) for cover in shown])
            axes.barh(places, widths, left=reached, color=colour, label=name, height=0.68)
            reached += widths
        axes.set_yticks(places, [_name(cover.graph) for cover in shown])
        axes.invert_yaxis()
        axes.set_xlim(0, 100)
        axes.set_xlabel("% of the influence in the graph")
        axes.spines[["left"]].set_visible(False)
        axes.tick_params(left=False)
        figure.legend(loc="outside upper left", ncols=len(SHARE_COLOURS))

    return draw("cover", "Influence by kind of node", _FRAME + 0.3 + _BAR * len(shown), paint)


def draw_layers(features: Sequence[DistinctFeature]) -> Markup:
    """Draw how many features of each role, and of each tier, read from each layer."""
    layers = sorted({f.outcome.layer for f in features})
    roles = Counter((f.outcome.route.role, f.outcome.layer) for f in features)
    tiers = Counter((f.outcome.route.tier, f.outcome.layer) for f in features)

    def paint(figure: Untyped) -> None:
        above, below = figure.subplots(2, 1, sharex=True)
        of_roles = {(r, c): [roles[r, n] for n in layers] for r, c in ROLE_COLOURS.items()}
        of_tiers = {(str(t), c): [tiers[t, n] for n in layers] for t, c in TIER_COLOURS.items()}
        _stack(above, layers, of_roles)
        _stack(below, layers, of_tiers)
        above.set_title("Roles")
        below.set_title("Tiers")
        below.set_xlabel("layer")
        for axes in (above, below):
            axes.set_ylabel("features")
            axes.yaxis.get_major_locator().set_params(integer=True)
        below.xaxis.get_major_locator().set_params(integer=True)

    return draw("layers", "Features by layer and role, and by layer and tier", 3.9, paint)


def draw_depths(depths: Sequence[RoleDepth]) -> Markup:
    """Draw where the features of each role lie: quartiles, mean, and the mean of each graph."""

    def paint(figure: Untyped) -> None:
        axes = figure.subplots()
        for place, depth in enumerate(depths):
            colour = ROLE_COLOURS[depth.role]
            axes.barh(
                place, depth.high - depth.low, left=depth.low, height=0.5, color=colour, alpha=0.25
            )
            axes.vlines(depth.median, place - 0.25, place + 0.25, color=colour, linewidth=2)
            axes.plot([depth.mean], [place], "o", color=colour, markersize=7)
            if len(depth.by_graph) > 1:
                level = [place + 0.36] * len(depth.by_graph)
                axes.plot(depth.by_graph, level, "|", color=INK, markersize=6)
        axes.set_yticks(range(len(depths)), [f"{d.role}, n = {d.n:,}" for d in depths])
        axes.invert_yaxis()
        axes.set_xlim(-0.01, 1.01)
        axes.set_xlabel("depth: layer over the deepest one")
        axes.grid(axis="x")
        axes.spines[["left"]].set_visible(False)
        axes.tick_params(left=False)

    return draw("depths", "Depth of the features of each role", _FRAME + 0.42 * len(depths), paint)


def draw_scores(panels: Sequence[ScorePanel]) -> Markup:
    """Draw the distribution of scores by channel, by the role that was given."""
    rows = math.ceil(len(panels) / 2)

    def paint(figure: Untyped) -> None:
        grid = figure.subplots(rows, 2, squeeze=False).ravel()
        for axes, panel in zip(grid, panels, strict=False):
            _draw_panel(axes, panel)
        for axes in grid[len(panels) :]:
            axes.set_visible(False)
        handles = {
            label: handle
            for axes in grid[: len(panels)]
            for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
        }
        roles = [role for role in ROLE_COLOURS if role in handles]
        figure.legend(
            [handles[role] for role in roles], roles, loc="outside upper left", ncols=len(roles)
        )

    return draw("scores", "Scores by channel and role", 0.4 + _PANEL * rows, paint)


def _draw_panel(axes: Untyped, panel: ScorePanel) -> None:
    roles = [role for role in ROLE_COLOURS if panel.values.get(role)]
    values = [np.array(panel.values[role], dtype=np.float64) for role in roles]
    everything = np.concatenate(values)
    low, high = float(everything.min()), float(everything.max())
    if panel.is_log:
        axes.set_xscale("log")
        axes.set_xticks(_CHANCES, [f"{chance:g}" for chance in _CHANCES])
        edges = np.geomspace(LEAST_CHANCE, 1.0, _BINS + 1)
    else:
        edges = np.linspace(low, high if high > low else low + 1, _BINS + 1)
    axes.hist(values, edges, stacked=True, color=[ROLE_COLOURS[r] for r in roles], label=roles)
    axes.set_title(_name(panel.title))
    axes.set_xlabel(panel.scale)
    axes.set_ylabel("features")
    axes.yaxis.get_major_locator().set_params(integer=True)
    if panel.threshold is not None:
        says = "at most" if panel.is_log else "threshold"
        axes.axvline(panel.threshold, color=INK, linestyle="--", linewidth=1)
        axes.annotate(
            f"{says} {panel.threshold:g}",
            (panel.threshold, 1),
            xycoords=("data", "axes fraction"),
            xytext=(3, -9),
            textcoords="offset points",
            fontsize=8,
        )


def _stack(
    axes: Untyped, layers: Sequence[int], series: Mapping[tuple[str, str], Sequence[int]]
) -> None:
    reached = np.zeros(len(layers))
    for (name, colour), counts in series.items():
        if any(counts):
            axes.bar(layers, counts, bottom=reached, color=colour, label=name)
            reached += np.array(counts)
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), reverse=True)


def _name(text: str) -> str:
    visible = spell_out(text)
    return visible if len(visible) <= _NAME_CHARS else f"{visible[: _NAME_CHARS - 1]}…"
