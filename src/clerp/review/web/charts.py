"""Small drawings as inline SVG: numbers in, presentation attributes only."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

_WIDTH, _HEIGHT = 240, 56
_RUG = 6
_BAR_WIDTH, _BAR_HEIGHT = 48, 8
_SVG = Markup(
    '<svg class="{}" viewBox="0 0 {} {}" role="img" aria-label="{}" preserveAspectRatio="none">'
    "{}</svg>"
)
_RECT = '<rect class="{}" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"/>'
"""Plain, for Markup.format takes most of a page's time: classes and numbers need no escape."""


@dataclass(frozen=True, slots=True)
class Range:
    """Ends of the activations that a histogram covers."""

    low: float
    high: float

    def place(self, value: float) -> float:
        """Say where a value lies, 0 to 1; ends clip."""
        extent = self.high - self.low
        return min(max((value - self.low) / extent, 0.0), 1.0) if extent > 0 else 1.0


def draw_histogram(counts: Sequence[float], covered: Range, fires_at: Iterable[float]) -> Markup:
    """Draw counts on a log scale, and below them where the feature fires in the graphs.

    Args:
        counts: Of bins of equal width; empty gives no drawing.
        covered: Ends of the first and the last bin.
        fires_at: Activations in the graphs.
    """
    tallest = math.log1p(max(counts, default=0.0))
    if tallest <= 0:
        return Markup("")
    width = _WIDTH / len(counts)
    heights = [(_HEIGHT - _RUG - 2) * math.log1p(max(c, 0.0)) / tallest for c in counts]
    bars = [
        _RECT.format("bar", i * width, _HEIGHT - _RUG - 2 - height, max(width - 1, 0.5), height)
        for i, height in enumerate(heights)
        if height > 0
    ]
    places = [covered.place(activation) * (_WIDTH - 2) for activation in fires_at]
    rug = [_RECT.format("rug", x, _HEIGHT - _RUG, 2, _RUG) for x in places]
    says = (
        f"Histogram of {len(counts)} bins from {covered.low:.3g} to {covered.high:.3g}, "
        f"log scale; {len(rug)} activations in graphs marked"
    )
    return _SVG.format("histogram", _WIDTH, _HEIGHT, says, Markup("".join([*bars, *rug])))


def draw_weight(weight: float, largest: float) -> Markup:
    """Draw the weight of an edge as a bar from the middle, to the left where it is negative."""
    middle = _BAR_WIDTH / 2
    length = middle * min(abs(weight) / largest, 1.0) if largest > 0 else 0.0
    kind, start = ("minus", middle - length) if weight < 0 else ("plus", middle)
    bar = Markup(_RECT.format(kind, start, 0, max(length, 0.5), _BAR_HEIGHT))
    return _SVG.format("weight", _BAR_WIDTH, _BAR_HEIGHT, f"weight {weight:.3g}", bar)
