"""circuit-tracer's page and its files, such that they need no other host."""

import base64
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType

from clerp.errors import PluginError
from clerp.frontend.scripts import SCRIPTS

INDEX = "index.html"
OWN = "clerp"
"""Folder under which clerp's own files are served."""
VERSION = "clerp"
"""Parameter of the page's address that says which settings of the file the page started from."""
VERSION_HEADER = "x-clerp-version"
"""Of a save, and of its answer: the same."""

_TYPES = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8"}
_MAX_BYTES = 4 * 2**20
_FOREIGN_SCRIPT = re.compile(r"""<script src=["'](https?://[^"']+)["']></script>\n?""")
_FOREIGN = re.compile(r"""(?:src|href)\s*=\s*["']?(?:https?:)?//[^"'\s>]*""")
_INLINE_SCRIPT = re.compile(r"<script>(.*?)</script>", re.DOTALL)
_TOKEN = "token-of-the-run"
# An icon that is not asked for is none that lacks.
_HEAD = f"""<link rel='icon' href='data:,'>
<meta name='clerp-csrf' content='{_TOKEN}'>
<script src='./{OWN}/fetch.js'></script>
"""
# The page posts neither the token nor what its address says of the settings that it started from;
# this adds both, and writes into the address what the answer to a save says.
_FETCH = """(() => {
  const csrf = document.querySelector("meta[name=clerp-csrf]").content;
  const ask = window.fetch;
  window.fetch = async (address, asked = {}) => {
    if (asked.method !== "POST") return ask(address, asked);
    const version = new URL(location).searchParams.get("clerp") || "";
    const own = { "x-csrf-token": csrf, "x-clerp-version": version };
    const answer = await ask(address, { ...asked, headers: { ...asked.headers, ...own } });
    const written = answer.ok && answer.headers.get("x-clerp-version");
    if (written) {
      const url = new URL(location);
      url.searchParams.set("clerp", written);
      history.replaceState(null, "", url);
    }
    return answer;
  };
})();
"""


@dataclass(frozen=True, slots=True)
class File:
    """A file that is served."""

    content: bytes
    type: str


@dataclass(frozen=True, slots=True)
class Page:
    """The page and all that it loads."""

    html: str
    """With a placeholder for the token of the run; see `show`."""
    policy: str
    """Its Content-Security-Policy."""
    files: Mapping[str, File]
    """By path, without a slash in front."""

    def show(self, csrf: str) -> str:
        """Return the page of one run.

        Args:
            csrf: What it is to send with all that it posts.
        """
        return self.html.replace(_TOKEN, csrf, 1)


@cache
def read_page() -> Page:
    """Read the frontend of the installed circuit-tracer.

    Raises:
        PluginError: It is not installed, has no frontend, or one that asks hosts for scripts that
            clerp does not have.
    """
    folder = find_frontend()
    html = _read(folder / INDEX).decode().replace("\r\n", "\n")
    own = {f"{OWN}/{s.name}": File(s.read(), _TYPES[".js"]) for s in SCRIPTS.values() if s}
    own[f"{OWN}/fetch.js"] = File(_FETCH.encode(), _TYPES[".js"])
    rewritten = rewrite_page(html)
    return Page(rewritten, make_policy(rewritten), MappingProxyType(_read_files(folder) | own))


def find_frontend() -> Path:
    """Return the folder of circuit-tracer's frontend; nothing of it is imported.

    Raises:
        PluginError: There is none.
    """
    found = find_spec("circuit_tracer")
    if found is None or not found.submodule_search_locations:
        raise PluginError(
            "circuit-tracer is not installed, whose frontend opens graphs",
            remedy="Run: pip install clerp-circuit-tracer",
        )
    folder = Path(found.submodule_search_locations[0]) / "frontend" / "assets"
    if not (folder / INDEX).is_file():
        raise PluginError(
            "the installed circuit-tracer has no frontend",
            where=str(folder),
            remedy="Run: pip install --upgrade circuit-tracer",
        )
    return folder


def rewrite_page(html: str) -> str:
    """Make the page load every script from where it came from itself, and one of clerp's first.

    Raises:
        PluginError: It asks for something that clerp does not have.
    """
    local = _FOREIGN_SCRIPT.sub(_localise, html)
    if foreign := _FOREIGN.search(local):
        raise PluginError(
            f"the installed circuit-tracer's page loads {foreign[0]}, which clerp has not",
            remedy="Run: pip install circuit-tracer==0.5.0",
        )
    return local.replace("<script", f"{_HEAD}<script", 1)


def make_policy(html: str) -> str:
    """Return the Content-Security-Policy of the page.

    Scripts are its own files and, by their hash, those that stand in it: what a graph says as HTML
    is never run. Styles may stand in the page, since its own
    scripts write them so. Nothing is asked of other hosts.
    """
    scripts = " ".join(_hash(script) for script in _INLINE_SCRIPT.findall(html))
    return (
        f"default-src 'none'; script-src 'self' {scripts}; style-src 'self' 'unsafe-inline'; "
        "connect-src 'self'; img-src data:; frame-ancestors 'none'; base-uri 'none'; "
        "form-action 'none'"
    )


def _localise(script: re.Match[str]) -> str:
    address = script[1]
    if address not in SCRIPTS:
        return script[0]
    known = SCRIPTS[address]
    return f"<script src='./{OWN}/{known.name}'></script>\n" if known else ""


def _hash(script: str) -> str:
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return f"'sha256-{digest}'"


def _read_files(folder: Path) -> dict[str, File]:
    return {
        path.relative_to(folder).as_posix(): File(_read(path), _TYPES[path.suffix])
        for path in sorted(folder.rglob("*"))
        if path.suffix in _TYPES and path.is_file()
    }


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_BYTES + 1)
    except OSError as fault:
        raise PluginError(f"cannot be read: {fault.strerror}", where=str(path)) from fault
    if len(content) > _MAX_BYTES:
        raise PluginError(f"more than {_MAX_BYTES:,} bytes", where=str(path))
    return content
