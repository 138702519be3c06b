"""The routes of the page.

Handlers run in the event loop, one after the other: the session belongs to one person and one
thread, and answers from a local ledger in milliseconds.
"""

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Literal

from fastapi import Depends, FastAPI, HTTPException, Query, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from clerp.errors import (
    ClerpError,
    ConflictError,
    LedgerBusyError,
    UnknownItemError,
    UsageError,
)
from clerp.local_page.entry import REFUSED, let_in
from clerp.local_page.security import ENTRY, HEADERS, Access, Guard, Refusal
from clerp.report.html.escapes import spell_out
from clerp.review.item import Sight
from clerp.review.session import ReviewSession
from clerp.review.web.assets import read_assets
from clerp.review.web.faults import answer_fault
from clerp.review.web.keys import ROLE_KEYS, list_keys
from clerp.review.web.pages import address_item, build_item_page
from clerp.review.web.rendering import render
from clerp.review.web.wording import say_disputed, say_progress, say_share, say_standing
from clerp.router import Role

_PAGE_SIZE = 50
_MAX_OFFSET = 10**7
_MAX_TEXT = 10_000
_ITEM = re.compile(r"[0-9a-f]{64}")
_KEPT = "private, max-age=31536000, immutable"


class DecisionBody(BaseModel):
    """What the page sends when a person decides."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    act: Literal["accept", "edit", "reject", "role", "skip", "flag", "comment"]
    seen: Annotated[int, Field(ge=0, le=2**53)]
    label: Annotated[str, Field(max_length=_MAX_TEXT)] = ""
    role: Role | Literal[""] = ""
    comment: Annotated[str, Field(max_length=_MAX_TEXT)] = ""
    seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    saw_proposal: bool
    """Whether what clerp proposes was on screen, whatever the terms say now."""
    saw_others: bool


def build_app(session: ReviewSession, access: Access) -> FastAPI:
    """Build the page of one person at the queue.

    Args:
        session: What is judged, and by whom.
        access: Who may see it.
    """
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    app.state.session = session
    app.state.access = access
    app.add_middleware(Guard, access=access, write_refusal=_write_refusal)
    for path, answer in _READING.items():
        app.add_api_route(path, answer, methods=["GET"], response_class=Response)
    for path, answer in _CHANGING.items():
        app.add_api_route(path, answer, methods=["POST"], response_class=Response)
    for kind, answer in _FAULTS.items():
        app.add_exception_handler(kind, answer)
    return app


def _write_refusal(method: str, refusal: Refusal) -> Response:
    return answer_fault(method, refusal.status, refusal.what, refusal.headers)


async def _get_session(request: Request) -> ReviewSession:
    session: ReviewSession = request.app.state.session
    return session


async def _get_access(request: Request) -> Access:
    access: Access = request.app.state.access
    return access


async def _check_item(item: str) -> str:
    if _ITEM.fullmatch(item) is None:
        raise HTTPException(404)
    return item


_Session = Annotated[ReviewSession, Depends(_get_session)]
_Access = Annotated[Access, Depends(_get_access)]
_Item = Annotated[str, Depends(_check_item)]


async def _enter(request: Request, access: _Access, token: str = "") -> Response:
    return let_in(request, access, token) or answer_fault("GET", 403, REFUSED)


async def _go_on(session: _Session, access: _Access) -> Response:
    item = session.find_next()
    if item is not None:
        return RedirectResponse(address_item(item), 303)
    return _answer_page("done.html", session, access, {})


async def _show_item(item: _Item, session: _Session, access: _Access) -> Response:
    shown = build_item_page(session.show(item))
    place = session.place(item)
    context = {
        "page": shown,
        "place": place,
        "progress": say_progress(place),
        "previous": _address(session.find_neighbour(item, -1)),
        "following": _address(session.find_neighbour(item, 1)),
        "role_keys": ROLE_KEYS,
    }
    return _answer_page("item.html", session, access, context)


async def _decide(item: _Item, body: DecisionBody, session: _Session) -> Response:
    try:
        made = session.decide(
            item,
            act=body.act,
            seen=body.seen,
            label=body.label,
            role=body.role,
            comment=body.comment,
            seconds=body.seconds,
            sight=Sight(body.saw_proposal, body.saw_others),
        )
    except ConflictError as fault:
        conflict = {"conflict": spell_out(str(fault)), "url": address_item(item)}
        return JSONResponse(conflict, 409)
    label = spell_out(made.label)
    if body.act in ("flag", "comment"):
        return JSONResponse({"next": address_item(item), "label": label})
    following = session.find_next(after=item)
    # Where it is the only one left, the same page again would look as if nothing had happened.
    address = "/list" if following == item else _address(following) or "/"
    return JSONResponse({"next": address, "label": label})


async def _undo(session: _Session) -> Response:
    return _answer_taken(session, session.undo())


async def _redo(session: _Session) -> Response:
    return _answer_taken(session, session.redo())


def _answer_taken(session: ReviewSession, item: str | None) -> Response:
    # Decisions of a file may be about features that no run here has seen.
    is_shown = item is None or session.has_item(item)
    return JSONResponse({"next": _address(item) if is_shown else "/list"})


async def _list_queue(
    session: _Session,
    access: _Access,
    offset: Annotated[int, Query(ge=0, le=_MAX_OFFSET)] = 0,
) -> Response:
    rows = session.list_items(limit=_PAGE_SIZE, offset=offset)
    context = {
        "rows": rows,
        "n_items": session.count_items(),
        "offset": offset,
        "page_size": _PAGE_SIZE,
        "say_share": say_share,
        "address_item": address_item,
    }
    return _answer_page("list.html", session, access, context)


async def _list_disputes(session: _Session, access: _Access) -> Response:
    context = {
        "disputes": session.list_disputes(),
        "say_disputed": say_disputed,
        "say_standing": say_standing,
        "address_item": address_item,
    }
    return _answer_page("disputes.html", session, access, context)


async def _show_agreement(session: _Session, access: _Access) -> Response:
    return _answer_page("agreement.html", session, access, {"rows": session.agreement()})


async def _suggest(
    session: _Session, typed: Annotated[str, Query(max_length=_MAX_TEXT)] = ""
) -> Response:
    return JSONResponse({"labels": [spell_out(label) for label in session.suggest(typed)]})


async def _send_file(name: str) -> Response:
    asset = read_assets().get(name)
    if asset is None:
        raise HTTPException(404)
    headers = {"content-type": asset.type, "cache-control": _KEPT}
    return Response(asset.content, headers=headers)


_READING = {
    ENTRY: _enter,
    "/": _go_on,
    "/item/{item}": _show_item,
    "/list": _list_queue,
    "/disputes": _list_disputes,
    "/agreement": _show_agreement,
    "/suggest": _suggest,
    "/static/{name}": _send_file,
}
_CHANGING = {"/item/{item}/decision": _decide, "/undo": _undo, "/redo": _redo}


def _address(item: str | None) -> str | None:
    return None if item is None else address_item(item)


def _answer_page(
    template: str, session: ReviewSession, access: Access, context: Mapping[str, object]
) -> Response:
    shared = {
        "csrf": access.csrf,
        "annotator": session.annotator,
        "task": session.task,
        "guideline": session.guideline,
        "keys": list_keys(session.task),
    }
    return HTMLResponse(render(template, {**shared, **context}))


async def _answer_http(request: Request, fault: StarletteHTTPException) -> Response:
    what = _SENTENCES.get(fault.status_code, "This cannot be answered")
    return answer_fault(request.method, fault.status_code, what, fault.headers)


async def _answer_clerp(request: Request, fault: ClerpError) -> Response:
    status = _STATUS.get(type(fault), 500)
    return answer_fault(request.method, status, str(fault))


async def _answer_bug(request: Request, fault: Exception) -> Response:
    answer = answer_fault(request.method, 500, f"{type(fault).__name__}: see the terminal")
    # Answered outside of the guard, which adds them otherwise.
    answer.headers.update(HEADERS)
    # The server hangs up after a bug; what the browser sends next must not go the same way.
    answer.headers["connection"] = "close"
    return answer


async def _answer_malformed(request: Request, fault: RequestValidationError) -> Response:
    return answer_fault(request.method, 422, "This is not what the page sends: load it again")


_SENTENCES = {404: "There is no such page", 405: "This is not answered here"}
_STATUS: Mapping[type[ClerpError], int] = {
    UnknownItemError: 404,
    UsageError: 400,
    LedgerBusyError: 503,
}
_FAULTS: Mapping[type[Exception], Callable[..., Awaitable[Response]]] = {
    StarletteHTTPException: _answer_http,
    RequestValidationError: _answer_malformed,
    ClerpError: _answer_clerp,
    Exception: _answer_bug,
}
