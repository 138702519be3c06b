"""The prompt of a graph with the tokens on which a feature fires, as heat."""

from collections.abc import Iterable, Sequence

from markupsafe import Markup

from clerp.report.html.escapes import mark_up
from clerp.report.html.heat import find_level
from clerp.review.snapshot import NodeView

_CONTEXT = 20
"""Tokens of a long prompt that are shown on each side of one on which the feature fires."""
_GAP = Markup('<span class="gap" title="{} tokens left out">…</span>')
_POSITION = Markup('<mark class="fires h{}" title="{}">{}</mark>')


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
