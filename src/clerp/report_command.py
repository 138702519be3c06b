"""`clerp report`: labelled graphs as one HTML file."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clerp.config import GivenSettings, Settings, resolve_settings
from clerp.errors import MissingEvidenceError, UsageError
from clerp.terminal import progress_bar, tell

if TYPE_CHECKING:
    from clerp.evidence import FeatureEvidence
    from clerp.feature import FeatureId
    from clerp.origins import Origin
    from clerp.progress import ReportProgress
    from clerp.report.html.recorded import RecordedGraph


def report(
    graphs: Annotated[
        list[Path], typer.Argument(help="Labelled graphs, as clerp label wrote them.")
    ],
    out: Annotated[Path, typer.Option(help="HTML file to write to.")],
    features: Annotated[
        str | None,
        typer.Option(
            help="Activation examples: folder, file or NAME:ARGUMENT of a source. "
            "Default: the folder features/ beside the graph, if there is one."
        ),
    ] = None,
    compare: Annotated[
        Path | None,
        typer.Option(help="Another run over the same graph: the report says what changed since."),
    ] = None,
    max_graph_bytes: Annotated[
        int | None, typer.Option(help="Largest graph, in bytes of JSON: 1073741824.")
    ] = None,
    offline: Annotated[
        bool | None,
        typer.Option("--offline", help="Ask no server: only what is on disk or in the cache."),
    ] = None,
) -> None:
    """Write a report on labelled graphs: one HTML file that needs nothing else."""
    from clerp.graph import check_destination
    from clerp.report.html.writing import check_name, write_report

    check_name(out)
    _check_request(graphs, compare)
    given: GivenSettings = {
        "features": features,
        "max_graph_bytes": max_graph_bytes,
        "offline": offline,
    }
    settings = resolve_settings(given).settings
    check_destination(out)
    with progress_bar() as progress:
        recorded = read_labelled(graphs, settings, progress)
        before = _read_recorded(compare, settings) if compare else None
    write_report(recorded, out, before=before)
    tell(f"Written: {out}")


def _check_request(graphs: Sequence[Path], compare: Path | None) -> None:
    if compare is not None and len(graphs) > 1:
        raise UsageError(
            f"--compare takes one graph, and {len(graphs)} are given",
            remedy="Run it once for each: clerp report GRAPH --compare OTHER --out FILE",
        )


def read_labelled(
    graphs: Sequence[Path], settings: Settings, progress: "ReportProgress"
) -> "list[RecordedGraph]":
    """Read labelled graphs, with activation examples where they are at hand.

    Examples come from `settings.features`, else from the folder `features/` beside a graph; where
    neither is, there are none. Graphs that share a place share what is read there.

    Raises:
        UsageError: clerp did not label one of them.
        GraphError: One cannot be read.
        EvidenceError: What was asked for cannot be read, or has none of the features.
    """
    from clerp.progress import Progress

    recorded: list[RecordedGraph] = []
    progress(Progress("read", 0, len(graphs)))
    for number, path in enumerate(graphs, start=1):
        recorded.append(_read_recorded(path, settings))
        progress(Progress("read", number, len(graphs)))
    places: dict[tuple[Origin, ...], list[int]] = {}
    for number, path in enumerate(graphs):
        places.setdefault(_choose_origins(path, recorded[number], settings), []).append(number)
    for origins, numbers in places.items():
        shared = [recorded[number] for number in numbers]
        known = _read_known(origins, shared, graphs[numbers[0]], settings, progress)
        for number in numbers:
            recorded[number] = replace(recorded[number], known=known)
    return recorded


def _read_recorded(path: Path, settings: Settings) -> "RecordedGraph":
    from clerp.graph import read_graph
    from clerp.report.html.recorded import read_recorded

    return read_recorded(read_graph(path, max_bytes=settings.max_graph_bytes))


def _choose_origins(path: Path, one: "RecordedGraph", settings: Settings) -> "tuple[Origin, ...]":
    """List where examples are at hand; what lies elsewhere is for the label to fetch."""
    from clerp.sourcing import choose_origins

    return tuple(o for o in choose_origins(path, one.graph, settings) if o.is_certain)


def _read_known(
    origins: "tuple[Origin, ...]",
    recorded: "Sequence[RecordedGraph]",
    path: Path,
    settings: Settings,
    progress: "ReportProgress",
) -> "Mapping[FeatureId, FeatureEvidence]":
    from clerp.evidence import FeatureEvidence
    from clerp.sourcing import read_evidence

    if not origins:
        return {}
    try:
        graphs = [one.graph for one in recorded]
        known = read_evidence(origins, graphs, path, settings, progress).known
    except MissingEvidenceError:
        if settings.features is not None:
            raise
        return {}
    return {item.feature: item for item in known if isinstance(item, FeatureEvidence)}
