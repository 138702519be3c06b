"""The command line. Tables go to stdout, messages to stderr."""

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from clerp.errors import ClerpError, UsageError

app = typer.Typer(
    help="Name every feature of an attribution graph, cheaply and checkably.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Graph = Annotated[Path, typer.Argument(help="Attribution graph, JSON, plain, .gz or .zst.")]
Features = Annotated[
    str | None,
    typer.Option(help="Activation examples: folder, file or NAME:ARGUMENT of a source."),
]
Rule = Annotated[str | None, typer.Option(help="calibrated (default) or protocol.")]
Threshold = Annotated[float | None, typer.Option(help="From where on a score is high.")]
MaxBytes = Annotated[int | None, typer.Option(help="Largest graph, in bytes of JSON.")]


@app.command()
def label(
    graph: Graph,
    features: Features = None,
    out: Annotated[Path | None, typer.Option(help="File or folder to write to.")] = None,
    llm: Annotated[str | None, typer.Option(help="litellm model name for tier 2.")] = None,
    embedder: Annotated[str | None, typer.Option(help="NAME or NAME:ARGUMENT.")] = None,
    rule: Rule = None,
    threshold: Threshold = None,
    target: Annotated[str | None, typer.Option(help="circuit-tracer")] = None,
    existing: Annotated[str | None, typer.Option(help="keep, compare or replace.")] = None,
    show_hints: Annotated[bool | None, typer.Option(help="Show `? hint` on unnamed nodes.")] = None,
    style: Annotated[str | None, typer.Option(help="plain, bracket or paren.")] = None,
    ledger: Annotated[str | None, typer.Option(help="File or URL of the durable record.")] = None,
    max_graph_bytes: MaxBytes = None,
    rows: Annotated[int, typer.Option(help="Features shown in the table.")] = 20,
) -> None:
    """Label a graph and write it with its labels."""
    from rich.console import Console

    from clerp.graph import list_viewer_faults
    from clerp.pipeline import label as label_graph
    from clerp.report.summary import share_by_feature
    from clerp.report.table import plain, render_features, render_summary

    destination = _destination(graph, out)
    if target not in (None, "circuit-tracer"):
        raise UsageError(f"there is no target {target!r}", remedy="Known: circuit-tracer")
    labeled = label_graph(
        graph,
        features=features,
        llm=llm,
        embedder=embedder,
        rule=rule,
        threshold=threshold,
        existing=existing,
        show_hints=show_hints,
        style=style,
        ledger=ledger,
        max_graph_bytes=max_graph_bytes,
    )
    labeled.write(destination, "circuit-tracer" if target else None)
    table, messages = Console(), Console(stderr=True)
    table.print(render_features(labeled.features, share_by_feature(labeled.graph), limit=rows))
    table.print(render_summary(labeled.summary))
    faults = list_viewer_faults(labeled.document) if target else ()
    for note in (*labeled.graph.notes, *faults, f"Written: {destination}"):
        messages.print(plain(note))
    if labeled.summary.by_status["failed"].features:
        raise typer.Exit(2)


@app.command()
def route(
    graph: Graph,
    features: Features = None,
    rule: Rule = None,
    threshold: Threshold = None,
    max_graph_bytes: MaxBytes = None,
) -> None:
    """Score and route every feature, one JSON object a line."""
    from clerp.pipeline import route as route_graph

    routed = route_graph(
        graph, features=features, rule=rule, threshold=threshold, max_graph_bytes=max_graph_bytes
    )
    for feature, found in routed.routes.items():
        line: dict[str, Any] = {
            "layer": feature.layer,
            "index": feature.index,
            "role": found.role,
            "tier": found.tier,
            "escalated_from": found.escalated_from,
            "confidence": found.confidence,
            "scores": {channel: asdict(score) for channel, score in found.scores.items()},
            "n_examples": found.n_examples,
            "reason": found.reason,
        }
        sys.stdout.write(json.dumps(line, ensure_ascii=False) + "\n")


@app.command()
def plugins() -> None:
    """List installed plugins: kind, name, distribution and version, one JSON object a line."""
    from clerp.plugins import list_registered

    for entry in list_registered():
        sys.stdout.write(json.dumps(asdict(entry)) + "\n")


def main() -> None:
    """Run the command line; an error of clerp's own is one line on stderr."""
    from click.exceptions import UsageError as BadUsage

    try:
        code = app(standalone_mode=False)
    except ClerpError as fault:
        sys.stderr.write(f"clerp: {fault}\n")
        sys.exit(fault.exit_code)
    except BadUsage as fault:
        fault.show()
        sys.exit(1)
    sys.exit(code if isinstance(code, int) else 0)


def _destination(graph: Path, out: Path | None) -> Path:
    stem = graph.name.removesuffix(".gz").removesuffix(".zst").removesuffix(".json")
    name = f"{stem}.labeled.json"
    if out is None:
        return graph.with_name(name)
    return out / name if out.is_dir() else out
