"""`clerp verbalize`: what an NLA says of single features, and how far to trust it."""

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from clerp.terminal import progress_bar, show, write_json

if TYPE_CHECKING:
    from rich.console import RenderableType

    from clerp.feature import FeatureId
    from clerp.verbalizers.outcome import FeatureVerbalization

UNAVAILABLE, UNFINISHED = 1, 2
"""Exit codes where nothing was said of any feature, and where something broke."""
_SPELLED = {
    "nla_examples": "--examples",
    "nla_samples": "--samples",
    "nla_transcoders": "--transcoders",
}
"""Settings whose flags `clerp label` calls by longer names."""


def verbalize(
    graph: Annotated[Path, typer.Argument(help="Attribution graph: JSON, .gz, .zst; .pt.")],
    feature: Annotated[
        list[str],
        typer.Option(help="Layer and index, 14_2268, or the id of a node; may be repeated."),
    ],
    nla: Annotated[
        str | None,
        typer.Option(help="Folder of a pair, OWNER/NAME on HuggingFace, or NAME:ARGUMENT."),
    ] = None,
    given: Annotated[
        Literal["example", "contrast", "decoder"],
        typer.Option(
            "--input",
            help="example: the residual at the feature's peaks; contrast: where it fires minus "
            "where it is off; decoder: what it writes up to the layer of the NLA.",
        ),
    ] = "example",
    method: Annotated[
        Literal["baez", "baez_last", "nla_decoder", "nla_contrast"] | None,
        typer.Option(
            help="What to make of the texts, for a person: baez and baez_last ask --llm; "
            "nla_decoder takes the decoder's text, nla_contrast what is said only where it fires."
        ),
    ] = None,
    transcoders: Annotated[
        str | None,
        typer.Option(
            help="OWNER/REPO, with //FOLDER and @REVISION where there are, or a folder: for "
            "--input decoder, and else to run each peak again before it is described."
        ),
    ] = None,
    features: Annotated[
        str | None, typer.Option(help="Activation examples, as for clerp label.")
    ] = None,
    nla_model: Annotated[
        str | None, typer.Option(help="The graph's model, where the graph does not say it.")
    ] = None,
    examples: Annotated[int | None, typer.Option(help="Examples that are described: 5.")] = None,
    samples: Annotated[int | None, typer.Option(help="Texts of each: 4.")] = None,
    llm: Annotated[
        str | None, typer.Option(help="Language model of baez, as for clerp label.")
    ] = None,
    budget: Annotated[
        float | None, typer.Option(help="US dollars that its calls may cost, never passed.")
    ] = None,
    embedder: Annotated[
        str | None, typer.Option(help="Embedder of texts, NAME or NAME:ARGUMENT: wordllama.")
    ] = None,
    ledger: Annotated[
        str | None, typer.Option(help="File or URL of the durable record: clerp.db.")
    ] = None,
    offline: Annotated[
        bool | None, typer.Option("--offline", help="Ask nobody: only what the ledger has.")
    ] = None,
    record: Annotated[
        Path | None,
        typer.Option(help="Write all that was said to a file, for --nla recorded-nla:FILE."),
    ] = None,
    show_all: Annotated[
        bool, typer.Option("--all", help="Show every text, also of places where it is off.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON, one object a line.")] = False,
) -> None:
    """Say what an NLA makes of features, each signal of trust beside its control.

    Experimental: an NLA describes all that the model holds at a place, and makes things up. Its
    texts are no labels.
    """
    from clerp.config import resolve_settings
    from clerp.graph.writing import check_destination
    from clerp.verbalizing import NlaRequest
    from clerp_nla.asking import ask_about
    from clerp_nla.backends.recording import write_recording

    settings = resolve_settings(
        {
            "nla": nla,
            "nla_model": nla_model,
            "nla_examples": examples,
            "nla_samples": samples,
            "nla_transcoders": transcoders,
            "features": features,
            "llm": llm,
            "budget": budget,
            "embedder": embedder,
            "ledger": ledger,
            "offline": offline,
        },
        spelled=_SPELLED,
    ).settings
    if record:
        check_destination(record)
    write = partial(write_recording, record) if record else None
    request = NlaRequest(given, method or "", write)
    with progress_bar() as progress:
        said = ask_about(graph, feature, request, settings, progress)
    if as_json:
        write_json({"feature": str(f), **one.to_record()} for f, one in said.items())
    else:
        for shown in _render(said, with_all=show_all):
            show(shown)
    if any("unfinished" in one.details for one in said.values()):
        raise typer.Exit(UNFINISHED)
    if not any(one.is_available for one in said.values()):
        raise typer.Exit(UNAVAILABLE)


def _render(
    said: "Mapping[FeatureId, FeatureVerbalization]", *, with_all: bool
) -> "Iterator[RenderableType]":
    from rich.text import Text

    from clerp.report.verbalized import view_verbalization
    from clerp.report.verbalized_lines import render_verbalized

    for number, (feature, one) in enumerate(said.items()):
        if number:
            yield ""
        yield Text(str(feature), style="bold")
        yield render_verbalized(view_verbalization(one), with_all=with_all, flag="--all")
