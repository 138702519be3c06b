"""gzip and zstd, told apart by their first bytes, with a bound on what comes out."""

import gzip
import io
import zlib

from clerp.errors import GraphError

_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"
# A zstd block of 4 bytes may stand for 128 KiB: small steps bound what one of them can expand to.
_ZSTD_STEP = 4096
_ZSTD_LEVEL = 3
_GZIP_LEVEL = 6
_GZIP_MAX_RATIO = 1032


def decompress(data: bytes, max_bytes: int, where: str) -> bytes:
    """Undo gzip (of any number of members) or zstd (frames); other bytes come back as they are.

    Raises:
        GraphError: The stream is cut short or damaged, or more than `max_bytes` would come out; not
            much more than that is ever held.
    """
    if data.startswith(_GZIP):
        return _gunzip(data, max_bytes, where)
    if data.startswith(_ZSTD):
        return _unzstd(data, max_bytes, where)
    return data


def explain_oversize(max_bytes: int, where: str) -> GraphError:
    """Make the error for a graph above the cap."""
    return GraphError(
        f"more than {max_bytes:,} bytes of JSON",
        where=where,
        remedy="Raise the cap with --max-graph-bytes if you trust the file",
    )


def compress(data: bytes | bytearray, suffix: str) -> bytes | bytearray:
    """Compress for `.gz` or `.zst` with neither name nor time inside; else return the bytes."""
    if suffix == ".gz":
        return gzip.compress(data, _GZIP_LEVEL, mtime=0)
    if suffix == ".zst":
        import zstandard

        return zstandard.ZstdCompressor(level=_ZSTD_LEVEL).compress(data)
    return data


def _gunzip(data: bytes, max_bytes: int, where: str) -> bytes:
    # read() reserves all that it is asked for, so ask for no more than can come.
    bound = min(max_bytes, _GZIP_MAX_RATIO * len(data))
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as stream:
            text = stream.read(bound + 1)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise _explain_damage(error, where) from error
    if len(text) > max_bytes:
        raise explain_oversize(max_bytes, where)
    return text


def _unzstd(data: bytes, max_bytes: int, where: str) -> bytes:
    import zstandard

    text = bytearray()
    start = 0
    try:
        while start < len(data):
            start = _unzstd_frame(data, start, text, max_bytes, where)
    except zstandard.ZstdError as error:
        raise _explain_damage(error, where) from error
    return bytes(text)


def _unzstd_frame(data: bytes, start: int, text: bytearray, max_bytes: int, where: str) -> int:
    """Append the content of the frame at `start` to `text` and return where the frame ends."""
    import zstandard

    frame = zstandard.ZstdDecompressor().decompressobj()
    for begin in range(start, len(data), _ZSTD_STEP):
        step = data[begin : begin + _ZSTD_STEP]
        text += frame.decompress(step)
        if len(text) > max_bytes:
            raise explain_oversize(max_bytes, where)
        if frame.eof:
            return begin + len(step) - len(frame.unused_data)
    raise _explain_damage("the zstd frame has no end", where)


def _explain_damage(fault: Exception | str, where: str) -> GraphError:
    return GraphError(
        f"broken compressed file: {fault}", where=where, remedy="Fetch the file again"
    )
