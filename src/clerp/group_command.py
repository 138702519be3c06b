"""`clerp group`: supernodes for a labelled graph."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from clerp.config import resolve_settings
from clerp.terminal import show, tell, write_json

if TYPE_CHECKING:
    from clerp.grouped import GroupedGraph


def group(
    graph: Annotated[
        Path, typer.Argument(help="Labelled graph, by clerp or by people: JSON, .gz, .zst; .pt.")
    ],
    out: Annotated[
        str | None,
        typer.Option(
            help="File to write to, or a folder: one that is there or ends in /. "
            "Default: GRAPH.grouped.json beside the graph."
        ),
    ] = None,
    grouper: Annotated[
        str | None, typer.Option(help="Grouper, NAME or NAME:ARGUMENT: semantic.")
    ] = None,
    target: Annotated[
        str | None,
        typer.Option(
            help="circuit-tracer, neuronpedia[:MODEL] or table: what the output is opened with. "
            "Default: only supernodes and pins change."
        ),
    ] = None,
    max_graph_bytes: Annotated[
        int | None, typer.Option(help="Largest graph, in bytes of JSON: 1073741824.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Show the grouping as one JSON object.")
    ] = False,
) -> None:
    """Propose supernodes, and write the graph with them and their members pinned.

    Supernodes and pins that people made are kept. Without labels, run clerp label first.
    """
    from clerp.destinations import check_destinations, choose_destinations, make_folder
    from clerp.graph import read_graph
    from clerp.grouped import DEFAULT_GROUPER, group_graph
    from clerp.grouped.table import render_groups
    from clerp.plugins import find

    settings = resolve_settings({"max_graph_bytes": max_graph_bytes}).settings
    into_folder = out is not None and out.endswith("/")
    place = None if out is None else Path(out)
    (destination,) = choose_destinations(
        [graph], place, into_folder=into_folder, target=target, ending="grouped"
    )
    check_destinations([destination], place, target)
    chosen = find("groupers", grouper or DEFAULT_GROUPER)
    grouped = group_graph(read_graph(graph, max_bytes=settings.max_graph_bytes), chosen)
    if into_folder and place is not None:
        make_folder(place)
    grouped.write(destination, target)
    if as_json:
        write_json([_describe(grouped, destination)])
    else:
        show(render_groups(grouped))
    for note in (*_list_notes(grouped, destination, target), f"Written: {destination}"):
        tell(note)


def _describe(grouped: "GroupedGraph", destination: Path) -> dict[str, Any]:
    return {
        "graph": grouped.graph.name,
        **grouped.record,
        "pins": list(grouped.grouping.pins),
        "address": _write_address(grouped, destination),
    }


def _list_notes(grouped: "GroupedGraph", destination: Path, target: str | None) -> tuple[str, ...]:
    from clerp.targets import find_target

    if target is None:
        return (*grouped.notes, f"To see it: clerp open {shlex.quote(str(destination))}")
    notes = find_target(target).list_notes(grouped.graph, grouped.document, destination)
    return (*grouped.notes, *notes)


def _write_address(grouped: "GroupedGraph", destination: Path) -> str | None:
    # The frontend asks for `<slug>.json`, whatever the graph calls itself, and unpacks nothing.
    if destination.suffix != ".json":
        return None
    return grouped.address(slug=destination.stem)
