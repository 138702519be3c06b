"""Evidence from bins: one file of packed records for each layer, with an index of byte offsets.

`index.json.gz` gives each layer's `filename` and `offsets`; record i stands at bytes `offsets[i]`
to `offsets[i + 1]` and is a little-endian uint32 length with as many bytes of gzip or zlib (read
from circuit-tracer's `init-feature-examples.js`; no writer is public).
"""

import struct
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Annotated

import msgspec
import numpy as np
from jaxtyping import Int64

from clerp.errors import EvidenceError
from clerp.evidence.record import EvidenceGap
from clerp.evidence.storage import (
    MAX_RECORD_BYTES,
    NO_RECORD,
    RawRecord,
    check_size,
    describe,
    read_file,
    unpack,
)
from clerp.feature import FeatureId

INDEX = "index.json.gz"
MAX_INDEX_BYTES = 2**30
"""Largest index, unpacked: 62 layers of 262,144 features take about 200 MB."""

_AGAIN = f"Download {INDEX} again"
_LENGTH = struct.Struct("<I")
_Index = list[msgspec.Raw] | dict[str, msgspec.Raw]


class _LayerEntry(msgspec.Struct):
    filename: str
    offsets: list[Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]]


@dataclass(frozen=True, slots=True, eq=False)
class _Bin:
    """The records of one layer: record i at bytes `offsets[i]` to `offsets[i + 1]`."""

    path: Path
    offsets: Int64[np.ndarray, " boundary"]


class Bins:
    """One file for each layer, with an index of byte offsets.

    Raises:
        EvidenceError: The index is broken.
    """

    def __init__(self, folder: Path) -> None:
        self._index_path = folder / INDEX
        self._entries = _read_index(self._index_path)
        self._bins: dict[int, _Bin | None] = {}

    def fetch(self, feature: FeatureId) -> RawRecord | EvidenceGap:
        """Read one record and nothing else.

        Raises:
            EvidenceError: The index does not fit the bin of this layer.
        """
        layer, index, _ = feature
        if layer not in self._bins:
            self._bins[layer] = self._open_bin(layer)
        records = self._bins[layer]
        if records is None:
            return EvidenceGap(feature, f"{NO_RECORD}: the index has no layer {layer}")
        if not 0 <= index < len(records.offsets) - 1:
            return EvidenceGap(feature, NO_RECORD)
        where = f"{records.path.name} record {index}"
        try:
            content = _read_record(records, index)
        except (EvidenceError, OSError) as error:
            return EvidenceGap(feature, f"{where}: {describe(error)}")
        return RawRecord(content, where) if content else EvidenceGap(feature, NO_RECORD)

    def _open_bin(self, layer: int) -> _Bin | None:
        entry = self._entries.get(layer)
        if entry is None:
            return None
        place = f"{self._index_path}: layer {layer}"
        try:
            known = msgspec.json.decode(entry, type=_LayerEntry | None)
        except (ValueError, RecursionError) as error:
            raise EvidenceError(str(error), where=place, remedy=_AGAIN) from error
        if known is None:
            return None
        path = self._index_path.parent / _check_name(known.filename, place)
        offsets = np.array(known.offsets, dtype=np.int64)
        _check_offsets(offsets, path, place)
        return _Bin(path, offsets)


def _read_index(path: Path) -> dict[int, msgspec.Raw]:
    """Read the entry of each layer, from a list or from a dict by layer number."""
    try:
        content = read_file(path, MAX_INDEX_BYTES)
        layers: _Index = msgspec.json.decode(content, type=_Index)
        if isinstance(layers, list):
            return dict(enumerate(layers))
        return {int(layer): entry for layer, entry in layers.items()}
    except (EvidenceError, OSError, ValueError, RecursionError) as error:
        raise EvidenceError(
            f"broken index: {describe(error)}", where=str(path), remedy=_AGAIN
        ) from error


def _check_name(name: str, place: str) -> str:
    path = PurePosixPath(name)
    if not path.name or path.is_absolute() or ".." in path.parts or "\0" in name or "\\" in name:
        raise EvidenceError(f"{name!r} is no file of this folder", where=place, remedy=_AGAIN)
    return name


def _check_offsets(offsets: Int64[np.ndarray, " boundary"], path: Path, place: str) -> None:
    falls = np.flatnonzero(np.diff(offsets) < 0)
    if len(falls):
        raise EvidenceError(
            f"offset {falls[0] + 1} is smaller than the one before it", where=place, remedy=_AGAIN
        )
    try:
        size = path.stat().st_size
    except OSError as error:
        raise EvidenceError(
            f"{path.name}: {describe(error)}", where=place, remedy="Download the bin"
        ) from error
    end = int(offsets[-1]) if len(offsets) else 0
    if end > size:
        raise EvidenceError(
            f"offsets end at byte {end}, but {path.name} has {size} bytes",
            where=place,
            remedy="Download the bin again",
        )


def _read_record(records: _Bin, index: int) -> bytes:
    """Read and unpack one record; an empty one says that there is no evidence."""
    start, end = (int(offset) for offset in records.offsets[index : index + 2])
    if start == end:
        return b""
    with records.path.open("rb") as file:
        file.seek(start)
        prefix = file.read(min(_LENGTH.size, end - start))
        if len(prefix) < _LENGTH.size:
            raise EvidenceError("record cut short")
        (length,) = _LENGTH.unpack(prefix)
        room = end - start - _LENGTH.size
        if length > room:
            raise EvidenceError(f"length prefix of {length} bytes where the record has {room}")
        check_size(length, MAX_RECORD_BYTES)
        return unpack(file.read(length)) if length else b""
