"""A document to a file: all of it or nothing."""

import os
import shlex
from collections.abc import Mapping
from pathlib import Path

import msgspec

from clerp.errors import OutputError
from clerp.graph.compression import compress
from clerp.graph.temporary import Temporary, open_temporary


def write_document(document: Mapping[str, object], path: Path) -> None:
    """Write a document as compact JSON on one line; `.gz` and `.zst` compress it.

    Equal documents give equal bytes. White space of the input is not kept; numbers are: a float is
    written with the shortest digits that read back as the same float.

    Raises:
        OutputError: It could not be written. What was at `path` before is whole.
    """
    write_atomically(encode(document, path), path)


def encode(document: Mapping[str, object], path: Path) -> bytes | bytearray:
    """Encode a document for the suffix of `path`.

    Raises:
        OutputError: It holds something that JSON does not.
    """
    try:
        # One buffer for the text and its end of line: a copy would double a large graph.
        text = bytearray()
        msgspec.json.Encoder().encode_into(document, text)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise OutputError(f"cannot be written as JSON: {error}", where=str(path)) from error
    text += b"\n"
    return compress(text, path.suffix)


def check_destination(path: Path) -> None:
    """Find out whether a file could be written, before anything is done that it is written for.

    Raises:
        OutputError: Nothing could be written at `path`, where nothing has changed.
    """
    _check_name(path)
    try:
        _refuse_irregular(path)
        with open_temporary(path) as temporary:
            _write_synced(b"", temporary, None)
    except (OSError, ValueError) as error:
        raise _explain(error, path) from error


def write_atomically(data: bytes | bytearray, path: Path) -> None:
    """Replace a file by way of a temporary one beside it, safe from a crash at any moment.

    A file that holds the same already is left alone.

    Raises:
        OutputError: It could not be written, or is no regular file and would be lost.
    """
    _check_name(path)
    try:
        _refuse_irregular(path)
        if _holds(path, data):
            return
        with open_temporary(path) as temporary:
            _write_synced(data, temporary, _mode_of(path))
            temporary.path.replace(path)
    except (OSError, ValueError) as error:
        raise _explain(error, path) from error
    _sync_folder(path)


def _check_name(path: Path) -> None:
    if not path.name:
        raise OutputError("names no file", where=repr(str(path)), remedy="Name a file to write to")


def _refuse_irregular(path: Path) -> None:
    """Refuse what a rename would put a file in the place of: `--out /dev/null`, a pipe, a link."""
    if path.is_symlink():
        raise OutputError(
            "is a symbolic link", where=str(path), remedy="Name the file it points to"
        )
    if path.is_dir():
        raise OutputError("is a folder", where=str(path), remedy="Name a file in it")
    if path.exists() and not path.is_file():
        raise OutputError("is not a regular file", where=str(path), remedy="Name another file")


def _mode_of(path: Path) -> int | None:
    try:
        return path.stat().st_mode & 0o7777
    except FileNotFoundError:
        return None


def _holds(path: Path, data: bytes | bytearray) -> bool:
    try:
        return path.stat().st_size == len(data) and path.read_bytes() == data
    except OSError:
        # Not there, or not to be read; whether it can be replaced is another question.
        return False


def _write_synced(data: bytes | bytearray, temporary: Temporary, mode: int | None) -> None:
    with os.fdopen(temporary.descriptor, "wb", closefd=False) as file:
        if mode is not None:
            temporary.path.chmod(mode)
        file.write(data)
        file.flush()
        os.fsync(temporary.descriptor)


def _sync_folder(path: Path) -> None:
    try:
        descriptor = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise OutputError(
            f"is written, but may not outlast a power cut: {error.strerror}",
            where=str(path),
            remedy="Check the disk and write it again",
        ) from error


def _explain(error: OSError | ValueError, path: Path) -> OutputError:
    # Some file systems, /proc for one, say "not found" of a folder that takes no new file.
    if isinstance(error, FileNotFoundError) and not path.parent.is_dir():
        return OutputError(
            "its folder does not exist",
            where=str(path),
            remedy=f"Run: mkdir -p {shlex.quote(str(path.parent))}",
        )
    fault = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return OutputError(
        f"could not be written: {fault}",
        where=str(path),
        remedy="Free the place or choose another with --out; what was there is unchanged",
    )
