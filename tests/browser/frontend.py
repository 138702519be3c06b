"""circuit-tracer's page in a browser: its server, its network and what is seen on it."""

import functools
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Protocol
from urllib.parse import urlencode

from circuit_tracer.frontend.local_server import DEFAULT_FRONTEND_DIR, CircuitGraphHandler
from playwright.sync_api import ConsoleMessage, Dialog, Locator, Page, Route, expect
from tests.browser.hub import HOSTS, Hub
from tests.browser.sample import Sample
from tests.browser.scripts import find_script

_CENTRE_OF_NODE = """(id) => {
  const shown = [...document.querySelectorAll(".link-graph text.node")];
  const place = shown.find((node) => node.__data__.nodeId === id).getScreenCTM();
  return { x: place.e, y: place.f };
}"""
_SPANS = """(spans) => spans.map((span) => {
  const [red, green, blue, alpha = 1] = getComputedStyle(span)
    .backgroundColor.match(/[0-9.]+/g).map(Number);
  return { text: span.textContent, heat: alpha * (1 - (red + green + blue) / 765) };
})"""


@contextmanager
def serve_frontend(graphs: Path) -> Iterator[str]:
    """Serve circuit-tracer's own files by its own handler, but on loopback only."""
    handler = functools.partial(
        CircuitGraphHandler, frontend_dir=DEFAULT_FRONTEND_DIR, data_dir=str(graphs)
    )
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()


@dataclass(frozen=True)
class Span:
    """Tokens of an example that are drawn as one."""

    text: str
    heat: float
    """Darkness of the background, 0 to 1."""


class Frontend:
    """One open page.

    Args:
        page: A fresh one.
        address: Where the frontend is served.
        hub: Answers for the hosts of feature records.
    """

    def __init__(self, page: Page, address: str, hub: Hub) -> None:
        self.page = page
        self.hub = hub
        self.refused: list[str] = []
        """Addresses that neither this machine nor the tables of this folder answer for."""
        self.complaints: list[str] = []
        """Errors on the console, and dialogs."""
        self._expected: list[str] = []
        self._address = address
        page.context.route("**/*", self._answer)
        page.on("console", self._note_error)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("dialog", self._dismiss)
        page.on("websocket", lambda socket: self.refused.append(socket.url))

    def open(self, slug: str, **settings: str) -> None:
        self.page.goto(f"{self._address}index.html?{urlencode({'slug': slug, **settings})}")
        expect(self.page.locator(".link-graph text.node").first).to_be_visible()

    def click(self, node_id: str) -> None:
        place = self.page.evaluate(_CENTRE_OF_NODE, node_id)
        self.page.mouse.click(place["x"], place["y"])

    def hover(self, node_id: str) -> None:
        place = self.page.evaluate(_CENTRE_OF_NODE, node_id)
        self.page.mouse.move(place["x"], place["y"])

    def expect_complaint(self, part: str) -> None:
        """Let errors pass that hold this text, however many there are."""
        self._expected.append(part)

    @property
    def unexpected(self) -> list[str]:
        """Errors that no test expects."""
        return [
            complaint
            for complaint in self.complaints
            if not any(part in complaint for part in self._expected)
        ]

    @property
    def title(self) -> Locator:
        """Layer and index of the feature in the panel: `L14/2268`."""
        return self.page.locator(".feature-detail .feature-title a")

    @property
    def label(self) -> Locator:
        """The label of the feature in the panel."""
        return self.page.locator(".feature-detail .pp-clerp")

    @property
    def rows(self) -> Locator:
        """Labels of the nodes that the clicked one is linked with."""
        return self.page.locator(".node-connections .feature-row .label")

    @property
    def tooltip(self) -> Locator:
        return self.page.locator(".tooltip:not(.tooltip-hidden)")

    @property
    def pinned(self) -> Locator:
        """Labels of the boxes of the subgraph."""
        return self.page.locator(".subgraph .node-text-container span")

    @property
    def examples(self) -> Locator:
        return self.page.locator(".feature-example-list .text-wrapper")

    def predictions(self, row: str) -> Locator:
        """Tokens that the feature promotes (`Top`) or suppresses (`Bottom`)."""
        rows = self.page.locator(".feature-example-logits .ctx-container")
        named = self.page.locator(".logit-label", has_text=row)
        return rows.filter(has=named).locator(".token")

    def read_spans(self, example: Locator) -> list[Span]:
        found = example.locator("span.token").evaluate_all(_SPANS)
        return [Span(**span) for span in found]

    def _answer(self, route: Route) -> None:
        request = route.request
        if request.url.startswith(self._address):
            route.continue_()
        elif (script := find_script(request.url)) is not None:
            route.fulfill(body=script, content_type="text/javascript")
        elif request.url.startswith(HOSTS):
            answer = self.hub.answer(request.method, request.url, request.headers.get("range"))
            route.fulfill(status=answer.status, body=answer.content, headers=dict(answer.headers))
        else:
            self.refused.append(request.url)
            route.abort()

    def _note_error(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.complaints.append(message.text)

    def _dismiss(self, dialog: Dialog) -> None:
        self.complaints.append(f"dialog: {dialog.message}")
        dialog.dismiss()


class Visit(Protocol):
    """Open a labelled graph while these folders of records are published."""

    def __call__(
        self, sample: Sample, published: Mapping[str, Path], **settings: str
    ) -> Frontend: ...
