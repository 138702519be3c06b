"""A report as one file that asks for nothing else and runs nothing but its own script."""

import hashlib
from base64 import b64encode
from collections.abc import Sequence
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment
from markupsafe import Markup

from clerp.errors import UsageError
from clerp.graph import shorten
from clerp.graph.writing import write_atomically
from clerp.report.html.escapes import mark_up
from clerp.report.html.examples import N_SHOWN
from clerp.report.html.layer_order import FEW_GRAPHS
from clerp.report.html.page import build_page
from clerp.report.html.recorded import RecordedGraph
from clerp.report.html.strata import DEALS, LEVEL, RESAMPLES
from clerp.report.html.templating import open_templates
from clerp.report.rows import percent

SUFFIXES = (".html", ".htm")
_PACKAGE = "clerp.report.html"
_MAX_CHARS = 1000


def write_report(
    recorded: Sequence[RecordedGraph], path: Path, *, before: RecordedGraph | None = None
) -> None:
    """Write a report on labelled graphs, atomically; equal graphs give equal bytes.

    Args:
        recorded: One graph at least.
        path: Of the HTML file.
        before: Another run over the only graph, to compare with.

    Raises:
        UsageError: The name of the file does not end in .html.
        ClerpError: A graph's supernodes cannot be read, or the runs have nothing in common.
        OutputError: The file could not be written; what was there before is unchanged.
    """
    check_name(path)
    write_atomically(render_report(recorded, before=before).encode(), path)


def check_name(path: Path) -> None:
    """Check that a file has the name of a report.

    Raises:
        UsageError: It does not end in .html.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise UsageError(
            "a report is written as HTML",
            where=str(path),
            remedy="Name a file that ends in .html, as in --out report.html",
        )


def render_report(recorded: Sequence[RecordedGraph], *, before: RecordedGraph | None = None) -> str:
    """Render a report as HTML; see `write_report`."""
    style, script = _read("report.css"), _read("report.js")
    return (
        _open()
        .get_template("report.html")
        .render(
            page=build_page(recorded, before),
            policy=_make_policy(style, script),
            # The package's own files, which end no element.
            style=Markup(style),
            script=Markup(script),
            version=version("clerp"),
            percent=percent,
            level=LEVEL,
            resamples=RESAMPLES,
            deals=DEALS,
            few_graphs=FEW_GRAPHS,
            n_examples=N_SHOWN,
        )
    )


@cache
def _open() -> Environment:
    templates = open_templates(_PACKAGE)
    # However much a file says in one place, a report stays readable.
    templates.filters["visible"] = _show  # pyright: ignore[reportUnknownMemberType]
    return templates


def _show(text: str) -> Markup:
    return mark_up(shorten(text, _MAX_CHARS))


def _make_policy(style: str, script: str) -> str:
    """Forbid everything but this style and this script; the icon that is none is data."""
    return (
        f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )


def _hash(content: str) -> str:
    return f"'sha256-{b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"


@cache
def _read(name: str) -> str:
    return files(_PACKAGE).joinpath("static", name).read_text("utf-8")
