"""Answers to what went wrong: short, escaped, without a trace of the inside."""

import http
from collections.abc import Mapping

from starlette.responses import HTMLResponse, JSONResponse, Response

from clerp.report.html.escapes import spell_out
from clerp.review.web.rendering import render


def answer_fault(
    method: str, status: int, what: str, headers: Mapping[str, str] | None = None
) -> Response:
    """Say what went wrong: JSON to what was posted, else a page.

    Args:
        method: Of the request.
        status: HTTP's number.
        what: One sentence.
        headers: Of the answer.
    """
    if method == "POST":
        return JSONResponse({"error": spell_out(what)}, status, headers=headers)
    phrase = http.HTTPStatus(status).phrase
    page = render("error.html", {"title": phrase, "what": what})
    return HTMLResponse(page, status, headers=headers)
