"""The page's own files: a fixed list, read by name and never by path."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType

_TYPES: Mapping[str, str] = MappingProxyType(
    {
        "review.css": "text/css; charset=utf-8",
        "review.js": "text/javascript; charset=utf-8",
        "theme.js": "text/javascript; charset=utf-8",
        "favicon.svg": "image/svg+xml",
    }
)


@dataclass(frozen=True, slots=True)
class Asset:
    """One file."""

    content: bytes
    type: str
    address: str
    """With a digest, so that browsers may keep it."""


@cache
def read_assets() -> Mapping[str, Asset]:
    """Read all files, by name."""
    return MappingProxyType({name: _read(name, kind) for name, kind in _TYPES.items()})


def _read(name: str, kind: str) -> Asset:
    content = files("clerp.review.web").joinpath("static", name).read_bytes()
    digest = hashlib.sha256(content).hexdigest()[:12]
    return Asset(content, kind, f"/static/{name}?v={digest}")
