"""The state of an unfinished collection in one file, whole or absent.

A line of JSON with the collection's identity and how far it is, the arrays as they are in memory,
one after the other, and the sha256 of all that.
"""

import hashlib
from collections.abc import Mapping
from io import BufferedReader
from pathlib import Path

import msgspec
import numpy as np

from clerp.errors import InputError, OutputError
from clerp_circuit_tracer.collect.batches import Mark
from clerp_circuit_tracer.collect.folder import create_synced, sync_folder

Identity = Mapping[str, object]

_MAX_HEADER_BYTES = 2**26
_AGAIN = "Delete it to begin anew"


class _Header(msgspec.Struct):
    identity: dict[str, object]
    mark: Mark


def name_checkpoint(out: Path) -> Path:
    """Return where the unfinished work of a folder is kept: beside it."""
    return out.with_name(f"{out.name}.unfinished")


def save_checkpoint(
    path: Path, identity: Identity, mark: Mark, arrays: Mapping[str, np.ndarray]
) -> None:
    """Replace the checkpoint; whenever the process dies, the old or the new one is there.

    Raises:
        OutputError: It could not be written.
    """
    temporary = path.with_name(f".{path.name}.tmp")
    header = msgspec.json.encode(_Header(dict(identity), mark)) + b"\n"
    try:
        with create_synced(temporary) as file:
            digest = hashlib.sha256()
            for part in (header, *map(_read_bytes, arrays.values())):
                digest.update(part)
                file.write(part)
            file.write(digest.digest())
        temporary.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        raise OutputError(
            f"cannot be written: {error.strerror}",
            where=str(path),
            remedy="Name another folder, or check the disk",
        ) from error
    finally:
        temporary.unlink(missing_ok=True)


def load_checkpoint(path: Path, identity: Identity, arrays: Mapping[str, np.ndarray]) -> Mark:
    """Read a checkpoint into arrays; one without a row in it counts as none, whatever it is of.

    Args:
        path: The checkpoint.
        identity: Of the collection that would go on.
        arrays: Of the shapes that such a collection has; overwritten.

    Returns:
        How far the collection is.

    Raises:
        OutputError: The checkpoint is of another collection.
        InputError: It is damaged.
    """
    try:
        with path.open("rb") as file:
            line = file.readline(_MAX_HEADER_BYTES)
            header = msgspec.json.decode(line, type=_Header)
            if header.mark != Mark():
                _check_identity(header.identity, identity, path)
                _fill(file, line, arrays, path)
    except (OSError, ValueError) as error:
        raise InputError(f"cannot be read: {error}", where=str(path), remedy=_AGAIN) from error
    return header.mark


def _fill(file: BufferedReader, line: bytes, arrays: Mapping[str, np.ndarray], path: Path) -> None:
    digest = hashlib.sha256(line)
    for array in arrays.values():
        part = _read_bytes(array)
        file.readinto(part)
        digest.update(part)
    if file.read(digest.digest_size + 1) != digest.digest():
        raise InputError("is damaged or cut short", where=str(path), remedy=_AGAIN)


def _read_bytes(array: np.ndarray) -> memoryview:
    """Return the memory of a contiguous array."""
    return array.reshape(-1).view(np.uint8).data


def _check_identity(there: Identity, here: Identity, path: Path) -> None:
    difference = find_difference(there, here)
    if difference:
        raise OutputError(
            f"holds the unfinished work of another collection: {difference}",
            where=str(path),
            remedy="Repeat the command that began it, or delete it to begin anew",
        )


def find_difference(there: Identity, here: Identity) -> str:
    """Name the first value in which two collections differ; nothing where none does."""
    return _find_difference(there, msgspec.to_builtins(here), "")


def _find_difference(there: object, here: object, name: str) -> str:
    if isinstance(there, dict) and isinstance(here, dict):
        keys = sorted(there.keys() | here.keys())
        found = (_find_difference(there.get(k), here.get(k), f"{name} {k}".strip()) for k in keys)
        return next(filter(None, found), "")
    if there == here:
        return ""
    if isinstance(there, list) and isinstance(here, list):
        return f"the {name} are not the same ({len(there)} there, {len(here)} here)"
    return f"{name} is {there!r} there and {here!r} here"
