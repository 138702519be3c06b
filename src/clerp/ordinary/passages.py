"""Stretches of ordinary text, cut to tokens: the windows that chance would give."""

import gzip
import hashlib
import zlib
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import accumulate, pairwise
from pathlib import Path

import msgspec
import numpy as np

from clerp.errors import EvidenceError
from clerp.ordinary.corpus import Document

WIDTH = 49
"""Tokens of a passage; the middle one is where a peak would stand."""
N_PASSAGES = 3000
PASSAGES_FILE = "passages.json.gz"
_SHIPPED = Path(__file__).with_name("data") / PASSAGES_FILE


@dataclass(frozen=True, slots=True)
class Passages:
    """Stretches of ordinary text."""

    name: str
    """What an output calls them, with the digest of their file."""
    tokens: tuple[tuple[str, ...], ...]
    """Readable pieces of `WIDTH` tokens each; joined they give the text back."""


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    sources: dict[str, str]
    """Licence by source."""
    passages: list[list[str]]


def cut_passages(
    documents: Iterable[Document],
    find_starts: Callable[[str], Iterable[int]],
    n: int = N_PASSAGES,
) -> list[list[str]]:
    """Cut stretches at random, the same whatever the order of the documents.

    Args:
        documents: Ordinary text.
        find_starts: Returns where in a text its tokens start.
        n: How many, evenly over the documents' tokens.
    """
    rng = np.random.default_rng(0)
    texts = sorted({document.text for document in documents})
    pieces = [_cut(text, find_starts) for text in texts]
    long_enough = [tokens for tokens in pieces if len(tokens) >= WIDTH]
    sizes = [len(tokens) - WIDTH + 1 for tokens in long_enough]
    starts = np.sort(rng.choice(sum(sizes), n, replace=False))
    ends = list(accumulate(sizes))
    passages: list[list[str]] = []
    for start in starts.tolist():
        which = bisect_right(ends, start)
        first = start - (ends[which] - sizes[which])
        passages.append(long_enough[which][first : first + WIDTH])
    return passages


def pack_passages(passages: Sequence[Sequence[str]], sources: dict[str, str]) -> bytes:
    """Write passages as a file, the same bytes for the same passages."""
    content = msgspec.json.encode(_File(sources, [list(tokens) for tokens in passages]))
    return gzip.compress(content, 9, mtime=0)


@cache
def load_passages(path: Path = _SHIPPED) -> Passages:
    """Read the passages that come with clerp.

    Raises:
        EvidenceError: The file is missing or damaged.
    """
    try:
        packed = path.read_bytes()
        read = msgspec.json.decode(gzip.decompress(packed), type=_File)
    except (OSError, EOFError, ValueError, zlib.error, RecursionError) as error:
        raise EvidenceError(
            f"the passages of ordinary text cannot be read: {error}",
            where=path.name,
            remedy="Install clerp again",
        ) from error
    digest = hashlib.sha256(packed).hexdigest()[:12]
    return Passages(f"ordinary-passages@{digest}", tuple(map(tuple, read.passages)))


def _cut(text: str, find_starts: Callable[[str], Iterable[int]]) -> list[str]:
    borders = sorted({0, *find_starts(text), len(text)})
    return [text[a:b] for a, b in pairwise(borders)]
