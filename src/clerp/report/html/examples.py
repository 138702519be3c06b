"""The activation examples by which a reader checks a label."""

from collections.abc import Iterator
from dataclasses import dataclass

from markupsafe import Markup

from clerp.evidence import ActivationExample, FeatureEvidence
from clerp.report.html.distinct import DistinctFeature
from clerp.report.html.heat import draw_row, find_strongest

N_SHOWN = 3
_BEFORE, _AFTER = 14, 12
"""Tokens shown around a peak."""
_TOKEN_CHARS = 60
_DECIMALS = 3


@dataclass(frozen=True, slots=True)
class ShownExample:
    """An activation example, cut to the tokens around its peak."""

    id: str
    tokens: tuple[str, ...]
    activations: tuple[float, ...]
    peak: int


@dataclass(frozen=True, slots=True)
class HeatLine:
    """An example as a page shows it."""

    id: str
    activation: str
    is_near: bool
    """It peaks as high as the feature does in the graph, and is not among the strongest."""
    before: Markup
    after: Markup
    """Peak token first."""


def draw_examples(feature: DistinctFeature) -> tuple[HeatLine, ...]:
    """Draw the strongest examples of a feature, and the one nearest to what it does in the graph.

    A feature of a graph usually fires far below its top examples, of which a reader should know.
    """
    if feature.evidence is None:
        return ()
    chosen = list(_choose(feature, feature.evidence))
    shown = [_cut(example) for example in chosen]
    strongest = find_strongest(shown, feature.evidence.act_max)
    top = {example.id for example in feature.evidence.top}
    lines: list[HeatLine] = []
    for example in shown:
        row = draw_row(example, strongest)
        is_near = example.id not in top
        lines.append(HeatLine(row.id, f"{row.activation:.3g}", is_near, row.before, row.after))
    return tuple(lines)


def _choose(feature: DistinctFeature, evidence: FeatureEvidence) -> Iterator[ActivationExample]:
    fires_at = [node.activation for node in feature.nodes if node.activation is not None]
    nearest = evidence.nearest(max(fires_at), 1) if fires_at else ()
    below = [example for example in nearest if example in evidence.lower]
    yield from evidence.top[: N_SHOWN - len(below)]
    yield from below


def _cut(example: ActivationExample) -> ShownExample:
    start = max(0, example.peak - _BEFORE)
    around = slice(start, example.peak + _AFTER + 1)
    return ShownExample(
        id=example.id,
        tokens=tuple(token[:_TOKEN_CHARS] for token in example.tokens[around]),
        activations=tuple(round(float(a), _DECIMALS) for a in example.activations[around]),
        peak=example.peak - start,
    )
