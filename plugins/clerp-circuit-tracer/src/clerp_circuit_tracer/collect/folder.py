"""A `features/` folder in circuit-tracer's layout: an index and one file of records a layer.

Record i of `layer_{n}.bin` stands at bytes `offsets[i]` to `offsets[i + 1]`: a little-endian uint32
length, then as many bytes of gzip. Equal evidence gives equal bytes.
"""

import gzip
import json
import os
import shutil
import struct
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import msgspec

from clerp.errors import OutputError
from clerp_circuit_tracer.collect.records import Record

SUMMARY = "collection.json"


def write_folder(
    out: Path,
    layers: Iterable[Mapping[int, Record]],
    n_features: int,
    summary: Mapping[str, object],
) -> None:
    """Write a folder, whole or not at all.

    Args:
        out: The folder, which must not exist.
        layers: Of each layer of the transcoders, in order, the records by feature index.
        n_features: Features of each layer.
        summary: What the folder was made with and from.

    Raises:
        OutputError: It could not be written, or is there already.
    """
    partial = out.with_name(f".{out.name}.partial")
    try:
        _discard(partial)
        partial.mkdir()
        index = {
            str(layer): _write_layer(partial / f"layer_{layer}.bin", records, n_features)
            for layer, records in enumerate(layers)
        }
        with create_synced(partial / "index.json.gz") as file:
            file.write(_pack(index))
        with create_synced(partial / SUMMARY) as file:
            file.write(json.dumps(summary, ensure_ascii=False, indent=2).encode() + b"\n")
        sync_folder(partial)
        refuse_existing(out)
        partial.rename(out)
        sync_folder(out.parent)
    except OSError as error:
        raise OutputError(
            f"cannot be written: {error.strerror}", where=str(out), remedy="Check the disk"
        ) from error
    finally:
        _discard(partial)


def check_parent(out: Path) -> None:
    """Refuse to write in a folder that is not there.

    Raises:
        OutputError: It is not.
    """
    if not out.parent.is_dir():
        raise OutputError("is no folder", where=str(out.parent), remedy="Make it first")


def refuse_existing(out: Path) -> None:
    """Refuse to write in the place of anything.

    Raises:
        OutputError: Something is there, or nothing can be there.
    """
    if is_there(out):
        raise OutputError(
            "is there already", where=str(out), remedy="Name another folder, or remove this one"
        )


def is_there(path: Path) -> bool:
    """Say whether a path is taken.

    Raises:
        OutputError: Nothing can be there: the name is too long, for one.
    """
    try:
        return path.is_symlink() or path.exists()
    except (OSError, ValueError) as error:
        raise OutputError(
            f"cannot be written: {error}", where=str(path.parent), remedy="Name another folder"
        ) from error


def read_summary(out: Path) -> dict[str, object] | None:
    """Read what a folder says of itself; None where it is no finished collection."""
    try:
        return msgspec.json.decode((out / SUMMARY).read_bytes(), type=dict[str, object])
    except (OSError, ValueError):
        return None


@contextmanager
def create_synced(path: Path) -> Iterator[IO[bytes]]:
    """Open a file for writing that is on the disk when the body ends."""
    with path.open("wb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Put the names of a folder's files on the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write_layer(path: Path, records: Mapping[int, Record], n_features: int) -> dict[str, object]:
    offsets, end = [0], 0
    with create_synced(path) as file:
        for index in range(n_features):
            if index in records:
                packed = _pack(records[index])
                end += file.write(struct.pack("<I", len(packed)) + packed)
            offsets.append(end)
    return {"filename": path.name, "offsets": offsets}


def _pack(value: object) -> bytes:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    # A time stamp would make equal evidence unequal bytes.
    return gzip.compress(text.encode(), compresslevel=9, mtime=0)


def _discard(partial: Path) -> None:
    if partial.is_dir():
        shutil.rmtree(partial)
