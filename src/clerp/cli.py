"""The command line. Tables go to stdout, progress and messages to stderr."""

import signal
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from typer.exceptions import TyperException

from clerp.config import Context, Existing, GivenSettings
from clerp.errors import ClerpError, PluginError
from clerp.evaluation.commands import app as evaluate_app
from clerp.frontend.command import open_graph
from clerp.group_command import group
from clerp.labels import Style
from clerp.ordinary.command import calibrate
from clerp.report_command import report
from clerp.review.commands import app as review_app
from clerp.terminal import progress_bar, show, tell, wants_json, write_json

if TYPE_CHECKING:
    from clerp.labeled import LabeledGraph

app = typer.Typer(
    help="Name every feature of an attribution graph, cheaply and checkably.",
    add_completion=False,
    pretty_exceptions_enable=False,
)
config_app = typer.Typer(help="What clerp is set to.")
app.add_typer(config_app, name="config")
app.add_typer(evaluate_app, name="evaluate")
app.add_typer(review_app, name="review")

# What a shell reports of a process that a signal ended: 128 and the signal's number. typer gives
# the first of them for Ctrl-C.
INTERRUPTED = 130
TERMINATED = 143

Graph = Annotated[Path, typer.Argument(help="Attribution graph: JSON, plain, .gz or .zst; .pt.")]
Features = Annotated[
    str | None,
    typer.Option(
        help="Activation examples: folder, file or NAME:ARGUMENT of a source. "
        "Default: the folder features/ beside the graph, else what the graph itself names."
    ),
]
Llm = Annotated[
    str | None,
    typer.Option(help="litellm model name for tier 2, whose features otherwise go to review."),
]
LlmAll = Annotated[
    bool | None,
    typer.Option("--llm-all", help="The model labels every feature, whatever its tier."),
]
MethodName = Annotated[
    str | None,
    typer.Option(help="How the model is asked: max-act-logits, acts-top20, token-act-pairs."),
]
ContextName = Annotated[
    Context | None, typer.Option(help="graph: the model sees the graph's prompt, too.")
]
Refiner = Annotated[
    str | None, typer.Option(help="Small model that words the labels of tier 1 better.")
]
FallbackModel = Annotated[
    str | None, typer.Option(help="Model to ask where the first does not answer.")
]
Nla = Annotated[
    str | None,
    typer.Option(
        help="Natural language autoencoder that says what features of tier 3 may be about: "
        "folder of a pair, or NAME:ARGUMENT. Experimental; its texts are no labels."
    ),
]
NlaModel = Annotated[
    str | None,
    typer.Option(help="The graphs' model, where they do not say it: google/gemma-2-2b."),
]
NlaExamples = Annotated[
    int | None, typer.Option(help="Examples of a feature that the NLA describes: 5.")
]
NlaSamples = Annotated[int | None, typer.Option(help="Texts that it writes of each: 4.")]
NlaTranscoders = Annotated[
    str | None,
    typer.Option(
        help="Transcoders of the features, OWNER/REPO or a folder: each peak is run again before "
        "it is described, where the NLA is on this machine."
    ),
]
Budget = Annotated[
    float | None, typer.Option(help="US dollars that the calls may cost, never passed.")
]
LabelerName = Annotated[
    str | None, typer.Option(help="Labeler of tier 1, NAME or NAME:ARGUMENT: token-frequency.")
]
EmbedderName = Annotated[
    str | None, typer.Option(help="Embedder, NAME or NAME:ARGUMENT: wordllama.")
]
RuleName = Annotated[
    str | None,
    typer.Option(help="calibrated (default), or a baseline: protocol, air, tokens, layer."),
]
Alpha = Annotated[
    float | None,
    typer.Option(help="calibrated: the chance that a feature of nothing gets a role: 0.05."),
]
Threshold = Annotated[
    float | None,
    typer.Option(help="Baselines: what counts as high; a raw score for protocol, a z for air."),
]
Null = Annotated[
    str | None,
    typer.Option(help="Ordinary text to compare with: a folder that clerp calibrate wrote."),
]
Windows = Annotated[
    str | None,
    typer.Option(help="Token offsets around the peak: input=-1:0,output=1:2,cross=-8:8."),
]
LedgerPlace = Annotated[
    str | None, typer.Option(help="File or URL of the durable record: clerp.db.")
]
MaxBytes = Annotated[int | None, typer.Option(help="Largest graph, in bytes of JSON: 1073741824.")]
Offline = Annotated[
    bool | None,
    typer.Option("--offline", help="Ask no server: only what is on disk, in cache or ledger."),
]
Json = Annotated[bool, typer.Option("--json", help="Write JSON, one object a line.")]


@app.command()
def label(
    graphs: Annotated[list[Path], typer.Argument(help="Attribution graphs: JSON, .gz, .zst; .pt.")],
    features: Features = None,
    out: Annotated[
        str | None,
        typer.Option(help="File to write to, or a folder: one that is there or ends in /."),
    ] = None,
    llm: Llm = None,
    llm_all: LlmAll = None,
    method: MethodName = None,
    context: ContextName = None,
    refine: Refiner = None,
    fallback_model: FallbackModel = None,
    nla: Nla = None,
    nla_model: NlaModel = None,
    nla_examples: NlaExamples = None,
    nla_samples: NlaSamples = None,
    nla_transcoders: NlaTranscoders = None,
    budget: Budget = None,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Say what the calls would cost; ask and write nothing."),
    ] = False,
    labeler: LabelerName = None,
    embedder: EmbedderName = None,
    rule: RuleName = None,
    alpha: Alpha = None,
    threshold: Threshold = None,
    null: Null = None,
    windows: Windows = None,
    target: Annotated[
        str | None,
        typer.Option(
            help="What is to open the output: circuit-tracer (its frontend lists it), neuronpedia "
            "or neuronpedia:MODEL (its upload takes it), table (.csv, .parquet). Default: only "
            "labels change."
        ),
    ] = None,
    existing: Annotated[
        Existing | None,
        typer.Option(
            help="Labels of others. compare (default): keep them, propose ours beside; "
            "keep; replace."
        ),
    ] = None,
    show_hints: Annotated[
        bool | None, typer.Option("--show-hints", help="Show `? hint` on unnamed nodes.")
    ] = None,
    style: Annotated[
        Style | None,
        typer.Option(help="plain (default), or every name in brackets or parentheses."),
    ] = None,
    ledger: LedgerPlace = None,
    concurrency: Annotated[int | None, typer.Option(help="Calls to an LLM at once: 8.")] = None,
    llm_timeout: Annotated[
        float | None, typer.Option(help="Seconds that a call to an LLM may take: 60.")
    ] = None,
    max_graph_bytes: MaxBytes = None,
    offline: Offline = None,
    rows: Annotated[int, typer.Option(min=0, help="Features shown of each graph.")] = 20,
) -> None:
    """Label graphs and write them with their labels."""
    from clerp.destinations import check_destinations, choose_destinations, make_folder
    from clerp.pipeline import accept_graph
    from clerp.pipeline import label as label_graphs
    from clerp.targets import find_target

    into_folder = out is not None and (len(graphs) > 1 or out.endswith("/"))
    place = None if out is None else Path(out)
    destinations = choose_destinations(graphs, place, into_folder=into_folder, target=target)
    check_destinations(destinations, place, target)
    given: GivenSettings = {
        "features": features,
        "llm": llm,
        "llm_all": llm_all,
        "method": method,
        "context": context,
        "refine": refine,
        "fallback_model": fallback_model,
        "nla": nla,
        "nla_model": nla_model,
        "nla_examples": nla_examples,
        "nla_samples": nla_samples,
        "nla_transcoders": nla_transcoders,
        "budget": budget,
        "labeler": labeler,
        "embedder": embedder,
        "rule": rule,
        "alpha": alpha,
        "threshold": threshold,
        "null": null,
        "windows": windows,
        "existing": existing,
        "show_hints": show_hints,
        "style": style,
        "ledger": ledger,
        "concurrency": concurrency,
        "llm_timeout": llm_timeout,
        "max_graph_bytes": max_graph_bytes,
        "offline": offline,
    }
    if dry_run:
        _show_estimates(graphs, given)
        return
    check = find_target(target).check_graph if target else accept_graph
    with progress_bar() as progress:
        labeled = label_graphs(graphs, progress=progress, check=check, **given)
    if into_folder and place is not None:
        make_folder(place)
    for graph, destination in zip(labeled, destinations, strict=True):
        graph.write(destination, target)
    _show_labeled(labeled, destinations, target, rows)
    if any(feature.is_unfinished for graph in labeled for feature in graph):
        _tell_failures(labeled)
        raise typer.Exit(2)


@app.command()
def route(
    graph: Graph,
    features: Features = None,
    embedder: EmbedderName = None,
    rule: RuleName = None,
    alpha: Alpha = None,
    threshold: Threshold = None,
    null: Null = None,
    windows: Windows = None,
    max_graph_bytes: MaxBytes = None,
    offline: Offline = None,
    as_json: Json = False,
) -> None:
    """Score and route every feature; a table on a terminal, else one JSON object a line."""
    from clerp.pipeline import route as route_graph
    from clerp.report.listing import render_routes

    with progress_bar() as progress:
        routed = route_graph(
            graph,
            progress=progress,
            features=features,
            embedder=embedder,
            rule=rule,
            alpha=alpha,
            threshold=threshold,
            null=null,
            windows=windows,
            max_graph_bytes=max_graph_bytes,
            offline=offline,
        )
    if wants_json(as_json):
        write_json(
            {
                "layer": feature.layer,
                "index": feature.index,
                "role": found.role,
                "tier": found.tier,
                "escalated_from": found.escalated_from,
                "confidence": found.confidence,
                "runner_up": found.runner_up,
                "margin": found.margin,
                "p": found.p,
                "q": routed.q.get(feature),
                "p_direction": found.p_direction,
                "breadth": asdict(found.breadth) if found.breadth else None,
                "scores": {channel: asdict(score) for channel, score in found.scores.items()},
                "unscored": dict(found.unscored),
                "n_examples": found.n_examples,
                "n_repeats": found.n_repeats,
                "reason": found.reason,
            }
            for feature, found in routed.routes.items()
        )
    else:
        show(render_routes(routed.routes.values()))
    for note in routed.notes:
        tell(note)


@app.command()
def why(
    graph: Graph,
    feature: Annotated[str, typer.Argument(help="Layer and index, 14_2268, or the id of a node.")],
    features: Features = None,
    llm: Llm = None,
    labeler: LabelerName = None,
    embedder: EmbedderName = None,
    rule: RuleName = None,
    alpha: Alpha = None,
    threshold: Threshold = None,
    null: Null = None,
    windows: Windows = None,
    ledger: LedgerPlace = None,
    max_graph_bytes: MaxBytes = None,
    offline: Offline = None,
    as_json: Json = False,
) -> None:
    """Show everything behind one label; asks no LLM.

    A graph that clerp labelled is explained with the settings that it was labelled with.
    """
    from clerp.pipeline import explain
    from clerp.report.why import render_explanation

    with progress_bar() as progress:
        explanation = explain(
            graph,
            feature,
            progress=progress,
            features=features,
            llm=llm,
            labeler=labeler,
            embedder=embedder,
            rule=rule,
            alpha=alpha,
            threshold=threshold,
            null=null,
            windows=windows,
            ledger=ledger,
            max_graph_bytes=max_graph_bytes,
            offline=offline,
        )
    if as_json:
        write_json([explanation.to_record()])
    else:
        show(render_explanation(explanation))


# Here, since help lists commands as they come.
app.command()(group)
app.command("open")(open_graph)
app.command()(report)
app.command()(calibrate)


@app.command()
def plugins(as_json: Json = False) -> None:
    """List installed plugins: kind, name, distribution and version."""
    from clerp.plugins import list_registered
    from clerp.report.listing import render_rows

    entries = list_registered()
    if wants_json(as_json):
        write_json(asdict(entry) for entry in entries)
    else:
        columns = ("kind", "name", "distribution", "version")
        show(render_rows(columns, [(e.kind, e.name, e.distribution, e.version) for e in entries]))


@config_app.command("show")
def show_config(as_json: Json = False) -> None:
    """Show every setting and where its value comes from, secrets hidden."""
    from clerp.config import resolve_settings
    from clerp.ledger import mask_password
    from clerp.report.listing import render_rows

    resolved = resolve_settings({})
    values = resolved.settings.model_dump()
    values["ledger"] = mask_password(resolved.settings.ledger)
    rows = [(name, value, resolved.origins[name]) for name, value in values.items()]
    if wants_json(as_json):
        write_json({"name": name, "value": value, "from": origin} for name, value, origin in rows)
    else:
        columns = ("setting", "value", "from")
        show(render_rows(columns, [(n, "-" if v is None else str(v), o) for n, v, o in rows]))


def main() -> None:
    """Run the command line; an error of clerp's own is one line on stderr."""
    signal.signal(signal.SIGTERM, _termination)
    try:
        _add_commands(sys.argv[1] if len(sys.argv) > 1 else "--help")
        code = app(standalone_mode=False)
    except ClerpError as fault:
        tell(f"clerp: {fault}")
        sys.exit(fault.exit_code)
    except TyperException as fault:
        place = getattr(getattr(fault, "ctx", None), "command_path", "clerp")
        tell(f"clerp: {fault.format_message().rstrip('.')}. Run: {place} --help")
        sys.exit(1)
    except BaseException:  # cancelled work has many faces
        if not _termination.came:
            raise
        code = INTERRUPTED
    if code == INTERRUPTED:
        tell("clerp: interrupted; what was done is kept for the next run")
        sys.exit(TERMINATED if _termination.came else INTERRUPTED)
    sys.exit(code if isinstance(code, int) else 0)


_OWN_COMMANDS = {
    *(c.name or c.callback.__name__ for c in app.registered_commands if c.callback),
    *(str(group.name) for group in app.registered_groups),
}


def _add_commands(asked: str) -> None:
    """Add the command of a plugin that is asked for, or all of them where help is."""
    from clerp.plugins import is_command, list_commands

    installed = list_commands()
    if taken := sorted(_OWN_COMMANDS.intersection(installed)):
        raise PluginError(
            f"a plugin registers {taken[0]!r}, a command of clerp's own", remedy="Uninstall it"
        )
    wanted = [asked] if is_command(asked) else installed if asked.startswith("-") else []
    for name in wanted:
        if name not in {command.name for command in app.registered_commands}:
            _add_command(name, only_listed=name != asked)


def _add_command(name: str, *, only_listed: bool) -> None:
    from rich.markup import escape

    from clerp.plugins import find_command

    try:
        app.command(name)(find_command(name))
    except PluginError as fault:
        if not only_listed:
            raise
        app.command(name, help=escape(f"Cannot be used: {fault}"))(lambda: None)


class _Termination:
    """Ends a run on SIGTERM: work in an event loop is cancelled and lets go of what it holds.

    It cannot pass for Ctrl-C, which is ignored by what a shell starts in the background.
    """

    came = False

    def __call__(self, *_: object) -> None:
        import asyncio
        import warnings

        self.came = True
        # Of libraries whose coroutines are cut off before they began.
        warnings.simplefilter("ignore", RuntimeWarning)
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            raise KeyboardInterrupt from None
        for task in asyncio.all_tasks(loop):
            task.cancel()
        # A loop that waits for the network does not see a cancellation before something happens.
        loop.call_soon_threadsafe(lambda: None)


_termination = _Termination()


def _tell_failures(labeled: "Sequence[LabeledGraph]") -> None:
    outcomes = [outcome for graph in labeled for outcome in graph]
    failed = Counter(f.reason for f in outcomes if f.status == "failed")
    for reason, count in failed.most_common():
        tell(f"clerp: {count} features failed: {reason}")
    unrefined = Counter(str(f.details["unfinished"]) for f in outcomes if "unfinished" in f.details)
    for reason, count in unrefined.most_common():
        tell(f"clerp: {count} labels of tier 1 were not refined: {reason}")
    said = [f.verbalization for f in outcomes if f.verbalization is not None]
    broken = Counter(
        str(v.details["unfinished"]) for v in said if v.is_available and "unfinished" in v.details
    )
    for reason, count in broken.most_common():
        tell(f"clerp: {count} features of tier 3 were not verbalized to the end: {reason}")


def _show_estimates(graphs: "Sequence[Path]", given: GivenSettings) -> None:
    from clerp.pipeline import estimate
    from clerp.report.costs import render_estimates

    with progress_bar() as progress:
        estimated = estimate(graphs, progress=progress, **given)
    if nla := estimated.nla:
        tell(
            f"The NLA would describe at most {nla.residuals:,} residuals of {nla.features:,} "
            f"features of tier 3 in {nla.texts:,} texts, with those of controls, less what the "
            "ledger has."
        )
    if nla and nla.calls:
        tell(f"The model would be asked at most {nla.calls:,} times what such texts share.")
    if estimated.calls:
        show(render_estimates(estimated.calls))
        tell("US$ is for short answers; at most, by which --budget reserves: every byte a token,")
        tell("answers of full length, and every call repeated once.")
    elif nla is None or not nla.calls:
        tell("No model would be asked: none is named, or everything is in the ledger.")


def _show_labeled(
    labeled: "Sequence[LabeledGraph]",
    destinations: Sequence[Path],
    target: str | None,
    rows: int,
) -> None:
    from clerp.report.costs import render_costs, render_losses
    from clerp.report.occurrence import list_occurrences
    from clerp.report.summary import summarize_together
    from clerp.report.table import plain, render_features, render_summary, render_together
    from clerp.targets import find_target

    for graph in labeled:
        if len(labeled) > 1:
            show(plain(graph.graph.name))
        show(render_features(graph.features, list_occurrences(graph.graph), limit=rows))
        show(render_summary(graph.summary))
    if len(labeled) > 1:
        show(render_together(summarize_together([(g.graph, g.features) for g in labeled])))
    if labeled[0].costs:
        show(render_costs(labeled[0].costs))
    if labeled[0].lost.calls:
        show(render_losses(labeled[0].lost))
    for graph, destination in zip(labeled, destinations, strict=True):
        told = (
            find_target(target).list_notes(graph.graph, graph.document, destination)
            if target
            else ()
        )
        for note in (*graph.notes, *told, f"Written: {destination}"):
            tell(note)
