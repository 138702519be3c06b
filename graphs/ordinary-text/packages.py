"""Packages that carry the texts, fetched with the registries' own clients, and what is in them."""

from __future__ import annotations

import gzip
import hashlib
import io
import logging
import re
import shutil
import subprocess
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

logger = logging.getLogger(__name__)


class BuildError(Exception):
    """A step could not do its work; the message says which input to look at."""


@dataclass(frozen=True)
class Package:
    """One pinned archive.

    Attributes:
        client: `npm` for a tarball, `apt-get` for a package of Debian 12.
        requirement: Name and version in the client's own notation.
        filename: What the client calls the archive.
        sha256: Digest of the archive this build was made from.
    """

    client: Literal["npm", "apt-get"]
    requirement: str
    filename: str
    sha256: str


def fetch_package(package: Package, folder: Path) -> Path:
    """Download `package` into `folder` unless it is there, and check its digest.

    Returns:
        The archive's path.

    Raises:
        BuildError: The client is missing or fails, or the archive is not the pinned one.
    """
    archive = folder / package.filename
    if not archive.exists():
        folder.mkdir(parents=True, exist_ok=True)
        logger.info("fetching %s", package.requirement)
        _run([*_fetch_command(package), package.requirement], folder)
    if not archive.exists():
        raise BuildError(f"{package.client} did not leave {package.filename}")
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    if digest != package.sha256:
        raise BuildError(f"{package.filename} has sha256 {digest}, expected {package.sha256}")
    return archive


def read_members(archive: Path, pattern: str) -> list[str]:
    """Return the texts of a package's files whose paths match, in order of the paths.

    Raises:
        BuildError: There is none, or the archive cannot be opened.
    """
    content = archive.read_bytes()
    if archive.suffix == ".deb":
        content = _run([_find("dpkg-deb"), "--fsys-tarfile", archive.name], archive.parent)
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        members = {m.name: m for m in tar if m.isfile() and re.fullmatch(pattern, m.name)}
        files = [tar.extractfile(members[name]) for name in sorted(members)]
        # Fortunes and the Jargon File hold single bytes of Latin-1.
        texts = [_unpack(file.read()).decode(errors="replace") for file in files if file]
    if not texts:
        raise BuildError(f"{archive.name} has no file that matches {pattern}")
    return texts


def _unpack(content: bytes) -> bytes:
    # dictzip is gzip.
    return gzip.decompress(content) if content.startswith(b"\x1f\x8b") else content


def _fetch_command(package: Package) -> Sequence[str]:
    if package.client == "npm":
        return [_find("npm"), "pack", "--silent"]
    return [_find("apt-get"), "download", "-qq"]


def _find(program: str) -> str:
    path = shutil.which(program)
    if path is None:
        raise BuildError(f"{program} is needed; it is not installed")
    return path


def _run(command: Sequence[str], folder: Path) -> bytes:
    done = subprocess.run(command, cwd=folder, capture_output=True, check=False)
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip()
        raise BuildError(f"{Path(command[0]).name} failed with {command[-1]}: {said}")
    return done.stdout
