"""Addresses: which ones are asked, where a redirect may lead, and how they are shown."""

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import SplitResult, urljoin, urlsplit

from clerp.errors import RemoteError, UsageError

# Without a user, and without anything that two parsers could read as different hosts.
_PLAIN_NETLOC = re.compile(r"[A-Za-z0-9.-]+(:[0-9]+)?|\[[0-9A-Fa-f:.]+\](:[0-9]+)?")
_PRINTABLE = re.compile(r"[!-\[\]-~]+")
_PORTS = {"https": 443, "http": 80}


@dataclass(frozen=True, slots=True)
class Origin:
    """Whom an address belongs to; credentials are for one origin only."""

    scheme: str
    host: str
    port: int

    @property
    def is_safe(self) -> bool:
        """Whether nobody on the way can read or change what is said."""
        return self.scheme == "https" or (self.scheme == "http" and _is_loopback(self.host))


def check_base(base: str) -> str:
    """Return an address without the slash at its end.

    Raises:
        UsageError: It is no plain https address (or http of this machine).
    """
    parts = _split(base)
    if parts is None or parts.query or parts.fragment or not find_origin(base).is_safe:
        raise UsageError(
            f"the server address {show(base)!r} cannot be used",
            remedy="Write https://HOST, without user, ? or #; http:// only for this machine",
        )
    return base.rstrip("/")


def find_origin(url: str) -> Origin:
    """Say whom an address belongs to; empty where it cannot be read."""
    parts = _split(url)
    if parts is None:
        return Origin("", "", 0)
    return Origin(parts.scheme, parts.hostname or "", parts.port or _PORTS.get(parts.scheme, 0))


def find_target(url: str, location: str, allowed: Sequence[str]) -> str:
    """Return where a redirect leads.

    Args:
        url: What was asked.
        location: What the server said, absolute or relative.
        allowed: Hosts, or what they end in, that may be asked besides the own one.

    Raises:
        RemoteError: It leads to another host, or from https to http.
    """
    target = _join(url, location)
    here, there = find_origin(url), find_origin(target)
    if not there.is_safe or (here.scheme == "https" and there.scheme != "https"):
        raise RemoteError("the server redirects to no safe address", where=show(url))
    known = (here.host, *allowed)
    if not any(there.host == host or there.host.endswith(f".{host}") for host in known):
        raise RemoteError(
            f"the server redirects to {there.host}, which is not its own", where=show(url)
        )
    return target.partition("#")[0]


def show(url: str) -> str:
    """Write an address without what may be secret: user, query and fragment."""
    shown = re.split(r"[?#]", url, maxsplit=1)[0]
    return re.sub(r"//[^/]*@", "//", shown)


def _join(url: str, location: str) -> str:
    try:
        return urljoin(url, location) if _PRINTABLE.fullmatch(location) else ""
    except ValueError:
        return ""


def _split(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        known = parts.scheme in _PORTS and parts.port != 0
    except ValueError:
        return None
    plain = _PRINTABLE.fullmatch(url) and _PLAIN_NETLOC.fullmatch(parts.netloc)
    return parts if known and plain else None


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
