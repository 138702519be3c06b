"""Documents of a corpus, in pieces: files, folders, JSON Lines and data sets.

A piece ends before white space, at most `PIECE_CHARACTERS` from its start, so that what is in
memory does not depend on the length of a document and where it ends does not depend on how it was
read.
"""

import codecs
import gzip
import hashlib
import re
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Protocol, cast

import msgspec

from clerp.errors import InputError, UsageError

PIECE_CHARACTERS = 2**14
MAX_LINE_BYTES = 64 * 2**20
"""Largest line of JSON Lines."""

_BLOCK_BYTES = 2**14
_LAST_SPACE = re.compile(r"\s(?=\S*\Z)")
_GZIP = ".gz"
_LINES = (".jsonl", f".jsonl{_GZIP}")
_MISSING = object()


@dataclass(slots=True)
class Mileage:
    """How far into a corpus reading is, in bytes on disk."""

    done: int = 0
    total: int | None = None
    """None where nobody knows."""


class Documents(Protocol):
    """Texts in a fixed order."""

    mileage: Mileage

    def identify(self) -> str:
        """Return a digest of what the texts are, which no name or place enters."""
        ...

    def __iter__(self) -> Iterator[Iterator[str]]:
        """Yield each document as the pieces that make it up; a piece may be empty."""
        ...


def open_files(place: str | Path, text_field: str = "text") -> Documents:
    """Open documents by their place on disk.

    Args:
        place: Text file, folder with `*.txt` below it, `.jsonl` or `.jsonl.gz`.
        text_field: Key of the text in JSON Lines.

    Raises:
        UsageError: There is nothing, or no text.
    """
    path = Path(place).expanduser()
    if path.is_dir():
        return TextFiles(_list_texts(path))
    if not path.is_file():
        raise UsageError(
            "there is no such corpus",
            where=str(place),
            remedy="Name a text file, a folder of *.txt, a .jsonl or hf:NAME",
        )
    if path.name.endswith(_LINES):
        return JsonLines(path, text_field)
    return TextFiles([path])


@dataclass(slots=True)
class TextFiles:
    """UTF-8 files; each is one document."""

    paths: Sequence[Path]
    mileage: Mileage = field(default_factory=Mileage)

    def identify(self) -> str:
        """Return the digest of sizes and contents, in order."""
        return digest_files(self.paths)

    def __iter__(self) -> Iterator[Iterator[str]]:
        """Yield the pieces of each file.

        Raises:
            InputError: A file is no UTF-8 or cannot be read.
        """
        self.mileage = Mileage(0, sum(path.stat().st_size for path in self.paths))
        for path in self.paths:
            yield cut_pieces(self._decode(path))

    def _decode(self, path: Path) -> Iterator[str]:
        decoder = codecs.getincrementaldecoder("utf-8-sig")()
        n_lines = 1
        with _open(path) as file:
            while block := file.read(_BLOCK_BYTES):
                yield _decode_block(decoder, block, path, n_lines)
                n_lines += block.count(b"\n")
                self.mileage.done += len(block)
        yield _decode_block(decoder, b"", path, n_lines, final=True)


@dataclass(slots=True)
class JsonLines:
    """One JSON object a line, its text under a key; each is one document."""

    path: Path
    text_field: str
    mileage: Mileage = field(default_factory=Mileage)

    def identify(self) -> str:
        """Return the digest of size and content, and of the key."""
        return digest_texts(digest_files([self.path]), self.text_field)

    def __iter__(self) -> Iterator[Iterator[str]]:
        """Yield the pieces of each line's text; blank lines are no documents.

        Raises:
            InputError: A line is too long, no JSON or has no text, or the file cannot be read.
        """
        self.mileage = Mileage(0, self.path.stat().st_size)
        with _open(self.path) as packed:
            lines = gzip.GzipFile(fileobj=packed) if self.path.suffix == _GZIP else packed
            for number, line in enumerate(self._read_lines(cast(IO[bytes], lines)), start=1):
                self.mileage.done = packed.tell()
                line = line.removeprefix(codecs.BOM_UTF8) if number == 1 else line
                if line.strip():
                    yield cut_pieces([self._read_text(line, f"{self.path}: line {number}")])

    def _read_lines(self, lines: IO[bytes]) -> Iterator[bytes]:
        number = 0
        try:
            while line := lines.readline(MAX_LINE_BYTES + 1):
                number += 1
                if len(line) > MAX_LINE_BYTES:
                    raise InputError(
                        f"longer than {MAX_LINE_BYTES // 2**20} MB",
                        where=f"{self.path}: line {number}",
                        remedy="Split the document",
                    )
                yield line
        except (EOFError, gzip.BadGzipFile, zlib.error) as fault:
            raise InputError(
                f"damaged gzip data: {fault}",
                where=f"{self.path}: after line {number}",
                remedy="Fetch the file again",
            ) from fault

    def _read_text(self, line: bytes, where: str) -> str:
        try:
            record: object = msgspec.json.decode(line)
        except (ValueError, RecursionError) as fault:
            raise InputError(f"no JSON: {fault}", where=where, remedy="Repair the line") from fault
        return take_text(record, self.text_field, where)


def take_text(record: object, text_field: str, where: str) -> str:
    """Return the text of a record; null, which data sets have for a missing text, is empty.

    Raises:
        InputError: There is none.
    """
    known = cast(dict[str, object], record) if isinstance(record, dict) else {}
    text = known.get(text_field, _MISSING)
    if text is None:
        return ""
    if isinstance(text, str):
        return text
    keys = ", ".join(map(repr, known)) or "none"
    fault = (
        f"no text under {text_field!r}; there are {keys}"
        if text is _MISSING
        else f"{text_field!r} is of type {type(text).__name__}, not text; there are {keys}"
    )
    raise InputError(fault[:300], where=where, remedy="Name the key with --text-field")


def cut_pieces(texts: Iterable[str]) -> Iterator[str]:
    """Join texts and cut them anew, the same way however they came."""
    held = ""
    for text in texts:
        held += text
        start = 0
        while len(held) - start > PIECE_CHARACTERS:
            furthest = start + PIECE_CHARACTERS
            space = _LAST_SPACE.search(held, start + 1, furthest)
            end = space.start() if space else furthest
            yield held[start:end]
            start = end
        held = held[start:]
    yield held


def digest_files(paths: Iterable[Path]) -> str:
    """Return the sha256 in hex of sizes and contents, in order."""
    digest = hashlib.sha256()
    for path in paths:
        with _open(path) as file:
            digest.update(path.stat().st_size.to_bytes(8, "big"))
            while block := file.read(_BLOCK_BYTES):
                digest.update(block)
    return digest.hexdigest()


def digest_texts(*parts: str) -> str:
    """Return the sha256 in hex of some texts and where one ends and the next begins."""
    return hashlib.sha256(msgspec.json.encode(parts)).hexdigest()


def _list_texts(folder: Path) -> list[Path]:
    paths = sorted(path for path in folder.rglob("*.txt") if path.is_file())
    if not paths:
        raise UsageError(
            "no *.txt in this folder", where=str(folder), remedy="Name the files' own folder"
        )
    return paths


def _open(path: Path) -> IO[bytes]:
    try:
        return path.open("rb")
    except OSError as fault:
        raise InputError(
            f"cannot be read: {fault.strerror}", where=str(path), remedy="Check the file's rights"
        ) from fault


def _decode_block(
    decoder: codecs.IncrementalDecoder, block: bytes, path: Path, n_lines: int, final: bool = False
) -> str:
    try:
        return decoder.decode(block, final)
    except UnicodeDecodeError as fault:
        # The decoder may hold bytes of the block before, none of them a line's end.
        line = n_lines + cast(bytes, fault.object)[: fault.start].count(b"\n")
        raise InputError(
            f"no UTF-8: {fault.reason}",
            where=f"{path}: line {line}",
            remedy="Convert the file to UTF-8",
        ) from fault
