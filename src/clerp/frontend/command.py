"""`clerp open`: look at a graph in circuit-tracer's own frontend."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from clerp.config import resolve_settings
from clerp.terminal import tell

_PORT = 8048


def open_graph(
    graph: Annotated[Path, typer.Argument(help="Attribution graph: JSON, .gz, .zst; .pt.")],
    features: Annotated[
        str | None,
        typer.Option(help="Activation examples to show: folder, file or NAME:ARGUMENT."),
    ] = None,
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port on this machine; 0: a free one.")
    ] = _PORT,
    browser: Annotated[
        bool, typer.Option("--browser/--no-browser", help="Open the page in the browser.")
    ] = True,
    offline: Annotated[
        bool | None, typer.Option("--offline", help="Ask no server, also where --features does.")
    ] = None,
    max_graph_bytes: Annotated[
        int | None, typer.Option(help="Largest graph, in bytes of JSON: 1073741824.")
    ] = None,
) -> None:
    """Open a graph in circuit-tracer's frontend; Ctrl-C ends it. Its Save writes to the file."""
    from clerp.frontend.app import Site, build_app
    from clerp.frontend.examples import Examples, open_source
    from clerp.frontend.opened import OpenedGraph
    from clerp.frontend.page import read_page
    from clerp.local_page.entry import announce
    from clerp.local_page.security import Access
    from clerp.local_page.server import serve

    given = {"features": features, "offline": offline, "max_graph_bytes": max_graph_bytes}
    settings = resolve_settings(given).settings
    opened = OpenedGraph(graph, settings.max_graph_bytes)
    for note in opened.list_notes():
        tell(note)
    examples = Examples(opened.graph, open_source(graph, opened.graph, settings))
    access = Access()
    page = build_app(Site(opened, examples, read_page(), access, tell))
    with TemporaryDirectory(prefix="clerp-open-") as folder:
        serve(
            page,
            port,
            lambda at: announce("Graph", access.make_link(at), Path(folder), opens=browser),
        )
