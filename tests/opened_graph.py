"""`clerp open` as a server of this process, and a client that sends what a test says."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx

from clerp.config import resolve_settings
from clerp.frontend.app import Site, build_app
from clerp.frontend.examples import Examples, open_source
from clerp.frontend.opened import OpenedGraph
from clerp.frontend.page import read_page
from clerp.local_page.security import Access
from clerp.local_page.server import PageServer

_WAIT_SECONDS = 30
_MAX_BYTES = 2**30


@dataclass
class OpenedSite:
    """A graph that is served, and one client with its cookies; it follows no redirect."""

    opened: OpenedGraph
    address: str
    link: str
    csrf: str
    client: httpx.Client
    told: list[str] = field(default_factory=list)

    @property
    def own_headers(self) -> dict[str, str]:
        """What the page's own script sends when it saves."""
        return {
            "origin": self.address.rstrip("/"),
            "sec-fetch-site": "same-origin",
            "x-csrf-token": self.csrf,
        }

    def enter(self) -> None:
        assert self.client.get(self.link).status_code == httpx.codes.OK

    @property
    def version(self) -> str:
        """What the page's address says of the settings that the file has now."""
        return read_version(self.opened)

    def save(self, settings: dict[str, str | None], version: str | None = None) -> httpx.Response:
        version = self.version if version is None else version
        body = {"qParams": settings, "timestamp": "2026-01-01T00:00:00.000Z"}
        path = f"/save_graph/{self.opened.slug}"
        headers = {**self.own_headers, "x-clerp-version": version}
        return self.client.post(path, json=body, headers=headers)


def read_version(opened: OpenedGraph) -> str:
    """Read from a graph's address which settings a page that is opened now starts from."""
    (version,) = parse_qs(urlsplit(opened.write_address()).query)["clerp"]
    return version


@contextmanager
def serve_opened(path: Path, features: Path | None = None) -> Iterator[OpenedSite]:
    settings = resolve_settings({"features": features and str(features)}, environment={}).settings
    opened = OpenedGraph(path, _MAX_BYTES)
    examples = Examples(opened.graph, open_source(path, opened.graph, settings))
    access = Access()
    told: list[str] = []
    addresses: list[str] = []
    is_ready = threading.Event()

    def on_ready(address: str) -> None:
        addresses.append(address)
        is_ready.set()

    app = build_app(Site(opened, examples, read_page(), access, told.append))
    server = PageServer(app, 0, on_ready)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        assert is_ready.wait(_WAIT_SECONDS)
        address = addresses[0]
        with httpx.Client(base_url=address, timeout=_WAIT_SECONDS) as client:
            yield OpenedSite(opened, address, access.make_link(address), access.csrf, client, told)
    finally:
        server.should_exit = True
        thread.join()
