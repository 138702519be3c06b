"""What the templates show of features."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from markupsafe import Markup

from clerp.ledger.decision import Standing
from clerp.report.html.heat import HeatRow, draw_row, find_strongest
from clerp.review.item import OccurrenceView, ReviewItem, Sight
from clerp.review.snapshot import (
    ExampleView,
    FeatureSnapshot,
    NeighbourKind,
    NeighbourView,
    ProposalView,
)
from clerp.review.web.charts import Range, draw_histogram, draw_weight
from clerp.review.web.heat import describe_node, draw_prompt
from clerp.review.web.wording import say_decision, say_share, say_standing, say_verdict

_N_TOP = 20
_N_LOWER = 5
_N_PROMPTS = 2
_N_NEIGHBOURS = 6


@dataclass(frozen=True, slots=True)
class ExampleGroup:
    """Examples of one quantile."""

    title: str
    shown: tuple[HeatRow, ...]
    more: tuple[HeatRow, ...]
    """Behind an expander."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """The feature in the prompt of a graph."""

    graph: str
    tokens: Markup
    """Empty where the graph's tokens are not known."""
    fires: str


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A node that the feature has edges with."""

    kind: NeighbourKind
    name: str
    label: str
    """Of a feature, in use; the kind of others."""
    address: str
    """Of its page; empty where it has none."""
    weight: str
    bar: Markup


@dataclass(frozen=True, slots=True)
class Neighbourhood:
    """Neighbours in one graph."""

    graph: str
    upstream: tuple[Neighbour, ...]
    downstream: tuple[Neighbour, ...]


@dataclass(frozen=True, slots=True)
class ScoreRow:
    """A correlation score as text."""

    channel: str
    raw: str
    z: str
    p: str
    n: int


@dataclass(frozen=True, slots=True)
class Proposal:
    """What clerp proposes. There is none while a person judges blind."""

    view: ProposalView
    scores: tuple[ScoreRow, ...]
    explained_by: str
    """The model that gave the reason; empty where none did."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of the feature."""

    groups: tuple[ExampleGroup, ...]
    set_aside: str
    strongest: str
    promoted: tuple[str, ...]
    suppressed: tuple[str, ...]
    histogram: Markup
    range: str
    density: str


@dataclass(frozen=True, slots=True)
class Said:
    """What a person or a program says of the feature."""

    who: str
    what: str
    comments: tuple[str, ...] = ()
    at: str = ""


@dataclass(frozen=True, slots=True)
class Similar:
    """A named feature like this one."""

    feature: str
    label: str
    address: str


@dataclass(frozen=True, slots=True)
class ItemPage:
    """All that the page of a feature shows besides buttons."""

    item: str
    feature: str
    transcoders: str
    seen: int
    sight: Sight
    is_blind: bool
    share: str
    label: str
    """What stands in the box when it opens."""
    proposal: Proposal | None
    own: Said | None
    verdict: str
    prompts: tuple[Prompt, ...]
    other_prompts: tuple[Prompt, ...]
    evidence: Evidence | None
    neighbourhoods: tuple[Neighbourhood, ...]
    candidates: tuple[Said, ...]
    similar: tuple[Similar, ...]
    others: tuple[Said, ...]
    history: tuple[Said, ...]
    is_open_elsewhere: bool
    damage: str


def build_item_page(item: ReviewItem) -> ItemPage:
    """Prepare the page of a feature."""
    proposal = _find_proposal(item)
    prompts = tuple(_build_prompt(view) for view in item.occurrences)
    own_label = item.own.label if item.own else ""
    return ItemPage(
        item=item.item,
        feature=str(item.key.feature),
        transcoders=item.key.transcoders.name,
        seen=item.seen,
        sight=item.sight,
        is_blind=item.is_blind,
        share=say_share(item.share),
        label=own_label or (proposal.view.label if proposal else ""),
        proposal=proposal,
        own=_say(item.own) if item.own else None,
        verdict=_say_verdict(item),
        prompts=prompts[:_N_PROMPTS],
        other_prompts=prompts[_N_PROMPTS:],
        evidence=_build_evidence(item.snapshot, item.occurrences) if item.snapshot else None,
        neighbourhoods=tuple(_build_neighbourhood(view) for view in item.occurrences),
        candidates=tuple(_list_candidates(proposal)),
        similar=tuple(
            Similar(named.feature, named.label, address_item(named.item)) for named in item.similar
        ),
        others=tuple(_say(standing) for standing in item.others),
        history=tuple(_list_history(item)),
        is_open_elsewhere=item.is_open_elsewhere,
        damage=item.damage,
    )


def address_item(item: str) -> str:
    """Return the address of a feature's page."""
    return f"/item/{item}"


def _find_proposal(item: ReviewItem) -> Proposal | None:
    view = item.snapshot.proposal if item.snapshot else None
    if item.is_blind or view is None:
        return None
    return Proposal(view, tuple(_list_scores(view)), view.model if view.reason else "")


def _list_scores(proposal: ProposalView) -> Iterator[ScoreRow]:
    for channel, score in proposal.scores.items():
        z = "" if score.z is None else f"{score.z:.1f}"
        p = "" if score.p is None else f"{score.p:.2g}"
        yield ScoreRow(channel, f"{score.raw:.2f}", z, p, score.n)


def _list_candidates(proposal: Proposal | None) -> Iterator[Said]:
    for candidate in proposal.view.candidates if proposal else ():
        whose = " · ".join(part for part in (candidate.method, candidate.model) if part)
        yield Said(whose or "unknown", candidate.text)


def _list_history(item: ReviewItem) -> Iterator[Said]:
    for decision in item.history:
        comments = (decision.comment,) if decision.comment else ()
        at = f"{decision.made_at:%Y-%m-%d %H:%M} UTC"
        yield Said(decision.annotator, say_decision(decision), comments, at)


def _say_verdict(item: ReviewItem) -> str:
    if item.verdict is None or item.is_blind:
        return ""
    return say_verdict(item.verdict, item.disputed)


def _say(standing: Standing) -> Said:
    return Said(standing.annotator, say_standing(standing), standing.comments)


def _build_prompt(view: OccurrenceView) -> Prompt:
    nodes = view.occurrence.nodes
    return Prompt(
        graph=view.graph.name,
        tokens=draw_prompt(view.graph.prompt_tokens, nodes),
        fires="; ".join(describe_node(node) for node in nodes),
    )


def _build_evidence(snapshot: FeatureSnapshot, occurrences: Iterable[OccurrenceView]) -> Evidence:
    strongest = find_strongest(snapshot.examples, snapshot.act_max)
    covered = Range(snapshot.act_min, snapshot.act_max)
    nodes = [node for view in occurrences for node in view.occurrence.nodes]
    fires_at = [node.activation for node in nodes if node.activation is not None]
    return Evidence(
        groups=tuple(_group(snapshot.examples, strongest)),
        set_aside=", ".join(f"{n} {reason}" for reason, n in snapshot.set_aside),
        strongest=f"{strongest:.3g}",
        promoted=snapshot.promoted,
        suppressed=snapshot.suppressed,
        histogram=draw_histogram(snapshot.histogram, covered, fires_at),
        range=f"{snapshot.act_min:.3g} – {snapshot.act_max:.3g}",
        density=say_share(snapshot.density),
    )


def _group(examples: Iterable[ExampleView], strongest: float) -> Iterator[ExampleGroup]:
    for quantile, group in groupby(examples, key=lambda example: example.quantile):
        rows = tuple(draw_row(example, strongest) for example in group)
        n_shown = _N_LOWER if quantile else _N_TOP
        title = f"Lower quantile {quantile}" if quantile else "Top activations"
        yield ExampleGroup(title, rows[:n_shown], rows[n_shown:])


def _build_neighbourhood(view: OccurrenceView) -> Neighbourhood:
    shown = view.occurrence.upstream[:_N_NEIGHBOURS], view.occurrence.downstream[:_N_NEIGHBOURS]
    largest = max((abs(near.weight) for side in shown for near in side), default=0.0)
    upstream, downstream = (_build_side(side, view, largest) for side in shown)
    return Neighbourhood(view.graph.name, upstream, downstream)


def _build_side(
    neighbours: Sequence[NeighbourView], view: OccurrenceView, largest: float
) -> tuple[Neighbour, ...]:
    return tuple(_build_neighbour(near, view, largest) for near in neighbours)


def _build_neighbour(near: NeighbourView, view: OccurrenceView, largest: float) -> Neighbour:
    known = view.names.get(near.name) if near.kind == "feature" else None
    return Neighbour(
        kind=near.kind,
        name=near.name,
        label=known.label if known else "" if near.kind == "feature" else near.kind,
        address=address_item(known.item) if known else "",
        weight=f"{near.weight:+.2g}",
        bar=draw_weight(near.weight, largest),
    )
