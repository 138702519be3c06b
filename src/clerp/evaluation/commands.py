"""`clerp evaluate`: how often clerp is right, held against what people say."""

from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clerp.config import Settings, resolve_settings
from clerp.evaluation.parts import Part, select_part
from clerp.terminal import progress_bar, show, tell, write_json

if TYPE_CHECKING:
    from clerp.evaluation.truth import AnnotatedFeature
    from clerp.progress import ReportProgress
    from clerp.router import Rule
    from clerp.sourcing import Sourced

app = typer.Typer(help="How often clerp is right, held against what people say.")

Features = Annotated[
    str, typer.Option(help="Activation examples: folder, file or NAME:ARGUMENT of a source.")
]
Truth = Annotated[Path, typer.Option(help="Annotated roles, one JSON object a line.")]
ChosenPart = Annotated[
    Part, typer.Option(help="Score features of this part; those of all parts are routed.")
]
Json = Annotated[bool, typer.Option("--json", help="Write everything as one JSON object.")]


@app.command()
def roles(
    features: Features,
    truth: Truth,
    rules: Annotated[
        str | None,
        typer.Option(help="Rules to hold against the baselines, with commas. Default: all."),
    ] = None,
    embedder: Annotated[
        str | None, typer.Option(help="Embedder, NAME or NAME:ARGUMENT: wordllama.")
    ] = None,
    alpha: Annotated[
        float | None,
        typer.Option(help="calibrated: the chance that a feature of nothing gets a role: 0.05."),
    ] = None,
    null: Annotated[
        str | None,
        typer.Option(help="Ordinary text to compare with: a folder that clerp calibrate wrote."),
    ] = None,
    part: ChosenPart = "all",
    plot: Annotated[
        Path | None, typer.Option(help="Draw a picture, too: a file .svg or .png.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Compare routing rules on features whose roles are known."""
    from clerp.evaluation.plot import check_plot, write_plot
    from clerp.evaluation.roles import evaluate_roles
    from clerp.evaluation.tables import render_roles
    from clerp.plugins import find
    from clerp.router import name_null
    from clerp.windows import parse_windows

    given_settings = {"embedder": embedder, "alpha": alpha, "null": null}
    settings = resolve_settings(given_settings).settings
    chosen = _find_rules(rules, settings)
    if plot is not None:
        check_plot(plot)
    with progress_bar() as progress:
        given = _read(features, truth, part, settings, progress)
        report = evaluate_roles(
            given.sourced.known,
            given.scored,
            chosen,
            parse_windows(settings.windows),
            find("embedders", settings.embedder),
        )
    if plot is not None:
        write_plot(report, plot)
        tell(f"Written: {plot}")
    if as_json:
        origin = {"source": given.sourced.source, "part": part, "null": name_null(settings.null)}
        write_json([{**origin, **asdict(report)}])
    else:
        show(render_roles(report))


@app.command()
def sweep(
    features: Features,
    truth: Truth,
    embedder: Annotated[
        list[str] | None,
        typer.Option(help="Embedder, NAME or NAME:ARGUMENT; several by repeating it."),
    ] = None,
    part: ChosenPart = "all",
    as_json: Json = False,
) -> None:
    """Try the rule `protocol` with other windows, thresholds, embedders and examples.

    Choose nothing by features that a rule is tested on: --part work leaves those out.
    """
    from clerp.evaluation.sweep import sweep_protocol
    from clerp.evaluation.tables import render_sweep
    from clerp.plugins import find

    settings = resolve_settings({}).settings
    names = dict.fromkeys(embedder or [settings.embedder])
    with progress_bar() as progress:
        given = _read(features, truth, part, settings, progress)
        embedders = [find("embedders", name) for name in names]
        report = sweep_protocol(given.sourced.known, given.scored, embedders, progress)
    if as_json:
        write_json([{"source": given.sourced.source, "part": part, **asdict(report)}])
    else:
        show(render_sweep(report))


@app.command()
def groups(
    truth: Annotated[
        list[Path], typer.Option(help="Graph with supernodes of people's; several by repeating it.")
    ],
    groupers: Annotated[
        str | None,
        typer.Option(help="Groupers, with commas; the first is compared with all. Default: all."),
    ] = None,
    max_graph_bytes: Annotated[
        int | None, typer.Option(help="Largest graph, in bytes of JSON: 1073741824.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Hold groupers against the supernodes that people made.

    Groupers see the labels of the whole graph and no group; only feature nodes that a person
    grouped count.
    """
    from clerp.evaluation.group_tables import render_groups
    from clerp.evaluation.group_truth import read_true_groups
    from clerp.evaluation.groups import evaluate_groups
    from clerp.plugins import find

    settings = resolve_settings({"max_graph_bytes": max_graph_bytes}).settings
    names = _list_groupers() if groupers is None else groupers.split(",")
    chosen = {name: find("groupers", name) for name in map(str.strip, names)}
    truths = [read_true_groups(path, settings.max_graph_bytes) for path in dict.fromkeys(truth)]
    report = evaluate_groups(truths, chosen)
    if as_json:
        write_json([{"clerp_version": version("clerp"), **asdict(report)}])
    else:
        show(render_groups(report))


def _list_groupers() -> list[str]:
    """Return all groupers that are installed, the default one first."""
    from clerp.grouped import DEFAULT_GROUPER
    from clerp.plugins import list_registered

    names = [entry.name for entry in list_registered() if entry.kind == "groupers"]
    return list(dict.fromkeys([DEFAULT_GROUPER, *names]))


@dataclass(frozen=True, slots=True)
class _Given:
    sourced: "Sourced"
    """Evidence of every feature that has a role, for a rule may draw on all of it."""
    scored: "tuple[AnnotatedFeature, ...]"


def _read(
    features: str, path: Path, part: Part, settings: Settings, report: "ReportProgress"
) -> _Given:
    from clerp.evaluation.reading import read_features
    from clerp.evaluation.truth import read_truth

    truth = read_truth(path)
    scored = select_part(truth, part, path)
    wanted = sorted(annotated.feature for annotated in truth)
    return _Given(read_features(features, wanted, settings, report), scored)


def _find_rules(written: str | None, settings: Settings) -> "list[Rule]":
    from clerp.router import RULES, find_rule

    names = list(RULES) if written is None else [name.strip() for name in written.split(",")]
    # Of several rules only one takes a chance.
    alphas = {"calibrated": settings.alpha}
    return [find_rule(name, null=settings.null, alpha=alphas.get(name)) for name in names]
