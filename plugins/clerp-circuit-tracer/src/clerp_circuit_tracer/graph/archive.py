"""The file of a saved graph, judged before anything of it is loaded.

`torch.save` writes a zip archive of one pickle and the bytes of every tensor. A pickle names what
is called to build its objects, so the names decide whether it is safe to load.
"""

import os
import pickletools
import re
import stat
import struct
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from clerp.errors import GraphError

CONFIG_NAME = "circuit_tracer.utils.tl_nnsight_mapping.UnifiedConfig"
TARGET_NAME = "circuit_tracer.attribution.targets.LogitTarget"

MAX_BYTES = 8 * 2**30
"""Largest file: an adjacency matrix of 46,000 nodes in single precision."""
MAX_PICKLE_BYTES = 4 * 2**20
"""Largest pickle: it holds texts and numbers, but no tensor."""
_MAX_ENTRIES = 1000
_ZIP = b"PK\x03\x04"
# The last records of a zip archive (PKWARE's APPNOTE, 4.3.14 to 4.3.16), without what is not read.
_END = struct.Struct("<4s8xIIH")
_LOCATOR = struct.Struct("<4s4xQ4x")
_LARGE_END = struct.Struct("<4s36xQQ")
_TAIL_BYTES = _LARGE_END.size + _LOCATOR.size + _END.size
_PROTOCOL = 2

_PLAIN = re.compile(
    r"collections\.OrderedDict"
    r"|torch\._utils\._rebuild_tensor_v2"
    r"|torch\.(?:Bool|Byte|Char|Short|Int|Long|Half|BFloat16|Float|Double)Storage"
    r"|torch\.(?:bool|uint8|int8|int16|int32|int64|bfloat16|float16|float32|float64)"
    f"|{re.escape(CONFIG_NAME)}|{re.escape(TARGET_NAME)}"
)
"""All that a graph's pickle may name. torch's own list of safe names has more than a graph needs,
`bytearray` among them, of which one call takes any amount of memory."""

_SHOWN_NAMES = 5
_SHOWN_CHARS = 80
_SAVE_AGAIN = "Save it again with Graph.to_pt of circuit-tracer 0.5.0"
_DAMAGED = "Copy or save the file again"


def check_archive(path: Path) -> None:
    """Find out whether a file is a saved graph that is safe to load, without loading it.

    Raises:
        GraphError: It cannot be read, is no archive of `torch.save`, is larger than it may be, or
            names anything but tensors and circuit-tracer's two records.
    """
    where = str(path)
    try:
        # Before it is opened: opening a pipe waits for somebody to write.
        status = path.stat()
        _check_file(status, where)
        with path.open("rb") as file:
            _check_start(file, where)
            with zipfile.ZipFile(file) as archive:
                _check_end(file, status.st_size, where)
                pickle = _read_pickle(archive, status.st_size, where)
    except (zipfile.BadZipFile, RuntimeError, EOFError) as error:
        raise GraphError(f"damaged archive: {error}", where=where, remedy=_DAMAGED) from error
    except (OSError, ValueError) as error:
        fault = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise GraphError(f"cannot be read: {fault}", where=where, remedy="Check it") from error
    with warnings.catch_warnings():
        # Of strange escapes in a text, which torch refuses anyway.
        warnings.simplefilter("ignore", DeprecationWarning)
        names = set(_list_names(pickle, where))
    _check_names(names, where)


def _check_file(status: os.stat_result, where: str) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise GraphError("not a regular file", where=where, remedy="Name the .pt file itself")
    if status.st_size > MAX_BYTES:
        raise GraphError(
            f"larger than {MAX_BYTES // 2**30} GiB",
            where=where,
            remedy="Write it as JSON with circuit_tracer.utils.create_graph_files",
        )


def _check_start(file: IO[bytes], where: str) -> None:
    if file.read(len(_ZIP)) != _ZIP:
        raise GraphError(
            "no archive of torch.save: a bare pickle, torch's format before 1.6, or another file",
            where=where,
            remedy=f"{_SAVE_AGAIN}, if you trust it",
        )


def _check_end(file: IO[bytes], n_bytes: int, where: str) -> None:
    """Refuse an archive with room for a second directory, which torch might read instead.

    zipfile looks for the directory right before the records at the end, torch where these say.
    """
    file.seek(max(0, n_bytes - _TAIL_BYTES))
    if not _is_plain_end(file.read(_TAIL_BYTES), n_bytes):
        raise GraphError(
            "no archive of torch.save: its directory is not where its end says",
            where=where,
            remedy=_SAVE_AGAIN,
        )


def _is_plain_end(tail: bytes, n_bytes: int) -> bool:
    records, end = tail[: -_END.size], tail[-_END.size :]
    _, size, offset, n_comment = _END.unpack(end)
    place = n_bytes - _END.size
    if records[-_LOCATOR.size :].startswith(b"PK\x06\x07"):
        place -= _LOCATOR.size + _LARGE_END.size
        _, located = _LOCATOR.unpack(records[-_LOCATOR.size :])
        sign, size, offset = _LARGE_END.unpack(records[: -_LOCATOR.size])
        if sign != b"PK\x06\x06" or located != place:
            return False
    return n_comment == 0 and end.startswith(b"PK\x05\x06") and offset + size == place


def _read_pickle(archive: zipfile.ZipFile, n_bytes: int, where: str) -> bytes:
    entries = archive.infolist()
    _check_entries(entries, n_bytes, where)
    # torch takes the folder of the first entry for that of the archive.
    folder = entries[0].filename.partition("/")[0] if entries else ""
    found = [entry for entry in entries if entry.filename == f"{folder}/data.pkl"]
    if not found:
        raise GraphError("no archive of torch.save: no data.pkl", where=where, remedy=_SAVE_AGAIN)
    if found[0].file_size > MAX_PICKLE_BYTES:
        raise GraphError(
            f"data.pkl is larger than {MAX_PICKLE_BYTES // 2**20} MiB",
            where=where,
            remedy=_SAVE_AGAIN,
        )
    return archive.read(found[0])


def _check_entries(entries: list[zipfile.ZipInfo], n_bytes: int, where: str) -> None:
    """Refuse what unpacks to more than the file: torch stores every entry as it is, and once."""
    faults = {
        "its entries are compressed": any(
            entry.compress_type != zipfile.ZIP_STORED or entry.file_size != entry.compress_size
            for entry in entries
        ),
        "its entries overlap": sum(entry.file_size for entry in entries) > n_bytes,
        "two entries have one name": (
            len({entry.filename.casefold() for entry in entries}) < len(entries)
        ),
        f"more than {_MAX_ENTRIES} entries": len(entries) > _MAX_ENTRIES,
    }
    for fault, present in faults.items():
        if present:
            raise GraphError(f"no archive of torch.save: {fault}", where=where, remedy=_SAVE_AGAIN)


def _list_names(pickle: bytes, where: str) -> Iterator[str]:
    """Read the pickle's instructions, without following them, for all that it names."""
    try:
        for opcode, argument, _ in pickletools.genops(pickle):
            if opcode.name == "GLOBAL":
                yield str(argument).replace(" ", ".", 1)
            elif opcode.name == "PROTO" and argument != _PROTOCOL:
                raise GraphError(
                    f"pickle protocol {argument}, torch.save has {_PROTOCOL}",
                    where=f"{where}, data.pkl",
                    remedy=_SAVE_AGAIN,
                )
            elif opcode.name in ("INST", "STACK_GLOBAL", "EXT1", "EXT2", "EXT4"):
                yield f"{opcode.name} instruction"
    except ValueError as error:
        raise GraphError(
            f"damaged pickle: {error}", where=f"{where}, data.pkl", remedy=_DAMAGED
        ) from error


def _check_names(names: set[str], where: str) -> None:
    strange = sorted(name for name in names if not _PLAIN.fullmatch(name))
    if not strange:
        return
    shown = ", ".join(repr(name[:_SHOWN_CHARS]) for name in strange[:_SHOWN_NAMES])
    more = f" and {len(strange) - _SHOWN_NAMES} more" if len(strange) > _SHOWN_NAMES else ""
    if any(name.startswith("transformer_lens.") for name in strange):
        raise GraphError(
            f"saved by a circuit-tracer before 0.3, with objects of TransformerLens: {shown}{more}",
            where=where,
            remedy="Turn it into JSON with create_graph_files of the circuit-tracer that saved it, "
            "which runs what the file says: only if you trust it",
        )
    raise GraphError(
        f"not safe to load: it names {shown}{more}, which no graph needs",
        where=where,
        remedy="Do not open it with torch.load or Graph.from_pt; ask for the graph as JSON",
    )
