"""What an NLA said of a feature, for a terminal. Every text of it is plain text."""

from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from clerp.report.table import plain
from clerp.report.verbalized import EXPERIMENTAL, PREDICTED, Piece, TextView, VerbalizedView

_QUOTE_STYLE = "italic magenta"
_INDENT = (0, 0, 0, 2)
_MOST_CHARS = 2_000


def render_verbalized(
    view: VerbalizedView, *, with_all: bool = False, flag: str = "--json"
) -> RenderableType:
    """Show the texts first, then each signal with its control.

    Args:
        view: What there is to show.
        with_all: Also the further texts of the same places, and those of places where it is off.
        flag: Of the command, that shows these.
    """
    return Group(*_list_lines(view, with_all=with_all, flag=flag))


def _list_lines(view: VerbalizedView, *, with_all: bool, flag: str) -> Iterator[RenderableType]:
    yield Text(EXPERIMENTAL, style="yellow")
    yield plain(view.whose)
    if view.unavailable:
        yield plain(view.unavailable)
        return
    yield Text.assemble((view.status, "bold"), " ", plain(view.status_line))
    if view.proposal:
        shown = plain(f"Made of it by {view.method}, no label: ")
        yield shown.append_text(_render_pieces(view.proposal))
    for text in view.first:
        yield _render_text(text)
    if view.has_quotes:
        yield Text.assemble(("So", _QUOTE_STYLE), f": {PREDICTED}")
    if with_all:
        yield from (_render_text(text) for text in view.more)
        if view.where_off:
            yield Text("Where it is off:")
            yield from (_render_text(text) for text in view.where_off)
    elif hidden := len(view.more) + len(view.where_off):
        yield Text(f"{hidden} more texts: {flag}", style="dim")
    if view.kept_claims:
        yield Text("Said where it fires and not where it is off:")
        for claim in view.kept_claims:
            made_at = f" ({claim.made_at})" if claim.made_at else ""
            yield Padding(_render_pieces(claim.pieces).append(made_at, style="dim"), _INDENT)
    if view.signals:
        yield _render_signals(view)
    yield from (Text.assemble("Note: ", plain(note), style="yellow") for note in view.notes)


def _render_text(text: TextView) -> RenderableType:
    shown = Text.assemble(plain(text.where), ": ")
    if text.fault:
        return shown.append_text(plain(text.fault)).append(" (no text)")
    return shown.append_text(_render_pieces(text.pieces))


def _render_pieces(pieces: Sequence[Piece]) -> Text:
    shown, room = Text(), _MOST_CHARS
    for piece in pieces:
        cut = plain(piece.text[:room])
        cut.stylize(_QUOTE_STYLE if piece.is_quote else "")
        shown.append_text(cut)
        room -= len(piece.text[:room])
    return shown if room else shown.append("…")


def _render_signals(view: VerbalizedView) -> Table:
    table = Table("signal", "value", "control", box=None, pad_edge=False, header_style="bold")
    for signal in view.signals:
        table.add_row(signal.name, plain(signal.value), plain(signal.control))
    return table
