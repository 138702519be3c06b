"""How a browser gets in: by a link that works once, against a cookie."""

import webbrowser
from html import escape
from pathlib import Path

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from clerp.local_page.security import Access, name_cookie
from clerp.terminal import tell

REFUSED = "This address lets one browser in, once"
# The link is opened from a file, which is another site to the browser: a strict cookie does not go
# along a redirect, but with what this page then asks for itself.
_ENTERED = """<!doctype html>
<meta charset="utf-8">
<meta http-equiv="refresh" content="0; url=/">
<link rel="icon" href="data:,">
<title>clerp</title>
<a href="/">To the page</a>
"""


def let_in(request: Request, access: Access, ticket: str) -> Response | None:
    """Exchange a ticket for a cookie, and go on to the page; None where the ticket is worth none.

    Who has the cookie needs no ticket.
    """
    name = name_cookie(request.scope)
    if access.admits(request.cookies.get(name, "")):
        return HTMLResponse(_ENTERED)
    if not access.redeem(ticket):
        return None
    answer = HTMLResponse(_ENTERED)
    answer.set_cookie(name, access.cookie, path="/", httponly=True, samesite="strict")
    return answer


def announce(what: str, link: str, folder: Path, *, opens: bool) -> None:
    """Tell the link, and hand it to the browser.

    Args:
        what: Is to be seen there.
        link: Lets one browser in.
        folder: That only its owner reads.
        opens: Whether to open it.
    """
    tell(f"{what}: {link}")
    tell("The address lets one browser in, once. Ctrl-C ends the page.")
    if opens:
        # In a file, since everybody on this machine sees with what a program was started.
        page = folder / "open.html"
        page.write_text(f'<meta http-equiv="refresh" content="0; url={escape(link)}">')
        webbrowser.open(page.as_uri())
