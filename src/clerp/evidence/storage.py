"""Bytes of records from disk: bounded, unpacked, and never an error text with a path."""

import gzip
import stat
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from clerp.errors import EvidenceError

MAX_RECORD_BYTES = 64 * 2**20
"""Largest record, unpacked."""
NO_RECORD = "no record in features/"
"""The reason of a gap where a folder holds nothing of a feature, whatever the folder's name."""

GZIP = b"\x1f\x8b"
_GZIP_OR_ZLIB = 47


@dataclass(frozen=True, slots=True)
class RawRecord:
    """A record, unpacked, and what a reason calls it."""

    content: bytes
    where: str


def read_file(path: Path, limit: int) -> bytes:
    """Read a regular file, unpacked if it is gzip whatever its name.

    Raises:
        EvidenceError: It is no regular file, damaged, or larger than the limit.
        OSError: It cannot be read.
    """
    if not stat.S_ISREG(path.stat().st_mode):
        raise EvidenceError("no regular file")
    with path.open("rb") as file:
        packed = file.read(len(GZIP)) == GZIP
        file.seek(0)
        content = _read_gzip(file, limit) if packed else file.read(limit + 1)
    check_size(len(content), limit)
    return content


def _read_gzip(file: IO[bytes], limit: int) -> bytes:
    try:
        with gzip.GzipFile(fileobj=file) as stream:
            return stream.read(limit + 1)
    except EOFError as error:
        raise EvidenceError("packed data cut short") from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise EvidenceError("damaged gzip data") from error


def check_size(n_bytes: int, limit: int, where: str = "") -> None:
    """Refuse more than `limit` bytes.

    Raises:
        EvidenceError: There are more.
    """
    if n_bytes > limit:
        raise EvidenceError(f"larger than {limit // 2**20} MB", where=where)


def describe(error: Exception) -> str:
    """Say what went wrong without a path, because reasons end up in outputs."""
    match error:
        case EvidenceError():
            return error.what
        case OSError():
            return error.strerror or type(error).__name__
        case _:
            return str(error)


def unpack(packed: bytes) -> bytes:
    """Unpack gzip or zlib data of one record.

    Raises:
        EvidenceError: It is damaged, cut short, or larger than `MAX_RECORD_BYTES` unpacked.
    """
    stream = zlib.decompressobj(_GZIP_OR_ZLIB)
    try:
        content = stream.decompress(packed, MAX_RECORD_BYTES + 1)
    except zlib.error as error:
        raise EvidenceError("damaged gzip or zlib data") from error
    check_size(len(content), MAX_RECORD_BYTES)
    if not stream.eof:
        raise EvidenceError("packed data cut short")
    return content
