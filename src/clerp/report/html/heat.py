"""Activations as heat over tokens, in classes, because no page of clerp allows inline style."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from markupsafe import Markup

from clerp.report.html.escapes import mark_up

N_LEVELS = 12
"""Classes `h0` (does not fire) to `h11`."""
_PEAK = Markup('<mark class="h{}" title="{:.3g}">{}</mark>')


@runtime_checkable
class Example(Protocol):
    """An activation example: tokens with activations, both of one length."""

    @property
    def id(self) -> str: ...  # noqa: D102 - the class says it
    @property
    def tokens(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def activations(self) -> tuple[float, ...]: ...  # noqa: D102
    @property
    def peak(self) -> int: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class HeatRow:
    """An activation example, cut where its peak begins so that rows align there."""

    id: str
    activation: float
    before: Markup
    after: Markup
    """Peak token first."""


def find_level(share: float) -> int:
    """Return the class of an activation from its share of the strongest one.

    Whatever is above zero is seen: level 0 is kept for tokens on which the feature does not fire.
    """
    if not share > 0:
        return 0
    return min(N_LEVELS - 1, max(1, math.ceil((N_LEVELS - 1) * min(share, 1.0))))


def find_strongest(examples: Iterable[Example], act_max: float) -> float:
    """Return the activation of the deepest colour, the same for all examples of a feature."""
    return max((max(e.activations, default=0.0) for e in examples), default=0.0) or act_max


def draw_row(example: Example, strongest: float) -> HeatRow:
    """Draw an example.

    Args:
        example: What is drawn.
        strongest: Activation of the deepest colour.
    """
    peak = example.peak
    activation = example.activations[peak]
    token = _PEAK.format(_level(activation, strongest), activation, mark_up(example.tokens[peak]))
    return HeatRow(
        id=example.id,
        activation=activation,
        before=_draw_tokens(example.tokens[:peak], example.activations[:peak], strongest),
        after=token
        + _draw_tokens(example.tokens[peak + 1 :], example.activations[peak + 1 :], strongest),
    )


def _level(activation: float, strongest: float) -> int:
    return find_level(activation / strongest) if strongest > 0 else 0


def _draw_tokens(tokens: Sequence[str], activations: Sequence[float], strongest: float) -> Markup:
    # Not by Markup.format, which takes most of a page's time: nothing here is left to escape.
    pieces = [
        f'<span class="h{_level(activation, strongest)}" title="{activation:.3g}">'
        f"{mark_up(token)}</span>"
        if activation > 0
        else mark_up(token)
        for token, activation in zip(tokens, activations, strict=True)
    ]
    return Markup("".join(pieces))
