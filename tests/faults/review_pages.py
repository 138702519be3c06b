"""Review pages in processes of their own, and the browser of one who decides there.

with start_pages(tmp_path) as pages, pages.open(ledger) as page:
    with page.enter() as visitor:
        visitor.decide(item, "edit", label="Texas")
    page.kill()
"""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import IO

import httpx
from tests.unit.review.web.visitor import SHOWN

_HERE = Path(__file__).parent
_FLAGS = ("--port", "0", "--no-browser", "--review-cover", "1", "--artefacts")
_LINK = re.compile(r"Review: (http://\S+)")
_CSRF = re.compile(r'name="csrf-token" content="([^"]+)"')
_SEEN = re.compile(r'"seen": ?(\d+)')
_TIMEOUT = 60.0


class EndedError(Exception):
    """A page ended without having told its address; what it said instead."""


@dataclass
class Visitor:
    """Who has opened the link."""

    client: httpx.Client
    address: str
    csrf: str
    seen: dict[str, int] = field(default_factory=dict)
    """Number of the last decision that was seen, by feature."""

    def look(self, item: str) -> httpx.Response:
        """Open the page of a feature."""
        shown = self.client.get(f"/item/{item}")
        if shown.is_success:
            (seen,) = _SEEN.findall(shown.text)
            self.seen[item] = int(seen)
        return shown

    def decide(self, item: str, act: str, **more: str) -> httpx.Response:
        """Send a decision about what was last seen of a feature, which is opened if it never was.

        Returns:
            The answer to the first of the two that is refused, else to the decision.
        """
        if item not in self.seen and not (shown := self.look(item)).is_success:
            return shown
        told = {**SHOWN, "seen": self.seen[item]}
        answer = self.post(f"/item/{item}/decision", act=act, **told, **more)
        if answer.is_success:
            self.seen[item] += 1
        else:
            del self.seen[item]
        return answer

    def post(self, path: str, **body: object) -> httpx.Response:
        headers = {"origin": self.address, "x-csrf-token": self.csrf}
        return self.client.post(path, json=body, headers=headers)


@dataclass
class Page:
    """One run of `clerp review`."""

    process: int
    err: IO[str]

    @contextmanager
    def enter(self) -> Iterator[Visitor]:
        """Open the link.

        Raises:
            EndedError: There is none.
        """
        link = self._await_link()
        address = str(link.join("/")).rstrip("/")
        with httpx.Client(base_url=address, timeout=_TIMEOUT) as client:
            entered = client.get(link.raw_path.decode())
            assert entered.status_code == httpx.codes.OK, entered.text
            (csrf,) = _CSRF.findall(client.get("/list").text)
            yield Visitor(client, address, csrf)

    def kill(self) -> None:
        os.kill(self.process, signal.SIGKILL)

    def await_end(self) -> str:
        """Wait until the process has ended; return what it said last."""
        return self.err.read()

    def _await_link(self) -> httpx.URL:
        line = self.err.readline()
        found = _LINK.match(line)
        if found is None:
            raise EndedError(line + self.err.read())
        self.err.readline()
        return httpx.URL(found[1])


@dataclass(frozen=True)
class Pages:
    """Starts pages, one after the other."""

    folder: Path
    process: "subprocess.Popen[str]"
    numbers: Iterator[int] = field(default_factory=count)

    @contextmanager
    def open(
        self, ledger: Path | str, *flags: str, fault: Mapping[str, object] | None = None
    ) -> Iterator[Page]:
        """Start a page; it is gone when the block is left."""
        pipe = self.folder / f"err-{next(self.numbers)}"
        os.mkfifo(pipe)
        order: dict[str, object] = {
            "err": str(pipe),
            "arguments": ["--ledger", str(ledger), *_FLAGS, *flags],
        }
        if fault is not None:
            order["fault"] = dict(fault)
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        number = int(self.process.stdout.readline())
        with pipe.open() as err:
            page = Page(number, err)
            try:
                yield page
            finally:
                with suppress(ProcessLookupError):
                    page.kill()
                page.await_end()


@contextmanager
def start_pages(folder: Path, **environment: str) -> Iterator[Pages]:
    """Start what pages are forked from."""
    with subprocess.Popen(
        [sys.executable, _HERE / "forked_pages.py"],
        cwd=folder,
        env={**os.environ, **environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield Pages(folder, process)
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(30) == 0
