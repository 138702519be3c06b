"""Files of ordinary text: tensors and a JSON header as safetensors, packed with zstd."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Generic, NoReturn, TypeVar, cast

import msgspec
import numpy as np

from clerp.errors import EvidenceError, MissingEvidenceError

MAX_BYTES = 2**28
"""Largest file, unpacked."""
REMEDY = "Install clerp again, or make the file again with clerp calibrate"

_HEADER = "header"
_LEVEL = 19


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """What the header of every file says first."""

    format: str
    version: int


HeaderT = TypeVar("HeaderT", bound=Header)


@dataclass(frozen=True, slots=True, eq=False)
class Archive(Generic[HeaderT]):
    """A file that was read, whose tensors are still to be checked."""

    header: HeaderT
    tensors: Mapping[str, np.ndarray]
    digest: str
    """sha256 of the file."""
    where: str
    """What an error calls the file."""

    def take(self, name: str, dtype: type[np.generic], shape: tuple[int, ...]) -> np.ndarray:
        """Return a tensor.

        Raises:
            EvidenceError: There is none of this type and shape, or not all of it is finite.
        """
        tensor = self.tensors.get(name)
        self.require(tensor is not None, f"no tensor {name!r}")
        tensor = cast(np.ndarray, tensor)
        found = f"{tensor.dtype} {tensor.shape}"
        fits = tensor.dtype == dtype and tensor.shape == shape
        self.require(fits, f"tensor {name!r} is {found}, not {np.dtype(dtype)} {shape}")
        self.require(bool(np.isfinite(tensor).all()), f"tensor {name!r} holds what is not finite")
        return tensor

    def count(self, name: str) -> int:
        """Return the number of rows of a tensor.

        Raises:
            EvidenceError: There is no such tensor, or it has no rows.
        """
        tensor = self.tensors.get(name)
        self.require(tensor is not None and tensor.ndim > 0, f"no tensor {name!r}")
        return len(cast(np.ndarray, tensor))

    def take_words(self, name: str) -> tuple[str, ...]:
        """Return words that `pack_words` packed.

        Raises:
            EvidenceError: There are none.
        """
        packed = self.take(name, np.uint8, (self.count(name),)).tobytes()
        try:
            return tuple(msgspec.json.decode(packed, type=list[str]))
        except (ValueError, RecursionError) as error:
            raise EvidenceError(
                f"tensor {name!r} is no list of words", where=self.where, remedy=REMEDY
            ) from error

    def require(self, holds: bool, otherwise: str) -> None:
        """Check what every file of this kind keeps to.

        Raises:
            EvidenceError: This one does not.
        """
        if not holds:
            _refuse(otherwise, self.where)


def pack(header: Header, tensors: Mapping[str, np.ndarray]) -> bytes:
    """Pack a header and tensors; equal ones give equal bytes."""
    import zstandard

    save = cast(Any, import_module("safetensors.numpy")).save
    named = np.frombuffer(msgspec.json.encode(header), dtype=np.uint8)
    contiguous = {name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}
    content: bytes = save({_HEADER: named, **contiguous})
    return zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True).compress(content)


def pack_words(words: tuple[str, ...]) -> np.ndarray:
    """Return words as a tensor of bytes, their JSON."""
    return np.frombuffer(msgspec.json.encode(words), dtype=np.uint8)


def read_archive(path: Path, kind: type[HeaderT], expected: Header) -> Archive[HeaderT]:
    """Read a file that `pack` made.

    Args:
        path: Of the file, of which errors say the name only.
        kind: Type of its header.
        expected: The format and version to read.

    Raises:
        MissingEvidenceError: There is no such file.
        EvidenceError: It cannot be read, is damaged, too large, or of another format or version.
    """
    content = _read(path)
    tensors = _unpack(content, path.name)
    named = tensors.pop(_HEADER, np.empty(0, dtype=np.uint8)).tobytes()
    header = _read_header(named, kind, expected, path.name)
    return Archive(header, tensors, hashlib.sha256(content).hexdigest(), path.name)


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except FileNotFoundError as error:
        raise MissingEvidenceError(
            "there is no such file of ordinary text", where=path.name, remedy=REMEDY
        ) from error
    except OSError as error:
        raise EvidenceError(
            f"cannot be read: {error.strerror}", where=path.name, remedy="Check the file's rights"
        ) from error
    if len(content) > MAX_BYTES:
        _refuse(f"more than {MAX_BYTES:,} bytes", path.name)
    return content


def _unpack(content: bytes, where: str) -> dict[str, np.ndarray]:
    import zstandard

    load = cast(Any, import_module("safetensors.numpy")).load
    fault: type[Exception] = cast(Any, import_module("safetensors")).SafetensorError
    try:
        # The size that a frame claims is reserved before anything is unpacked.
        if not 0 <= zstandard.frame_content_size(content) <= MAX_BYTES:
            _refuse(f"unpacks to no known size, or to more than {MAX_BYTES:,} bytes", where)
        return load(zstandard.ZstdDecompressor().decompress(content, allow_extra_data=False))
    except zstandard.ZstdError as error:
        raise EvidenceError(f"damaged zstd data: {error}", where=where, remedy=REMEDY) from error
    # An unknown type of tensor is a KeyError, one of half a byte an AttributeError.
    except (fault, KeyError, ValueError, AttributeError, TypeError) as error:
        raise EvidenceError(f"no safetensors: {error}", where=where, remedy=REMEDY) from error


def _read_header(named: bytes, kind: type[HeaderT], expected: Header, where: str) -> HeaderT:
    try:
        stamp = msgspec.json.decode(named, type=Header)
        if stamp.format != expected.format:
            _refuse(f"is {stamp.format!r}, not {expected.format!r}", where)
        if stamp.version != expected.version:
            _refuse(f"is version {stamp.version}; clerp reads version {expected.version}", where)
        return msgspec.json.decode(named, type=kind)
    except (ValueError, RecursionError) as error:
        raise EvidenceError(f"broken header: {error}", where=where, remedy=REMEDY) from error


def _refuse(what: str, where: str) -> NoReturn:
    raise EvidenceError(what, where=where, remedy=REMEDY)
