"""A served page and a client of it that sends what a test says."""

import json
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
from fastapi import FastAPI

from clerp.local_page.security import Access
from clerp.local_page.server import PageServer
from clerp.review.session import ReviewSession
from clerp.review.web.app import build_app

SHOWN = {"seen": 0, "saw_proposal": True, "saw_others": False}
"""What a page tells with a decision: what it showed of a feature that nobody had decided."""
_WAIT_SECONDS = 30


@dataclass
class Visitor:
    """One client with its cookies; it follows no redirect."""

    app: FastAPI
    access: Access
    address: str
    link: str
    client: httpx.Client

    @property
    def port(self) -> int:
        return httpx.URL(self.address).port or 80

    @property
    def own_headers(self) -> dict[str, str]:
        """What the page's own script sends."""
        return {
            "origin": self.address.rstrip("/"),
            "sec-fetch-site": "same-origin",
            "x-csrf-token": self.access.csrf,
            "content-type": "application/json",
        }

    def get(self, path: str, **headers: str) -> httpx.Response:
        return self.client.get(path, headers=headers)

    def post(self, path: str, body: Any = None, **headers: str) -> httpx.Response:
        """Post as the page does, but for these headers; `_` stands for `-` in their names."""
        changed = {name.replace("_", "-"): value for name, value in headers.items()}
        # In ASCII: httpx refuses halves of characters, which a page may send.
        content = json.dumps(body or {})
        headers = {**self.own_headers, **changed}
        return self.client.post(path, content=content, headers=headers)

    def send_raw(self, request: bytes) -> bytes:
        """Send bytes and return all that comes back until the server hangs up."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=_WAIT_SECONDS) as wire:
            wire.sendall(request)
            wire.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: wire.recv(65536), b""))


@contextmanager
def serve_session(session: ReviewSession) -> Iterator[Visitor]:
    access = Access()
    app = build_app(session, access)
    told: list[str] = []
    is_ready = threading.Event()

    def on_ready(address: str) -> None:
        told.append(address)
        is_ready.set()

    server = PageServer(app, 0, on_ready)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        assert is_ready.wait(_WAIT_SECONDS)
        with httpx.Client(base_url=told[0], timeout=_WAIT_SECONDS) as client:
            yield Visitor(app, access, told[0], access.make_link(told[0]), client)
    finally:
        server.should_exit = True
        thread.join()


def find_text(page: str) -> str:
    """Return what a page says, without its tags."""
    return " ".join(re.sub(r"<[^>]*>", " ", page).split())
