"""What the template of a report shows."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from clerp.feature import FeatureId
from clerp.llm.costs import CostRow, tabulate_costs
from clerp.outcome import Status, list_charges
from clerp.report.html.cards import GraphCard, SettingRow, join_settings, list_notes, make_card
from clerp.report.html.circuit_figure import draw_circuit
from clerp.report.html.comparison import Comparison, compare_runs
from clerp.report.html.counts import CountRow, ReasonRow, count_tiers, list_reasons
from clerp.report.html.distinct import list_distinct
from clerp.report.html.figures import draw_depths, draw_layers
from clerp.report.html.influence import CoverRow, draw_covers, make_cover
from clerp.report.html.layer_order import LayerOrder, measure_layer_order
from clerp.report.html.proposed import ProposedGroups, find_proposed
from clerp.report.html.recorded import RecordedGraph
from clerp.report.html.scores import describe_threshold, draw_all_scores
from clerp.report.html.supernodes import Circuit, condense
from clerp.report.html.table import TableRow, list_table_rows
from clerp.report.summary import STATUSES, summarize
from clerp.router import Role

ROLES: tuple[Role, ...] = ("input", "output", "cross", "obscure", "artefact")


@dataclass(frozen=True, slots=True)
class CircuitView:
    """A graph with supernodes."""

    graph: str
    circuit: Circuit
    n_drawn: int
    """Of its supernodes."""
    figure: Markup
    proposed: ProposedGroups | None
    """None where `clerp group` did not group it."""


@dataclass(frozen=True, slots=True)
class ReportPage:
    """All that a report shows."""

    title: str
    cards: tuple[GraphCard, ...]
    settings: tuple[SettingRow, ...]
    notes: tuple[str, ...]
    comparison: Comparison | None
    covers: tuple[CoverRow, ...]
    cover_figure: Markup
    statuses: tuple[Status, ...]
    counts: tuple[CountRow, ...]
    by_role: tuple[tuple[Role, int], ...]
    n_distinct: int
    n_shared: int
    """Features that occur in more than one graph."""
    layers_figure: Markup
    depths_figure: Markup
    order: LayerOrder
    scores_figure: Markup
    threshold: str
    costs: tuple[CostRow, ...]
    reasons: tuple[ReasonRow, ...]
    circuits: tuple[CircuitView, ...]
    without_supernodes: tuple[str, ...]
    rows: tuple[TableRow, ...]
    has_examples: bool


def build_page(recorded: Sequence[RecordedGraph], before: RecordedGraph | None) -> ReportPage:
    """Prepare a report.

    Args:
        recorded: Labelled graphs, one at least.
        before: Another run over the only graph, to compare with.

    Raises:
        ClerpError: A graph's supernodes cannot be read, or the runs have nothing in common.
    """
    features = list_distinct(recorded)
    outcomes = [feature.outcome for feature in features]
    summaries = [summarize(one.graph, one.outcomes) for one in recorded]
    rules = {str(one.run.configuration.get("rule", "")) for one in recorded}
    order = measure_layer_order(features, len(recorded), frozenset(rules))
    circuits = [_condense(one) for one in recorded]
    rows = list_table_rows(features, [one.graph.name for one in recorded])
    return ReportPage(
        title=_title(recorded),
        cards=tuple(map(make_card, recorded)),
        settings=tuple(join_settings(recorded)),
        notes=tuple(list_notes(recorded, features)),
        comparison=compare_runs(before, recorded[0]) if before else None,
        covers=tuple(map(make_cover, recorded, summaries)),
        cover_figure=draw_covers(recorded, summaries),
        statuses=STATUSES,
        counts=tuple(count_tiers(features)),
        by_role=tuple((role, sum(o.route.role == role for o in outcomes)) for role in ROLES),
        n_distinct=len(features),
        n_shared=sum(len(feature.graphs) > 1 for feature in features),
        layers_figure=draw_layers(features),
        depths_figure=draw_depths(order.depths) if order.depths else Markup(""),
        order=order,
        scores_figure=draw_all_scores(outcomes, recorded),
        threshold=describe_threshold(recorded),
        costs=tabulate_costs(list_charges(outcomes)),
        reasons=tuple(list_reasons(features)),
        circuits=tuple(_draw_circuits(recorded, circuits)),
        without_supernodes=tuple(
            one.graph.name
            for one, circuit in zip(recorded, circuits, strict=True)
            if circuit is None
        ),
        rows=rows,
        has_examples=any(row.examples for row in rows),
    )


def _title(recorded: Sequence[RecordedGraph]) -> str:
    return recorded[0].graph.name if len(recorded) == 1 else f"{len(recorded)} graphs"


def _condense(one: RecordedGraph) -> Circuit | None:
    roles: dict[FeatureId, Role] = {o.feature: o.route.role for o in one.outcomes}
    return condense(one.graph, roles)


def _draw_circuits(
    recorded: Sequence[RecordedGraph], circuits: Sequence[Circuit | None]
) -> Iterator[CircuitView]:
    for number, (one, circuit) in enumerate(zip(recorded, circuits, strict=True)):
        if circuit is not None:
            n_drawn = sum(box.kind == "group" for box in circuit.boxes)
            figure = draw_circuit(circuit, f"circuit{number}")
            proposed = find_proposed(one.graph, one.grouping) if one.grouping else None
            yield CircuitView(one.graph.name, circuit, n_drawn, figure, proposed)
