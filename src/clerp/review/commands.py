"""`clerp review`: the page where people name features, and decisions in and out."""

import getpass
from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, cast

import typer

from clerp.config import resolve_settings
from clerp.errors import LedgerError, UsageError
from clerp.terminal import tell, write_json

if TYPE_CHECKING:
    from typer import Context

    from clerp.ledger import Ledger
    from clerp.ledger.record import QueueStatus
    from clerp.review.session import Task
    from clerp.router import Tier
else:
    # What typer hands over is no typer.Context but this, and tests check types.
    Context = typer.Context.__base__

app = typer.Typer(
    help="Name in the browser what machines could not, and check what they named.",
    invoke_without_command=True,
)

MAX_GUIDELINE = 100_000
"""Bytes."""
_MAX_NAME = 100
_TASKS = ("labels", "roles")
_STATUSES = ("needs_review", "abstained", "failed", "labeled")

LedgerPlace = Annotated[
    str | None, typer.Option(help="File or URL of the durable record: clerp.db.")
]


@app.callback()
def review(
    context: Context,
    ledger: LedgerPlace = None,
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port on this machine; 0: a free one.")
    ] = 8047,
    annotator: Annotated[
        str | None,
        typer.Option("--as", help="Your name, as decisions bear it. Default: your login."),
    ] = None,
    task: Annotated[
        str, typer.Option(help="labels, or roles: only the role of each feature is asked for.")
    ] = "labels",
    blind: Annotated[
        bool,
        typer.Option("--blind", help="Show you what clerp proposes only once you have judged."),
    ] = False,
    review_cover: Annotated[
        float,
        typer.Option(
            min=0, max=1, help="Stop where names beyond doubt cover this part of influence."
        ),
    ] = 0.8,
    graph: Annotated[list[str] | None, typer.Option(help="Only features of this graph.")] = None,
    tier: Annotated[list[int] | None, typer.Option(min=1, max=3, help="Only this tier.")] = None,
    layer: Annotated[list[int] | None, typer.Option(min=0, help="Only this layer.")] = None,
    status: Annotated[
        list[str] | None, typer.Option(help=f"Only this status: {', '.join(_STATUSES)}.")
    ] = None,
    reason: Annotated[str, typer.Option(help="Only features whose reason holds this text.")] = "",
    artefacts: Annotated[
        bool, typer.Option("--artefacts", help="Artefacts, too, after all others.")
    ] = False,
    guideline: Annotated[
        Path | None, typer.Option(help="Text file to judge by, shown beside every feature.")
    ] = None,
    browser: Annotated[
        bool, typer.Option("--browser/--no-browser", help="Open the page in the browser.")
    ] = True,
) -> None:
    """Open the review page; Ctrl-C ends it. Every decision is on disk when the next page shows."""
    if context.invoked_subcommand is not None:
        _refuse_options(context)
        return
    from clerp.ledger.review_reads import QueueFilter
    from clerp.local_page.entry import announce
    from clerp.local_page.security import Access
    from clerp.local_page.server import serve
    from clerp.review.session import Choice, ReviewSession
    from clerp.review.web.app import build_app

    wanted = QueueFilter(
        graphs=tuple(graph or ()),
        tiers=tuple(cast("Tier", number) for number in tier or ()),
        layers=tuple(layer or ()),
        statuses=tuple(cast("QueueStatus", s) for s in _check(status or (), _STATUSES, "status")),
        reason=reason,
        with_artefacts=artefacts,
    )
    (chosen_task,) = _check([task], _TASKS, "task")
    choice = Choice(
        annotator=_name_annotator(annotator),
        task=cast("Task", chosen_task),
        is_blind=blind,
        wanted=wanted,
        cover=review_cover,
        guideline=_read_guideline(guideline),
    )
    with _open(ledger) as opened, TemporaryDirectory(prefix="clerp-review-") as folder:
        session = ReviewSession(opened, choice)
        _tell_of_queue(session.count_items(), graph)
        access = Access()
        page = build_app(session, access)
        serve(
            page,
            port,
            lambda at: announce("Review", access.make_link(at), Path(folder), opens=browser),
        )


@app.command("terms")
def terms(
    overlap: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Part of the features that several people judge, blind."),
    ] = None,
    annotators: Annotated[
        int | None, typer.Option(min=2, help="How many people judge each of these features.")
    ] = None,
    blind: Annotated[
        bool | None,
        typer.Option("--blind/--open", help="Hold clerp's proposals back until one has judged."),
    ] = None,
    ledger: LedgerPlace = None,
    as_json: Annotated[bool, typer.Option("--json", help="Write the terms as JSON.")] = False,
) -> None:
    """Set or show what holds for everybody who reviews in this ledger."""
    from clerp.ledger.terms import MOST_ANNOTATORS

    if annotators is not None and annotators > MOST_ANNOTATORS:
        raise UsageError(f"more than {MOST_ANNOTATORS:,}", where="--annotators")
    given = {"overlap": overlap, "annotators": annotators, "is_blind": blind}
    chosen = {name: value for name, value in given.items() if value is not None}
    with _open(ledger) as opened:
        if chosen:
            with opened.reviewing() as writes:
                writes.agree_on(replace(writes.read_terms(), **chosen))
        with opened.reading_review() as reads:
            agreed = reads.read_terms()
    if as_json:
        write_json([asdict(agreed)])
        return
    tell(
        f"{agreed.annotators} people judge each of {100 * agreed.overlap:g} % of the features, "
        "blind to each other; one judges the others"
        if agreed.overlap
        else "Each feature is judged by one"
    )
    tell(
        "What clerp proposes shows once one has judged"
        if agreed.is_blind
        else "What clerp proposes shows before one judges"
    )


@app.command("export")
def export(
    out: Annotated[Path, typer.Argument(help="File to write, .jsonl or .csv.")],
    ledger: LedgerPlace = None,
    roles: Annotated[
        bool,
        typer.Option("--roles", help="Only roles, as clerp evaluate roles --truth reads them."),
    ] = False,
) -> None:
    """Write all decisions to a file."""
    from clerp.review.exchange import export_decisions, export_roles

    with _open(ledger) as opened:
        n = (export_roles if roles else export_decisions)(opened, out)
    tell(f"Written: {out} ({n} {'roles' if roles else 'decisions'})")


@app.command("import")
def import_(
    path: Annotated[Path, typer.Argument(help="File of decisions, .jsonl or .csv.")],
    ledger: LedgerPlace = None,
    as_json: Annotated[bool, typer.Option("--json", help="Write the outcome as JSON.")] = False,
) -> None:
    """Add the decisions of a file that the ledger has not; again, it adds nothing."""
    from clerp.ledger import open_ledger
    from clerp.ledger.patience import wait_for_lock
    from clerp.review.exchange import import_decisions

    # A fresh clone has none yet.
    with open_ledger(_find_place(ledger)) as opened:
        now = datetime.now(UTC).replace(tzinfo=None)
        done = wait_for_lock(lambda: import_decisions(opened, path, now=now))
    if as_json:
        conflicts = [asdict(c) | {"feature": str(c.feature.feature)} for c in done.conflicts]
        write_json([asdict(done) | {"conflicts": conflicts}])
    tell(f"{done.added} decisions added, {done.known} known already")
    if done.unseen:
        tell(f"{done.unseen} features are of no graph that this ledger knows; they wait for one")
    for conflict in done.conflicts:
        tell(
            f"conflict, left out: {conflict.annotator} on {conflict.feature.feature}: here "
            f"{conflict.here or 'taken back'}, in the file {conflict.there or 'taken back'}"
        )
    if done.conflicts:
        raise typer.Exit(2)


def _refuse_options(context: Context) -> None:
    """Options before the name of a command within this one would say nothing to it."""
    for name in context.params:
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            raise UsageError(
                f"stands before {context.invoked_subcommand}",
                where=_name_option(context, name),
                remedy=f"Write options after it: clerp review {context.invoked_subcommand} ...",
            )


def _name_option(context: Context, name: str) -> str:
    return next(p.opts[0] for p in context.command.params if p.name == name)


def _open(place: str | None) -> "Ledger":
    from clerp.ledger import mask_password, open_ledger

    chosen = _find_place(place)
    if "://" not in chosen and not Path(chosen).exists():
        raise LedgerError(
            "there is no such ledger",
            where=mask_password(chosen),
            remedy="Name that of clerp label with --ledger",
        )
    return open_ledger(chosen)


def _find_place(place: str | None) -> str:
    return resolve_settings({"ledger": place}).settings.ledger


def _check(given: Sequence[str], known: Sequence[str], name: str) -> Sequence[str]:
    for value in given:
        if value not in known:
            raise UsageError(f"there is no {name} {value!r}", remedy=f"Known: {', '.join(known)}")
    return given


def _name_annotator(given: str | None) -> str:
    try:
        name = (getpass.getuser() if given is None else given).strip()
    except (KeyError, OSError):
        # A container may run as somebody without a name.
        name = ""
    if not name or len(name) > _MAX_NAME or not name.isprintable():
        raise UsageError(
            f"the name of who decides is not 1 to {_MAX_NAME} characters that can be seen",
            where="--as",
            remedy="Write --as NAME",
        )
    return name


def _read_guideline(path: Path | None) -> str:
    if path is None:
        return ""
    from clerp.errors import EvidenceError
    from clerp.evidence.storage import describe, read_file

    try:
        return read_file(path, MAX_GUIDELINE).decode()
    except (EvidenceError, OSError, UnicodeDecodeError) as fault:
        raise UsageError(
            f"cannot be read: {describe(fault)}", where=str(path), remedy="Name a text file"
        ) from fault


def _tell_of_queue(n_items: int, graphs: list[str] | None) -> None:
    if n_items == 0:
        where = f" of {', '.join(graphs)}" if graphs else ""
        tell(f"The queue{where} holds nothing of what was chosen: run clerp label with this ledger")
