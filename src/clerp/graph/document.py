"""A file, or what somebody parsed already, to the JSON document of a graph.

A document is a plain dict, so that keys that clerp does not know survive. msgspec decodes it: it
refuses NaN and lone surrogates, and integers of any size stay integers.
"""

import json
import re
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, NoReturn, cast

import msgspec

from clerp.errors import GraphError
from clerp.graph.compression import decompress, explain_oversize
from clerp.graph.shape import NOT_A_GRAPH

Document = dict[str, Any]

DEFAULT_MAX_BYTES = 1024**3
"""Cap on the bytes of one graph, in the file and decompressed."""

_BOM = b"\xef\xbb\xbf"
_OFFSET = re.compile(r"^(?:JSON is malformed: )?(?P<fault>.*) \(byte (?P<offset>\d+)\)$")
_NUMBER = re.compile(rb"-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
# CPython turns no longer literal into an int, to bound the time it takes.
_MAX_DIGITS = 4300


class _Fault(NamedTuple):
    offset: int
    what: str
    remedy: str


def load_document(path: Path, max_bytes: int) -> Document:
    """Read one JSON object from a plain, gzip or zstd file.

    Raises:
        GraphError: No readable regular file, above the cap, cut short, or not a JSON object.
    """
    where = str(path)
    return decode_document(decompress(_read_bytes(path, max_bytes), max_bytes, where), where)


def copy_document(given: Mapping[str, object], where: str, max_bytes: int) -> Document:
    """Copy a parsed graph by way of JSON, so that what can be read can also be written.

    Raises:
        GraphError: It holds something that JSON does not (NaN, an array, itself), or is too large.
    """
    try:
        text = json.dumps(given if isinstance(given, dict) else dict(given), separators=(",", ":"))
    except (TypeError, ValueError) as error:
        raise GraphError(
            f"not JSON: {error}", where=where, remedy="Give what json.load returns"
        ) from error
    except RecursionError as error:
        raise GraphError("nested too deeply", where=where, remedy=NOT_A_GRAPH) from error
    if len(text) > max_bytes:
        raise explain_oversize(max_bytes, where)
    return decode_document(text.encode(), where)


def decode_document(data: bytes, where: str) -> Document:
    """Decode the bytes of one JSON object.

    Raises:
        GraphError: Not JSON (with line and column), or another value than an object.
    """
    try:
        document = msgspec.json.decode(data.removeprefix(_BOM))
    except RecursionError as error:
        raise GraphError("nested too deeply", where=where, remedy=NOT_A_GRAPH) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        _raise_malformed(error, data.removeprefix(_BOM), where)
    if not isinstance(document, dict):
        raise GraphError(
            f"not an attribution graph: expected an object, got {type(document).__name__}",
            where=where,
            remedy=NOT_A_GRAPH,
        )
    return cast("Document", document)


def _read_bytes(path: Path, max_bytes: int) -> bytes:
    try:
        with path.open("rb") as file:
            status = path.stat()
            if not stat.S_ISREG(status.st_mode):
                raise GraphError(
                    "not a regular file", where=str(path), remedy="Save the graph to a file first"
                )
            if status.st_size > max_bytes:
                raise explain_oversize(max_bytes, str(path))
            return file.read()
    except (OSError, ValueError) as error:
        raise _explain_unreadable(error, path) from error


def _explain_unreadable(error: OSError | ValueError, path: Path) -> GraphError:
    if isinstance(error, FileNotFoundError):
        return GraphError("there is no such file", where=str(path), remedy="Check the path")
    if isinstance(error, IsADirectoryError):
        return GraphError(
            "this is a folder", where=str(path), remedy="Name the graph's JSON file in it"
        )
    fault = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return GraphError(f"cannot be read: {fault}", where=str(path), remedy="Check the file")


def _raise_malformed(
    error: msgspec.DecodeError | UnicodeDecodeError, data: bytes, where: str
) -> NoReturn:
    fault = _diagnose(error, data)
    line = data.count(b"\n", 0, fault.offset) + 1
    start = data.rfind(b"\n", 0, fault.offset) + 1
    column = len(data[start : fault.offset].decode("utf-8", "replace")) + 1
    raise GraphError(
        f"not JSON: {fault.what}",
        where=f"{where}, line {line}, column {column}",
        remedy=fault.remedy,
    ) from error


def _diagnose(error: msgspec.DecodeError | UnicodeDecodeError, data: bytes) -> _Fault:
    """Find the byte that a decoder refused, name the fault and say what to do."""
    if isinstance(error, UnicodeDecodeError):
        return _Fault(_find_bad_utf8(data), "invalid UTF-8", "Save the file as UTF-8")
    if located := _OFFSET.match(str(error)):
        offset = int(located["offset"])
        for literal in ("NaN", "Infinity"):
            if data.startswith(literal.encode(), offset):
                return _Fault(offset, f"{literal} is no JSON number", "Write null in its place")
        # msgspec has read the first of trailing characters when it stops.
        offset -= located["fault"] == "trailing characters"
        return _Fault(offset, located["fault"], "Correct it there, or export the graph again")
    if "out of range" in str(error):
        return _Fault(_find_huge_number(data), "a number out of range", "Write null in its place")
    return _Fault(len(data), "the text ends too early", "Fetch or export the file again")


def _find_bad_utf8(data: bytes) -> int:
    try:
        data.decode()
    except UnicodeDecodeError as error:
        return error.start
    return 0


def _find_huge_number(data: bytes) -> int:
    for match in _NUMBER.finditer(data):
        number = match.group()
        digits = number.removeprefix(b"-")
        if float(number) in (float("inf"), float("-inf")) and (
            not digits.isdigit() or len(digits) > _MAX_DIGITS
        ):
            return match.start()
    return 0
