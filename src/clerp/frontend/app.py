"""The routes of circuit-tracer's page, for one graph."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, FastAPI, Header, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict
from starlette.responses import (
    HTMLResponse,
    JSONResponse,
    PlainTextResponse,
    RedirectResponse,
    Response,
)

from clerp.errors import ClerpError
from clerp.frontend.examples import Examples
from clerp.frontend.opened import OpenedGraph, ViewerSettings
from clerp.frontend.page import INDEX, VERSION_HEADER, Page
from clerp.frontend.served import EXAMPLES
from clerp.local_page.entry import REFUSED, let_in
from clerp.local_page.security import ENTRY, HEADERS, Access, Guard, Refusal

_JSON = "application/json"
_POLICY = "content-security-policy"


class Saved(BaseModel):
    """What the page's Save posts."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    qParams: ViewerSettings  # noqa: N815 - the page's own word
    timestamp: str = ""


@dataclass(frozen=True, slots=True)
class Site:
    """What the routes answer from."""

    opened: OpenedGraph
    examples: Examples
    page: Page
    access: Access
    report: Callable[[str], None]
    """Is told what was saved, and what could not be shown or saved."""


def build_app(site: Site) -> FastAPI:
    """Build the page of one graph."""
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    app.state.site = site
    app.add_middleware(Guard, access=site.access, write_refusal=_write_refusal)
    app.add_api_route("/save_graph/{slug}", _save, methods=["POST"], response_class=Response)
    for path, answer in _READING.items():
        app.add_api_route(path, answer, methods=["GET"], response_class=Response)
    for kind, answer in _FAULTS.items():
        app.add_exception_handler(kind, answer)
    return app


def _write_refusal(method: str, refusal: Refusal) -> Response:
    return PlainTextResponse(refusal.what, refusal.status, headers=refusal.headers)


async def _get_site(request: Request) -> Site:
    site: Site = request.app.state.site
    return site


_Site = Annotated[Site, Depends(_get_site)]
_Version = Annotated[str, Header(alias=VERSION_HEADER)]


async def _enter(request: Request, site: _Site, token: str = "") -> Response:
    return let_in(request, site.access, token) or PlainTextResponse(REFUSED, 403)


async def _go_to_graph(site: _Site) -> Response:
    return RedirectResponse(site.opened.write_address(), 303)


async def _show_page(site: _Site) -> Response:
    return HTMLResponse(site.page.show(site.access.csrf), headers={_POLICY: site.page.policy})


async def _list_graphs(site: _Site) -> Response:
    return Response(site.opened.encode_index(), media_type=_JSON)


async def _send_graph(slug: str, site: _Site) -> Response:
    if slug != site.opened.slug:
        raise HTTPException(404)
    return Response(site.opened.encode(), media_type=_JSON)


def _send_examples(number: str, site: _Site) -> Response:
    # No coroutine: a source may ask a server, and the page goes on meanwhile.
    record = site.examples.read(number)
    if record is None:
        raise HTTPException(404)
    return JSONResponse(record)


async def _save(slug: str, body: Saved, site: _Site, version: _Version = "") -> Response:
    if slug != site.opened.slug:
        raise HTTPException(404)
    version = site.opened.save(body.qParams, version)
    site.report(f"Saved: {site.opened.path}")
    return PlainTextResponse("saved", headers={VERSION_HEADER: version})


async def _send_file(path: str, site: _Site) -> Response:
    file = site.page.files.get(path)
    if file is None:
        raise HTTPException(404)
    return Response(file.content, headers={"content-type": file.type})


_READING = {
    ENTRY: _enter,
    "/": _go_to_graph,
    f"/{INDEX}": _show_page,
    "/data/graph-metadata.json": _list_graphs,
    "/graph_data/{slug}.json": _send_graph,
    f"/{EXAMPLES}/{{transcoders}}/{{number}}.json": _send_examples,
    # Last, since it fits every path; files are looked up in a list and never opened by name.
    "/{path:path}": _send_file,
}


async def _answer_clerp(request: Request, fault: ClerpError) -> Response:
    request.app.state.site.report(f"clerp: {fault}")
    return PlainTextResponse(str(fault), 409)


async def _answer_malformed(request: Request, fault: RequestValidationError) -> Response:
    return PlainTextResponse("This is not what the page sends: load it again", 422)


async def _answer_bug(request: Request, fault: Exception) -> Response:
    answer = PlainTextResponse(f"{type(fault).__name__}: see the terminal", 500)
    # Answered outside of the guard, which adds them otherwise.
    answer.headers.update(HEADERS)
    # The server hangs up after a bug; what the browser sends next must not go the same way.
    answer.headers["connection"] = "close"
    return answer


_FAULTS: Mapping[type[Exception], Callable[..., Awaitable[Response]]] = {
    ClerpError: _answer_clerp,
    RequestValidationError: _answer_malformed,
    Exception: _answer_bug,
}
