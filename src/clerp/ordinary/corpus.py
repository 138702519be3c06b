"""Documents of ordinary text, read from a file and cut into words."""

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import msgspec
import numpy as np
from jaxtyping import Int32

from clerp.errors import InputError, UsageError
from clerp.evidence import ActivationExample
from clerp.windows import is_bare_space, split_words

MAX_DOCUMENT_BYTES = 2**28
"""Largest document, and largest line of JSON Lines."""
REACH = 8
"""Words of a context on each side, and places without a word around each document, so that no
context reaches into another one."""

_PIECE_CHARACTERS = 2**16
# Whatever stands before it is a word of its own: a text can be cut here and no word be cut.
_LINE_START = re.compile(r"(?<=\n)(?=\S)")
# What `split_words` may take for a special token, if it is a token of its own.
_IN_ANGLES = re.compile(r"(<[^<>\s]+>)")


@dataclass(frozen=True, slots=True)
class Document:
    """One text, across whose ends nothing is counted."""

    text: str
    source: str = ""
    """What it was taken from: `moby-dick`."""


@dataclass(frozen=True, slots=True)
class SourceSize:
    """How much a source has given."""

    name: str
    n_documents: int
    n_words: int


@dataclass(frozen=True, slots=True, eq=False)
class EncodedCorpus:
    """Documents as numbers; equal documents in any order give equal ones."""

    spellings: tuple[str, ...]
    """Every word as it is spelled, sorted."""
    ids: Int32[np.ndarray, " place"]
    """Index of each word's spelling, -1 in the gaps."""
    sources: tuple[SourceSize, ...]
    """By name."""


class _Line(msgspec.Struct):
    text: str | None
    source: str | None = None


def cut_words(text: str) -> list[str]:
    """Cut a text into words as `clerp.windows.split_words` cuts an example; drop bare spaces.

    What looks like a special token (`<bos>`) is one word, as in examples; a tag of HTML looks like
    it too. Scripts that do not part words come in runs, which tokens would have parted.
    """
    return [word for piece in _cut_pieces(text) for word in _cut_piece(piece)]


def encode_corpus(documents: Iterable[Document]) -> EncodedCorpus:
    """Cut documents into words and number these; the texts are let go one by one."""
    found: dict[str, int] = {}
    encoded: list[tuple[bytes, str, Int32[np.ndarray, " word"]]] = []
    for document in documents:
        # A string may hold halves of characters, a file cannot.
        raw = document.text.encode("utf-8", "replace")
        numbers = [found.setdefault(word, len(found)) for word in cut_words(raw.decode())]
        digest = hashlib.sha256(raw).digest()
        encoded.append((digest, document.source, np.array(numbers, dtype=np.int32)))
    encoded.sort(key=lambda part: part[:2])
    spellings = sorted(found)
    # Number -1, the last of the ranks, is that of the gaps.
    rank = np.full(len(found) + 1, -1, dtype=np.int32)
    rank[[found[spelling] for spelling in spellings]] = np.arange(len(found), dtype=np.int32)
    gap = np.full(REACH, -1, dtype=np.int32)
    numbers = np.concatenate([gap, *(part for _, _, ids in encoded for part in (ids, gap))])
    sizes = _size_sources((source, len(ids)) for _, source, ids in encoded)
    return EncodedCorpus(tuple(spellings), rank[numbers], sizes)


def read_documents(path: Path) -> Iterator[Document]:
    """Read a corpus: JSON Lines with `text` and, if they like, `source`; or one text in a `.txt`.

    Raises:
        UsageError: The file is not there or has another suffix.
        InputError: It cannot be read, is no UTF-8, or a line has no text or is too long.
    """
    if not path.is_file() or path.suffix not in {".jsonl", ".txt"}:
        raise UsageError(
            "is no corpus", where=str(path), remedy="Name a file that ends in .jsonl or .txt"
        )
    return _read_lines(path) if path.suffix == ".jsonl" else _read_text(path)


def _cut_pieces(text: str) -> Iterator[str]:
    """Cut a text where no word is cut; the words of a whole book would fill the memory."""
    start = 0
    while len(text) - start > _PIECE_CHARACTERS:
        border = _LINE_START.search(text, start + _PIECE_CHARACTERS)
        if border is None:
            break
        yield text[start : border.start()]
        start = border.start()
    yield text[start:]


def _cut_piece(piece: str) -> Iterator[str]:
    tokens = tuple(token for token in _IN_ANGLES.split(piece) if token)
    silent = np.zeros(len(tokens), dtype=np.float32)
    words = split_words(ActivationExample("", tokens, silent, 0))
    return (word.text for word in words if not is_bare_space(word.text))


def _size_sources(parts: Iterable[tuple[str, int]]) -> tuple[SourceSize, ...]:
    n_documents: Counter[str] = Counter()
    n_words: Counter[str] = Counter()
    for source, size in parts:
        n_documents[source] += 1
        n_words[source] += size
    return tuple(SourceSize(name, n_documents[name], n_words[name]) for name in sorted(n_documents))


def _read_lines(path: Path) -> Iterator[Document]:
    with _open(path) as file:
        number = 0
        while line := file.readline(MAX_DOCUMENT_BYTES + 1):
            number += 1
            where = f"{path}: line {number}"
            _check_size(line, where)
            if line.strip():
                yield _read_line(line, where)


def _read_line(line: bytes, where: str) -> Document:
    try:
        read = msgspec.json.decode(line, type=_Line)
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"no JSON with a text: {error}", where=where, remedy="Repair the line"
        ) from error
    return Document(read.text or "", read.source or "")


def _read_text(path: Path) -> Iterator[Document]:
    with _open(path) as file:
        content = file.read(MAX_DOCUMENT_BYTES + 1)
    _check_size(content, str(path))
    try:
        yield Document(content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise InputError(
            f"no UTF-8: {error.reason} at byte {error.start}",
            where=str(path),
            remedy="Convert the file to UTF-8",
        ) from error


def _open(path: Path) -> IO[bytes]:
    try:
        return path.open("rb")
    except OSError as error:
        raise InputError(
            f"cannot be read: {error.strerror}", where=str(path), remedy="Check the file's rights"
        ) from error


def _check_size(content: bytes, where: str) -> None:
    if len(content) > MAX_DOCUMENT_BYTES:
        raise InputError(
            f"longer than {MAX_DOCUMENT_BYTES // 2**20} MB",
            where=where,
            remedy="Split the document",
        )
