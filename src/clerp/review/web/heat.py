"""Activations as heat over tokens, in classes, because the page allows no inline style."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from clerp.review.snapshot import ExampleView, NodeView
from clerp.review.web.escapes import mark_up

N_LEVELS = 12
"""Classes `h0` (does not fire) to `h11`."""
_CONTEXT = 20
"""Tokens of a long prompt that are shown on each side of one on which the feature fires."""
_GAP = Markup('<span class="gap" title="{} tokens left out">…</span>')
_PEAK = Markup('<mark class="h{}" title="{:.3g}">{}</mark>')
_POSITION = Markup('<mark class="fires h{}" title="{}">{}</mark>')


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


def find_strongest(examples: Iterable[ExampleView], act_max: float) -> float:
    """Return the activation of the deepest colour, the same for all examples of a feature."""
    return max((max(e.activations, default=0.0) for e in examples), default=0.0) or act_max


def draw_row(example: ExampleView, strongest: float) -> HeatRow:
    """Draw an example.

    Args:
        example: Tokens with activations, both of one length.
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


def draw_prompt(tokens: Sequence[str], nodes: Iterable[NodeView]) -> Markup:
    """Draw the tokens of a prompt, with those on which the feature fires.

    Far from these a long prompt is left out.
    """
    by_position = {node.position: node for node in nodes}
    shown = _find_shown(len(tokens), by_position)
    pieces: list[Markup] = []
    last = -1
    for position in shown:
        if position > last + 1:
            pieces.append(_GAP.format(position - last - 1))
        pieces.append(_draw_position(tokens[position], by_position.get(position)))
        last = position
    if last + 1 < len(tokens):
        pieces.append(_GAP.format(len(tokens) - last - 1))
    return Markup("").join(pieces)


def _level(activation: float, strongest: float) -> int:
    return find_level(activation / strongest) if strongest > 0 else 0


def _draw_tokens(tokens: Sequence[str], activations: Sequence[float], strongest: float) -> Markup:
    # Not by Markup.format, which takes most of the page's time: nothing here is left to escape.
    pieces = [
        f'<span class="h{_level(activation, strongest)}" title="{activation:.3g}">'
        f"{mark_up(token)}</span>"
        if activation > 0
        else mark_up(token)
        for token, activation in zip(tokens, activations, strict=True)
    ]
    return Markup("".join(pieces))


def _find_shown(n_tokens: int, positions: Iterable[int]) -> list[int]:
    if n_tokens <= 2 * _CONTEXT:
        return list(range(n_tokens))
    around = {
        place
        for position in positions
        for place in range(position - _CONTEXT, position + _CONTEXT + 1)
        if 0 <= place < n_tokens
    }
    return sorted(around) or list(range(2 * _CONTEXT))


def _draw_position(token: str, node: NodeView | None) -> Markup:
    if node is None:
        return mark_up(token)
    level = 1 if node.act_pct is None else max(1, find_level(node.act_pct / 100))
    return _POSITION.format(level, describe_node(node), mark_up(token))


def describe_node(node: NodeView) -> str:
    """Say where and how strongly a feature fires: `token 7, activation 3.2, 41 % of its range`."""
    parts = [f"token {node.position}"]
    if node.activation is not None:
        parts.append(f"activation {node.activation:.3g}")
    if node.act_pct is not None:
        parts.append(f"{node.act_pct:.0f} % of its range")
    if node.share is not None:
        parts.append(f"{100 * node.share:.2g} % of influence")
    return ", ".join(parts)
