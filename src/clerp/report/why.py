"""An explanation for a terminal. Everything that comes from a graph or a model is plain text."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from clerp.evidence import CandidateLabel
from clerp.outcome import LabeledFeature
from clerp.report.listing import render_rows
from clerp.report.rows import make_visible
from clerp.report.table import plain
from clerp.report.verbalized import view_verbalization
from clerp.report.verbalized_lines import render_verbalized
from clerp.router import Breadth
from clerp.word_counts import WordCount

if TYPE_CHECKING:
    from clerp.explanation import ChannelView, Explanation, NodeView

_INDENT = (0, 0, 0, 2)
# A feature may fire on every token of a long prompt.
_MAX_NODES = 3


def render_explanation(explanation: "Explanation") -> RenderableType:
    """Show the outcome first, then what it rests on, in the order in which it was decided."""
    return Group(*_list_parts(explanation))


def _list_parts(explanation: "Explanation") -> Iterable[RenderableType]:
    labeled = explanation.labeled
    yield _render_head(labeled)
    for note in explanation.notes:
        yield Text.assemble("Note: ", plain(note), style="yellow")
    yield from _section("In the graph", _render_nodes(explanation.nodes))
    for node in explanation.nodes[:_MAX_NODES]:
        yield from _section(_name_activation(node), *_render_nearest(node))
    if (hidden := len(explanation.nodes) - _MAX_NODES) > 0:
        yield Text(f"Examples nearest to {hidden} more nodes: --json", style="dim")
    yield from _section(
        "Route",
        *(plain(step) for step in explanation.steps),
        *_tell_chances(labeled),
        *_tell_breadth(labeled.route.breadth),
    )
    for channel in explanation.channels:
        yield from _section(_title(channel), _render_channel(channel))
    yield from _section("Words at the peak", *_render_words(explanation.peak_words))
    yield from _section("Words that follow", *_render_words(explanation.next_words))
    yield from _section("Promoted tokens", *_render_tokens(explanation.promoted))
    yield from _section("Suppressed tokens", *_render_tokens(explanation.suppressed))
    yield from _section("What others call it", *_render_candidates(labeled.candidates))
    yield from _section("What an NLA says", *_render_verbalization(labeled))
    yield from _section("Prompt", *_render_prompt(explanation))
    yield from _section(
        "On record", plain(f"source: {explanation.source}"), *_render_details(labeled)
    )


def _render_head(labeled: LabeledFeature) -> RenderableType:
    route = labeled.route
    name = labeled.label.text if labeled.label else f"({labeled.status.replace('_', ' ')})"
    confidence = labeled.label.confidence if labeled.label else route.confidence
    head = Text(f"{labeled.feature}  ", style="bold").append_text(plain(name))
    head.append(f"  {route.role}, tier {route.tier}, confidence {confidence}", style="not bold")
    because = f"{labeled.reason}{f' ({labeled.method})' if labeled.method else ''}"
    hint = [plain(f"Hint: {labeled.hint}")] if labeled.hint else []
    return Group(head, plain(because), *hint)


def _section(title: str, *lines: RenderableType) -> Iterable[RenderableType]:
    if lines:
        yield Text()
        yield Text(title, style="bold")
        yield from (Padding(line, _INDENT) for line in lines)


def _render_nodes(nodes: "Iterable[NodeView]") -> Table:
    return render_rows(
        ("node", "position", "token", "activation", "place in its range", "share"),
        (
            (
                node.node_id,
                str(node.position),
                repr(node.token),
                _number(node.activation, "{:.3g}"),
                _number(node.act_pct, "{:.0f} %"),
                _number(node.share, "{:.2%}"),
            )
            for node in nodes
        ),
    )


def _name_activation(node: "NodeView") -> str:
    return f"Examples nearest to the activation of {make_visible(node.node_id)}"


def _render_nearest(node: "NodeView") -> Iterable[RenderableType]:
    if not node.nearest:
        return []
    rows = (
        (e.example, _number(e.activation, "{:.3g}"), f"{e.before}<<{e.peak}>>{e.after}")
        for e in node.nearest
    )
    return [render_rows(("example", "activation", "text"), rows)]


def _tell_chances(labeled: LabeledFeature) -> Iterable[Text]:
    route = labeled.route
    if route.p is not None:
        q = "" if labeled.q is None else f"; over the graph's features, q {labeled.q:.2g}"
        yield Text(f"a feature of nothing leads as far with a chance of {route.p:.2g}{q}")
    if route.p_direction is not None:
        yield Text(f"a random direction leads as far with a chance of {route.p_direction:.2g}")


def _tell_breadth(breadth: Breadth | None) -> Iterable[Text]:
    if breadth is not None:
        quantiles = ", ".join(
            f"quantile {name}: {held.held} of {held.of}"
            for name, held in breadth.by_quantile.items()
        )
        yield plain(
            f"{breadth.held} of {breadth.of} examples below the top show what decided: {quantiles}"
        )


def _title(channel: "ChannelView") -> str:
    start, stop = channel.window
    return f"Channel {channel.channel} [{start}, {stop}]"


def _render_channel(channel: "ChannelView") -> RenderableType:
    windows = render_rows(
        ("example", "similarity", "window"),
        (
            (window.example, _number(window.similarity, "{:.2f}"), repr(window.text))
            for window in channel.windows
        ),
    )
    return Group(Text(_tell_score(channel)), *_tell_null(channel), windows)


def _tell_score(channel: "ChannelView") -> str:
    score = channel.score
    if score is None:
        return channel.unscored or "no score: fewer than 5 windows have content"
    told = f"raw {score.raw:.3f}, weighted by activation {score.weighted:.3f}, {score.n} windows"
    z = "" if score.z is None else f", z {score.z:.1f}"
    p = "" if score.p is None else f", p {score.p:.4f}"
    return f"{told}{z}{p}"


def _tell_null(channel: "ChannelView") -> Iterable[Text]:
    if channel.null is not None:
        null = channel.null
        yield Text(
            f"windows drawn at random: mean {null.mean:.3f}, spread {null.spread:.3f}, 95 % below "
            f"{null.quantile_95:.3f}, 99 % below {null.quantile_99:.3f} ({null.draws} draws)"
        )


def _render_words(words: Iterable[WordCount]) -> Iterable[Text]:
    return [
        plain(
            f"{word.share:4.0%}  {word.word!r} in {len(word.examples)}: {', '.join(word.examples)}"
        )
        for word in words
    ]


def _render_tokens(tokens: Iterable[str]) -> list[Text]:
    listed = ", ".join(repr(token) for token in tokens)
    return [plain(listed)] if listed else []


def _render_candidates(candidates: Sequence[CandidateLabel]) -> Iterable[RenderableType]:
    if not candidates:
        return []
    rows = (
        (c.text, c.method, c.model, ", ".join(f"{name} {score:.2f}" for name, score in c.scores))
        for c in candidates
    )
    return [render_rows(("label", "method", "model", "scores"), rows)]


def _render_verbalization(labeled: LabeledFeature) -> Iterable[RenderableType]:
    if labeled.verbalization is not None:
        yield render_verbalized(view_verbalization(labeled.verbalization))


def _render_prompt(explanation: "Explanation") -> Iterable[Text]:
    if explanation.prompt_note:
        yield Text(f"Note: {explanation.prompt_note}", style="yellow")
    yield from (plain(line) for line in explanation.prompt.splitlines())


def _render_details(labeled: LabeledFeature) -> Iterable[Text]:
    evidence = labeled.label.evidence if labeled.label else ()
    known = {
        "evidence": ", ".join(evidence),
        "evidence digest": labeled.evidence_digest,
        **{name.replace("_", " "): str(value) for name, value in labeled.details.items()},
    }
    return [plain(f"{name}: {value}") for name, value in known.items() if value]


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else form.format(value)
