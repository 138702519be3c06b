"""The content of an answer: unpacked piece by piece, and never more than was bargained for."""

import zlib
from collections.abc import Iterable, Iterator
from contextlib import suppress

from clerp.errors import RemoteError
from clerp.remote.patience import TransientError

START_BYTES = 2**12

_GZIP_WRAPPER = 31
_PIECE_BYTES = 2**16
# Packing may add to what cannot be packed, but little.
_SLACK_BYTES = 2**16


def read_body(pieces: Iterable[bytes], encoding: str, max_bytes: int, where: str) -> bytes:
    """Join the pieces of an answer.

    Args:
        pieces: As they come over the wire.
        encoding: The answer's Content-Encoding.
        max_bytes: Most bytes, unpacked.
        where: What an error calls the answer.

    Raises:
        TransientError: It is cut short.
        RemoteError: It is larger, damaged or packed in another way than gzip.
    """
    too_large = RemoteError(f"the answer is larger than {max_bytes:,} bytes", where=where)
    # Packed data may go on for ever and unpack to nothing.
    sent = _limit(pieces, 2 * max_bytes + _SLACK_BYTES, too_large)
    return b"".join(_limit(_decode(sent, encoding, where), max_bytes, too_large))


def read_start(pieces: Iterable[bytes], encoding: str) -> bytes:
    """Join the first `START_BYTES` of an answer that is no content, for a person to read.

    What is cut short or damaged is told as far as it goes; of what is packed in another way than
    gzip there is nothing to tell.
    """
    start = b""
    with suppress(RemoteError):
        for piece in _decode(pieces, encoding, where=""):
            start += piece
            if len(start) >= START_BYTES:
                break
    return start[:START_BYTES]


def _limit(pieces: Iterable[bytes], max_bytes: int, too_large: RemoteError) -> Iterator[bytes]:
    n_bytes = 0
    for piece in pieces:
        n_bytes += len(piece)
        if n_bytes > max_bytes:
            raise too_large
        yield piece


def _decode(pieces: Iterable[bytes], encoding: str, where: str) -> Iterable[bytes]:
    match encoding.strip().lower():
        case "" | "identity":
            return pieces
        case "gzip" | "x-gzip":
            return _unpack(pieces, where)
        case other:
            raise RemoteError(f"the answer is packed as {other[:40]!r}", where=where)


def _unpack(pieces: Iterable[bytes], where: str) -> Iterator[bytes]:
    stream = zlib.decompressobj(_GZIP_WRAPPER)
    for piece in pieces:
        rest = piece
        while rest:
            if stream.eof:
                # The next member: gzip data may be several files end to end (RFC 1952, 2.2).
                stream = zlib.decompressobj(_GZIP_WRAPPER)
            try:
                yield stream.decompress(rest, _PIECE_BYTES)
            except zlib.error as error:
                raise RemoteError("the answer's gzip data is damaged", where=where) from error
            rest = stream.unused_data if stream.eof else stream.unconsumed_tail
    if not stream.eof:
        raise TransientError("the answer was cut short", where=where)
