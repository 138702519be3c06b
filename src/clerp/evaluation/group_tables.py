"""Groupers against people's supernodes, as tables for a terminal."""

from collections.abc import Iterator, Mapping, Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from clerp.evaluation.groups import Entrant, GraphGroups, GroupCount, GroupsReport
from clerp.evaluation.partitions import Agreement
from clerp.evaluation.tables import write_change, write_estimate
from clerp.report.listing import render_rows
from clerp.report.table import plain

AGREEMENT_NAMES: Mapping[Agreement, str] = {
    "adjusted_rand": "adjusted Rand",
    "v_measure": "V-measure",
    "pair_f1": "pair F1",
}


def render_groups(report: GroupsReport) -> RenderableType:
    """Show one table for each graph and, over several, their mean; figures with intervals."""
    parts = [part for graph in report.graphs for part in _render_graph(graph, report)]
    if len(report.graphs) > 1:
        title = f"Mean over {len(report.graphs)} graphs"
        parts += _render_table(title, report.mean, report.first, {})
    return Group(*parts, *(Text(line, style="dim") for line in _explain(report)))


def _render_graph(graph: GraphGroups, report: GroupsReport) -> Iterator[RenderableType]:
    groups = sum(size > 0 for _, size in graph.truth)
    title = (
        f"{graph.graph}: {graph.n_counted} of {graph.n_feature_nodes} feature nodes are in "
        f"{groups} supernodes of people's"
    )
    yield from _render_table(title, graph.entrants, report.first, graph.counts)


def _render_table(
    title: str, entrants: Sequence[Entrant], first: str, counts: Mapping[str, GroupCount]
) -> Iterator[RenderableType]:
    measures = tuple(AGREEMENT_NAMES.values())
    yield plain(title)
    yield render_rows(
        ("", "groups", "nodes", *measures, f"{first} ahead in Rand"),
        [_list_cells(entrant, counts.get(entrant.name), first) for entrant in entrants],
    )
    yield Text()


def _list_cells(entrant: Entrant, count: GroupCount | None, first: str) -> Sequence[str]:
    is_first = entrant.name == first
    return (
        f"({entrant.name})" if entrant.is_baseline else entrant.name,
        str(count.groups) if count else "",
        str(count.nodes) if count else "",
        *(write_estimate(entrant.figures[how]) for how in AGREEMENT_NAMES),
        "" if is_first else write_change(entrant.behind["adjusted_rand"]),
    )


def _explain(report: GroupsReport) -> Iterator[str]:
    yield (
        f"[ ] {report.level:.0%} of {report.resamples:,} resamples of the nodes of each graph "
        f"(bootstrap, seed {report.seed}), in pairs where entrants are compared"
    )
    yield "( ) baselines; groups: of two nodes or more that people grouped, and how many are in one"
    yield "Nodes that a grouper leaves out count as groups of their own"
    if shared := sum(graph.n_shared for graph in report.graphs):
        yield f"{shared} nodes that are in several supernodes of people's do not count"
    if proposed := sum(graph.n_proposed for graph in report.graphs):
        yield f"{proposed} supernodes that are mostly what clerp proposed there do not count"
    yield "V-measure rises with the number of groups: hold it against (singletons). It rises with"
    yield "nodes that were drawn twice, too, so its resamples are moved to have it as their median"
    yield "--json has the comparison in every measure, and the group of every node"
