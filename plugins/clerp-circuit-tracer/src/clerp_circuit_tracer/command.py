"""`clerp collect`: the evidence of a graph's features, where nobody published any."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from clerp.errors import UsageError
from clerp.terminal import tell

if TYPE_CHECKING:
    from clerp.feature import FeatureId
    from clerp.graph import AttributionGraph
    from clerp_circuit_tracer.collect import Hooks


def collect(
    graphs: Annotated[
        list[Path],
        typer.Argument(help="Attribution graphs of one transcoder set: JSON, .gz, .zst; .pt."),
    ],
    model: Annotated[str, typer.Option(help="The graphs' model: name on HuggingFace, or folder.")],
    corpus: Annotated[
        str,
        typer.Option(
            help="Text file, folder of *.txt, .jsonl, .jsonl.gz or, of HuggingFace's data sets, "
            "hf:NAME, hf:NAME:CONFIG or hf:NAME:CONFIG:SPLIT."
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder to write, for --features.")] = Path("features"),
    transcoders: Annotated[
        str | None,
        typer.Option(
            help="OWNER/REPO, with //FOLDER and @REVISION where there are, or a folder of yours. "
            "Default: what the graphs name."
        ),
    ] = None,
    tokens: Annotated[
        int | None, typer.Option(min=1, help="Tokens to stop after. Default: the whole corpus.")
    ] = None,
    backend: Annotated[
        Literal["nnsight", "transformerlens"], typer.Option(help="What runs the model.")
    ] = "nnsight",
    device: Annotated[
        str | None, typer.Option(help="cuda, mps or cpu. Default: cuda where there is a GPU.")
    ] = None,
    dtype: Annotated[
        Literal["float32", "bfloat16", "float16"],
        typer.Option(help="In what model and transcoders compute; that of the graphs."),
    ] = "float32",
    context: Annotated[
        int, typer.Option(min=2, help="Most tokens of a row, BOS among them.")
    ] = 256,
    batch: Annotated[
        int, typer.Option(min=1, help="Most tokens that the model is run on at once.")
    ] = 2048,
    seed: Annotated[int, typer.Option(help="Draws the examples of lower intervals.")] = 0,
    text_field: Annotated[str, typer.Option(help="Key or column of the text.")] = "text",
    input_hook: Annotated[
        str | None,
        typer.Option(help="Where features of a folder without config.yaml read: mlp.hook_in."),
    ] = None,
    output_hook: Annotated[str | None, typer.Option(help="Where they write: mlp.hook_out.")] = None,
) -> None:
    """Run a model over a corpus and keep what the features of graphs fire on.

    Interrupted, the same command goes on where it was.
    """
    read = _read_graphs(graphs)
    features = _list_features(read)
    place = transcoders or _find_transcoders(read)
    hooks = _choose_hooks(input_hook, output_hook)

    from clerp_circuit_tracer.collect import CollectSettings
    from clerp_circuit_tracer.collect import collect as collect_evidence
    from clerp_circuit_tracer.collect.display import show_progress, summarize

    settings = CollectSettings(seed=seed, batch_tokens=batch)
    try:
        with show_progress() as watch:
            facts = collect_evidence(
                features,
                model=model,
                transcoders=place,
                corpus=corpus,
                out=out,
                hooks=hooks,
                n_tokens=tokens,
                text_field=text_field,
                context=context,
                backend=backend,
                device=device,
                dtype=dtype,
                settings=settings,
                report=watch,
                announce=watch.announce,
            )
    except KeyboardInterrupt:
        tell("clerp: the same command continues from the last checkpoint")
        raise
    if watch.last is None:
        tell(f"Already written: {facts.folder}")
        return
    tell(summarize(facts, watch.last))
    tell(f"Written: {facts.folder}")


def _read_graphs(paths: Sequence[Path]) -> "list[AttributionGraph]":
    from clerp.graph import read_graph

    graphs = [read_graph(path) for path in paths]
    for path, graph in zip(paths, graphs, strict=True):
        if graph.transcoder_identity != graphs[0].transcoder_identity:
            raise UsageError(
                f"made with {graph.scan!r}, the first graph with {graphs[0].scan!r}",
                where=str(path),
                remedy="Collect graphs of one transcoder set at a time",
            )
    return graphs


def _list_features(graphs: "Sequence[AttributionGraph]") -> "list[FeatureId]":
    """Return the distinct transcoder features; those of attention have no transcoder."""
    return sorted({feature for graph in graphs for feature in graph.features if not feature.kind})


def _find_transcoders(graphs: "Sequence[AttributionGraph]") -> str:
    from clerp_circuit_tracer.collect.transcoders import is_hub_reference

    graph = graphs[0]
    if graph.transcoder_identity.is_local or not is_hub_reference(graph.scan):
        raise UsageError(
            f"the graph calls its transcoders {graph.scan!r}, which is no place on HuggingFace",
            where=graph.name,
            remedy="Name them with --transcoders",
        )
    return graph.scan


def _choose_hooks(read_at: str | None, write_at: str | None) -> "Hooks | None":
    from clerp_circuit_tracer.collect import Hooks

    if read_at is None and write_at is None:
        return None
    if read_at is None or write_at is None:
        raise UsageError(
            "one hook is given without the other", remedy="Give --input-hook and --output-hook"
        )
    return Hooks(read_at, write_at)
