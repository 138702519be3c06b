"""The tiers of a graph's features by layer, as a small picture for notebooks.

Written by hand: matplotlib would take longer to import than a table takes to show. Text takes the
notebook's own colour, and the bars are told from each other and from light and dark pages.
"""

import html
from collections import Counter
from collections.abc import Iterator, Sequence

from clerp.outcome import LabeledFeature
from clerp.report.summary import TIERS

_ARTEFACT = "artefact"
# Okabe and Ito's palette, which the colour-blind can tell apart.
_COLOURS = {
    **dict(zip((f"tier {tier}" for tier in TIERS), ("#0072b2", "#e69f00", "#cc79a7"), strict=True)),
    _ARTEFACT: "#999999",
}
_LEFT, _TOP, _HEIGHT, _BOTTOM = 44, 26, 120, 34
_MIN_STEP, _MAX_STEP, _WIDTH = 4, 28, 640
_LABELS = 16
"""Layers that are written out, at most."""


def draw_tiers(features: Sequence[LabeledFeature]) -> str:
    """Draw how many features of each tier read from each layer; empty without features."""
    if not features:
        return ""
    counts = Counter((_name_part(feature), feature.layer) for feature in features)
    last = max(feature.layer for feature in features)
    tallest = max(_count_layer(counts, layer) for layer in range(last + 1))
    step = max(_MIN_STEP, min(_MAX_STEP, _WIDTH // (last + 1)))
    right, bottom = _LEFT + step * (last + 1), _TOP + _HEIGHT
    parts = [
        *_write_legend(counts),
        *_stack_bars(counts, last, tallest, step),
        _write(_LEFT - 6, _TOP + 4, str(tallest), "end"),
        _write(_LEFT - 6, bottom, "0", "end"),
        f'<line x1="{_LEFT}" x2="{right}" y1="{bottom}" y2="{bottom}" stroke="currentColor"/>',
        *_write_layers(last, step),
        _write((_LEFT + right) / 2, bottom + 30, "layer", "middle"),
    ]
    size = f'width="{max(right, 380)}" height="{bottom + _BOTTOM}"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" font-size="12" '
        f'font-family="sans-serif" fill="currentColor">'
        f"<title>Features by layer and tier</title>{''.join(parts)}</svg>"
    )


def _name_part(feature: LabeledFeature) -> str:
    return _ARTEFACT if feature.route.role == _ARTEFACT else f"tier {feature.route.tier}"


def _count_layer(counts: Counter[tuple[str, int]], layer: int) -> int:
    return sum(counts[part, layer] for part in _COLOURS)


def _stack_bars(
    counts: Counter[tuple[str, int]], last: int, tallest: int, step: int
) -> Iterator[str]:
    for layer in range(last + 1):
        reached = 0
        for part, colour in _COLOURS.items():
            n = counts[part, layer]
            if not n:
                continue
            reached += n
            y = _TOP + _HEIGHT * (1 - reached / tallest)
            yield (
                f'<rect x="{_LEFT + step * layer + 1}" y="{y:.1f}" width="{step - 2}" '
                f'height="{_HEIGHT * n / tallest:.1f}" fill="{colour}">'
                f"<title>layer {layer}: {n} {part}</title></rect>"
            )


def _write_legend(counts: Counter[tuple[str, int]]) -> Iterator[str]:
    x = _LEFT
    totals = {part: sum(n for (p, _), n in counts.items() if p == part) for part in _COLOURS}
    for part, colour in _COLOURS.items():
        yield f'<rect x="{x}" y="2" width="10" height="10" fill="{colour}"/>'
        text = f"{part}: {totals[part]}"
        yield _write(x + 14, 11, text, "start")
        x += 30 + 7 * len(text)


def _write_layers(last: int, step: int) -> Iterator[str]:
    every = -(-(last + 1) // _LABELS)
    for layer in range(0, last + 1, every):
        yield _write(_LEFT + step * (layer + 0.5), _TOP + _HEIGHT + 15, str(layer), "middle")


def _write(x: int | float, y: int | float, text: str, anchor: str) -> str:
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}">{html.escape(text)}</text>'
