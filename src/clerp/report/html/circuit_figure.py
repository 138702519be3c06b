"""Supernodes as a layered picture: tokens below, logits above, what acts on what between them."""

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from markupsafe import Markup

from clerp.report.html.drawing import (
    INK,
    MINUS,
    PAPER,
    PLUS,
    ROLE_COLOURS,
    WIDTH,
    Untyped,
    draw,
    load,
)
from clerp.report.html.escapes import spell_out
from clerp.report.html.supernodes import Arrow, Box, BoxKind, Circuit

_PER_ROW = 5
_BANDS = 8
"""Groups whose layers differ by less than one of so many parts stand in one row."""
_ROW, _MARGIN, _GAP = 0.95, 0.1, 0.16
_LINE_CHARS, _LINES = 20, 2
_CHAR_WIDTH, _PADDING = 0.074, 0.2
_LINE_HEIGHT = 0.155
_THIN, _THICK = 0.5, 3.2


class Place(NamedTuple):
    """Middle of a box, in inches from the lower left."""

    x: float
    y: float


@dataclass(frozen=True, slots=True)
class _Sign:
    """A box as it is drawn."""

    box: Box
    text: str

    @property
    def width(self) -> float:
        return _PADDING + _CHAR_WIDTH * max(map(len, self.text.split("\n")))

    @property
    def height(self) -> float:
        return 0.1 + _LINE_HEIGHT * (1 + self.text.count("\n"))


def draw_circuit(circuit: Circuit, name: str) -> Markup:
    """Draw a graph in which supernodes stand for their members.

    Args:
        circuit: What is drawn.
        name: Of the figure.
    """
    rows = _arrange(circuit.boxes)
    places = _place(rows)
    height = _ROW * len(rows)

    def paint(figure: Untyped) -> None:
        axes = figure.subplots()
        axes.set_xlim(0, WIDTH)
        axes.set_ylim(0, height)
        axes.axis("off")
        signs = {sign.box: sign for row in rows for sign in row}
        # Strong ones over weak ones.
        for arrow in reversed(circuit.arrows):
            _draw_arrow(axes, arrow, signs, places, circuit.arrows)
        for box, sign in signs.items():
            _draw_sign(axes, sign, places[box])

    return draw(name, "Supernodes and the links between them", height, paint)


def _arrange(boxes: Sequence[Box]) -> list[list[_Sign]]:
    """Put boxes into rows, from below; each row is in the order of the prompt."""
    tokens, logits = (
        _break([_sign(box) for box in _order(boxes, kind)]) for kind in ("token", "logit")
    )
    groups = [[_sign(box) for box in sorted(row, key=_tell_place)] for row in _band(boxes)]
    return [*reversed(tokens), *groups, *reversed(logits)]


def _band(boxes: Sequence[Box]) -> list[list[Box]]:
    """Put groups of about one layer into one row."""
    groups = sorted((b for b in boxes if b.kind == "group"), key=lambda b: (b.layer, b.number))
    span = (groups[-1].layer - groups[0].layer) / _BANDS
    rows: list[list[Box]] = []
    for box in groups:
        if rows and len(rows[-1]) < _PER_ROW and box.layer - rows[-1][0].layer <= span:
            rows[-1].append(box)
        else:
            rows.append([box])
    return rows


def _order(boxes: Sequence[Box], kind: BoxKind) -> list[Box]:
    return sorted((box for box in boxes if box.kind == kind), key=_tell_place)


def _tell_place(box: Box) -> tuple[float, int]:
    return (box.position, box.number)


def _sign(box: Box) -> _Sign:
    return _Sign(box, _write(box))


def _break(signs: Sequence[_Sign]) -> list[list[_Sign]]:
    """Break a row that is wider than the figure into several, as text is broken into lines."""
    rows: list[list[_Sign]] = []
    left = 0.0
    for sign in signs:
        left -= sign.width + _GAP
        if not rows or left < 0:
            rows.append([])
            left = WIDTH - 2 * _MARGIN - sign.width
        rows[-1].append(sign)
    return rows


def _place(rows: Sequence[Sequence[_Sign]]) -> dict[Box, Place]:
    last = max(1.0, *(sign.box.position for row in rows for sign in row))
    places: dict[Box, Place] = {}
    for number, row in enumerate(rows):
        for sign, x in zip(row, _spread(row, last), strict=True):
            places[sign.box] = Place(x, _ROW * (number + 0.5))
    return places


def _spread(row: Sequence[_Sign], last: float) -> list[float]:
    """Place a row near its positions in the prompt, without overlap as far as there is room."""
    middles = [
        max(_MARGIN + s.width / 2, min(WIDTH * (0.08 + 0.84 * s.box.position / last), WIDTH))
        for s in row
    ]
    for i in range(1, len(row)):
        middles[i] = max(middles[i], middles[i - 1] + _reach(row[i - 1], row[i]))
    end = WIDTH - _MARGIN
    for i in reversed(range(len(row))):
        middles[i] = min(middles[i], end - row[i].width / 2)
        end = middles[i] - row[i].width / 2 - _GAP
    return middles


def _reach(left: _Sign, right: _Sign) -> float:
    return (left.width + right.width) / 2 + _GAP


def _write(box: Box) -> str:
    lines = list(_wrap(spell_out(box.name).strip() or spell_out(box.name).replace(" ", "␣")))
    if box.kind == "group":
        nodes = "1 node" if box.n_nodes == 1 else f"{box.n_nodes} nodes"
        lines.append(f"{nodes}, layer {box.layer:.0f}")
    return "\n".join(lines)


def _wrap(text: str) -> Iterator[str]:
    lines = textwrap.wrap(text, _LINE_CHARS) or [""]
    yield from lines[: _LINES - 1] if len(lines) > _LINES else lines
    if len(lines) > _LINES:
        yield f"{lines[_LINES - 1][: _LINE_CHARS - 1]}…"


def _draw_sign(axes: Untyped, sign: _Sign, place: Place) -> None:
    is_group = sign.box.kind == "group"
    edge = ROLE_COLOURS.get(sign.box.role, INK) if is_group else "none"
    patch = load("matplotlib.patches").FancyBboxPatch(
        (place.x - sign.width / 2, place.y - sign.height / 2),
        sign.width,
        sign.height,
        boxstyle="round,pad=0,rounding_size=0.06",
        facecolor=PAPER,
        edgecolor=edge,
        linewidth=1.4,
        zorder=3,
    )
    axes.add_patch(patch)
    axes.text(
        place.x,
        place.y,
        sign.text,
        ha="center",
        va="center",
        fontsize=8,
        linespacing=1.25,
        zorder=4,
    )


def _draw_arrow(
    axes: Untyped,
    arrow: Arrow,
    signs: Mapping[Box, _Sign],
    places: Mapping[Box, Place],
    arrows: Sequence[Arrow],
) -> None:
    strength = abs(arrow.weight) / abs(arrows[0].weight)
    start, end = _find_ends(signs[arrow.source], signs[arrow.target], places)
    axes.add_patch(
        load("matplotlib.patches").FancyArrowPatch(
            start,
            end,
            arrowstyle="-|>",
            mutation_scale=7 + 4 * strength,
            linewidth=_THIN + (_THICK - _THIN) * strength,
            color=MINUS if arrow.weight < 0 else PLUS,
            linestyle="--" if arrow.weight < 0 else "-",
            alpha=0.35 + 0.55 * strength,
            shrinkA=1,
            shrinkB=1,
            zorder=2,
        )
    )


def _find_ends(source: _Sign, target: _Sign, places: Mapping[Box, Place]) -> tuple[Place, Place]:
    """Let an arrow leave and reach boxes at their sides that face each other."""
    start, end = places[source.box], places[target.box]
    if start.y == end.y:
        side = 1 if start.x < end.x else -1
        return (
            Place(start.x + side * source.width / 2, start.y),
            Place(end.x - side * target.width / 2, end.y),
        )
    side = 1 if start.y < end.y else -1
    return (
        Place(start.x, start.y + side * source.height / 2),
        Place(end.x, end.y - side * target.height / 2),
    )
