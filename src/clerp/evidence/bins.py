"""Evidence from bins: one file of packed records for each layer, with an index of byte offsets.

`index.json.gz` gives each layer's `filename` and `offsets`; record i stands at bytes `offsets[i]`
to `offsets[i + 1]` and is a little-endian uint32 length with as many bytes of gzip or zlib (read
from circuit-tracer's `init-feature-examples.js`; no writer is public).
"""

import json
import re
import struct
from collections.abc import Callable, Sequence, Sized
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
MAX_INDEX_BYTES = 2**29
"""Largest index, unpacked: 62 layers of 262,144 features take about 200 MB."""
PREFIX_BYTES = 4
"""What stands before a packed record: its length."""

MAX_LAYERS = 1_000
"""Most layers of an index."""
MAX_OFFSETS = 2**22
"""Most offsets of a layer: transcoders have up to 2**20 features."""

_AGAIN = f"Download {INDEX} again"
_LENGTH = struct.Struct("<I")
_Index = list[msgspec.Raw] | dict[str, msgspec.Raw]
_NUMBERS = re.compile(rb":\s*+\[[0-9\s,]*+\]")
# An index without its offsets, of which 1,000 layers take 50 kB.
_MAX_OUTLINE_BYTES = 2**20
_LAYER = re.compile(r"0|[1-9][0-9]{0,8}")


class _LayerEntry(msgspec.Struct):
    filename: str
    offsets: list[Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]]


@dataclass(frozen=True, slots=True)
class Span:
    """The bytes of a bin in which a record stands, `end` not included."""

    start: int
    end: int

    @property
    def size(self) -> int:
        """Number of bytes; 0 where there is no record."""
        return self.end - self.start


@dataclass(frozen=True, slots=True, eq=False)
class LayerIndex:
    """Where the records of one layer stand: record i at bytes `offsets[i]` to `offsets[i + 1]`."""

    filename: str
    """Path of the bin, relative to the index; never outside of its folder."""
    offsets: Int64[np.ndarray, " boundary"]
    where: str
    """What an error calls this layer of the index."""

    def find(self, index: int) -> Span | None:
        """Return the span of a record; None beyond the last one."""
        if not 0 <= index < len(self.offsets) - 1:
            return None
        return Span(int(self.offsets[index]), int(self.offsets[index + 1]))

    def name_record(self, index: int) -> str:
        """Return what a reason calls a record."""
        return f"{PurePosixPath(self.filename).name} record {index}"

    def check_fits(self, n_bytes: int) -> None:
        """Check that the records end within a bin of so many bytes.

        Raises:
            EvidenceError: They do not.
        """
        end = int(self.offsets[-1]) if len(self.offsets) else 0
        if end > n_bytes:
            name = PurePosixPath(self.filename).name
            raise EvidenceError(
                f"offsets end at byte {end}, but {name} has {n_bytes} bytes",
                where=self.where,
                remedy="Download the bin again",
            )


def split_index(content: bytes, where: str) -> dict[int, msgspec.Raw]:
    """Split an unpacked index into the JSON of its layers, from a list or a dict by layer number.

    Raises:
        EvidenceError: It is broken.
    """
    try:
        _check_outline(content)
        layers: _Index = msgspec.json.decode(content, type=_Index)
        if isinstance(layers, list):
            return dict(enumerate(layers))
        return {_read_number(layer): entry for layer, entry in layers.items()}
    except (ValueError, RecursionError, EvidenceError) as error:
        raise _refuse(error, where) from error


def read_layer(entry: bytes | msgspec.Raw, where: str) -> LayerIndex | None:
    """Read what the index says of one layer; None where it says that there is nothing.

    Args:
        entry: JSON, as `split_index` gives it.
        where: What an error calls this layer of the index.

    Raises:
        EvidenceError: It is broken, or names a file outside of the folder.
    """
    entry = bytes(entry)
    if entry.count(b",") > MAX_OFFSETS:
        raise EvidenceError(f"more than {MAX_OFFSETS:,} offsets", where=where, remedy=_AGAIN)
    try:
        known = msgspec.json.decode(entry, type=_LayerEntry | None)
    except (ValueError, RecursionError) as error:
        raise EvidenceError(str(error), where=where, remedy=_AGAIN) from error
    if known is None:
        return None
    _check_name(known.filename, where)
    offsets = np.array(known.offsets, dtype=np.int64)
    _check_rise(offsets, where)
    return LayerIndex(known.filename, offsets, where)


def read_record(read: Callable[[int], bytes], n_bytes: int) -> bytes:
    """Read and unpack a record; an empty one says that there is no evidence.

    Args:
        read: Returns the next bytes of the bin, from the record's first on.
        n_bytes: Size of its span, in which it may end early.

    Raises:
        EvidenceError: It is damaged, cut short or too large.
    """
    if not n_bytes:
        return b""
    prefix = read(min(_LENGTH.size, n_bytes))
    if len(prefix) < _LENGTH.size:
        raise EvidenceError("record cut short")
    (length,) = _LENGTH.unpack(prefix)
    room = n_bytes - _LENGTH.size
    if length > room or (room and not length):
        raise EvidenceError(f"length prefix of {length} bytes where the record has {room}")
    check_size(length, MAX_RECORD_BYTES)
    return unpack(read(length)) if length else b""


@dataclass(frozen=True, slots=True)
class _Bin:
    path: Path
    index: LayerIndex


class Bins:
    """One file for each layer, with an index of byte offsets.

    Raises:
        EvidenceError: The index is broken.
    """

    def __init__(self, folder: Path) -> None:
        self._index_path = folder / INDEX
        self._entries = split_index(_read_index(self._index_path), str(self._index_path))
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
        span = records.index.find(index)
        if span is None:
            return EvidenceGap(feature, NO_RECORD)
        where = records.index.name_record(index)
        try:
            content = _read_span(records.path, span)
        except (EvidenceError, OSError) as error:
            return EvidenceGap(feature, f"{where}: {describe(error)}")
        return RawRecord(content, where) if content else EvidenceGap(feature, NO_RECORD)

    def _open_bin(self, layer: int) -> _Bin | None:
        entry = self._entries.get(layer)
        if entry is None:
            return None
        index = read_layer(entry, f"{self._index_path}: layer {layer}")
        if index is None:
            return None
        path = self._index_path.parent / index.filename
        index.check_fits(_measure(path, index.where))
        return _Bin(path, index)


def _read_index(path: Path) -> bytes:
    try:
        return read_file(path, MAX_INDEX_BYTES)
    except (EvidenceError, OSError) as error:
        raise _refuse(error, str(path)) from error


def _refuse(error: Exception, where: str) -> EvidenceError:
    return EvidenceError(f"broken index: {describe(error)}", where=where, remedy=_AGAIN)


def _check_outline(content: bytes) -> None:
    """Check what stands around the offsets, before anything is built from what may be a bomb."""
    outline = _NUMBERS.sub(b":[]", content, count=MAX_LAYERS)
    if len(outline) > _MAX_OUTLINE_BYTES:
        raise EvidenceError("too much besides offsets of whole numbers")
    layers: object = json.loads(outline.decode(), object_pairs_hook=_refuse_repeats)
    n_layers = len(layers) if isinstance(layers, Sized) else 0
    if n_layers > MAX_LAYERS:
        raise EvidenceError(f"{n_layers:,} layers, of which at most {MAX_LAYERS:,} are read")


def _refuse_repeats(pairs: Sequence[tuple[str, object]]) -> dict[str, object]:
    known: dict[str, object] = {}
    for key, value in pairs:
        if key in known:
            raise EvidenceError(f"{key!r} is given twice")
        known[key] = value
    return known


def _read_number(layer: str) -> int:
    if _LAYER.fullmatch(layer) is None:
        raise EvidenceError(f"{layer!r} is no number of a layer")
    return int(layer)


def _check_name(name: str, where: str) -> None:
    path = PurePosixPath(name)
    if not path.name or path.is_absolute() or ".." in path.parts or "\0" in name or "\\" in name:
        raise EvidenceError(f"{name!r} is no file of this folder", where=where, remedy=_AGAIN)


def _check_rise(offsets: Int64[np.ndarray, " boundary"], where: str) -> None:
    falls = np.flatnonzero(np.diff(offsets) < 0)
    if len(falls):
        raise EvidenceError(
            f"offset {falls[0] + 1} is smaller than the one before it", where=where, remedy=_AGAIN
        )


def _measure(path: Path, where: str) -> int:
    try:
        return path.stat().st_size
    except OSError as error:
        raise EvidenceError(
            f"{path.name}: {describe(error)}", where=where, remedy="Download the bin"
        ) from error


def _read_span(path: Path, span: Span) -> bytes:
    if not span.size:
        return b""
    # Not buffered: a buffer reads what nobody asked for.
    with path.open("rb", buffering=0) as file:
        file.seek(span.start)
        return read_record(file.read, span.size)
