"""The lines of an export's files, one at a time, whatever the size of the file."""

import gzip
import stat
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from io import BufferedIOBase
from pathlib import Path

from clerp.errors import EvidenceError
from clerp.evidence.storage import GZIP, check_size, describe
from clerp_neuronpedia.feature_row import Identity, identify

MAX_LINE_BYTES = 32 * 2**20
"""Longest line, unpacked; an activation of 1,024 tokens takes about 40 kB."""


@dataclass(frozen=True, slots=True)
class RawLine:
    """A line as it stands in a file."""

    number: int
    """Counted from 1."""
    content: bytes
    identity: Identity | None
    """Whose it is; None where the line is broken."""


def read_lines(path: Path) -> Iterator[RawLine]:
    """Read a file line by line, unpacked if it is gzip whatever its name; blank lines are skipped.

    Raises:
        EvidenceError: The file cannot be read, is damaged or cut short, or has a line longer than
            `MAX_LINE_BYTES`.
    """
    number = 0
    try:
        with _open(path) as file:
            while content := file.readline(MAX_LINE_BYTES + 1):
                number += 1
                check_size(len(content), MAX_LINE_BYTES)
                if not content.isspace():
                    yield _read_line(number, content)
    except (EOFError, OSError, zlib.error, EvidenceError) as error:
        raise EvidenceError(
            _describe(error), where=f"{path} line {max(number, 1)}", remedy="Download it again"
        ) from error


def _open(path: Path) -> BufferedIOBase:
    # Opening a named pipe would wait for somebody to write.
    if not stat.S_ISREG(path.stat().st_mode):
        raise EvidenceError("no regular file")
    with path.open("rb") as file:
        packed = file.read(len(GZIP)) == GZIP
    return gzip.open(path) if packed else path.open("rb")


def _read_line(number: int, content: bytes) -> RawLine:
    identity = identify(content)
    if identity is None and not content.endswith(b"\n"):
        raise EvidenceError("file cut short")
    return RawLine(number, content, identity)


def _describe(error: Exception) -> str:
    match error:
        case EOFError():
            return "packed data cut short"
        case gzip.BadGzipFile() | zlib.error():
            return "damaged gzip data"
        case _:
            return describe(error)
