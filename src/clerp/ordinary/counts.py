"""How often words, pairs of words and classes of words occur in ordinary text, and their file."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
from jaxtyping import Int32

from clerp.ordinary.archive import Archive, Header, pack, pack_words, read_archive
from clerp.ordinary.corpus import SourceSize
from clerp.word_classes import CLASSES

COUNTS_FILE = "counts.safetensors.zst"
MIN_COUNT = 3
"""Words, and pairs of words, that occur less often are not kept."""

_STAMP = Header(format="clerp ordinary counts", version=1)


class _Source(msgspec.Struct, frozen=True):
    name: str
    n_documents: int
    n_words: int
    licence: str


class _CountsHeader(Header, frozen=True, kw_only=True):
    name: str
    n_words: int
    sources: tuple[_Source, ...]
    min_count: int
    classes: tuple[str, ...]
    class_members: tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class TextCounts:
    """What is counted of a text. Pairs do not reach across the ends of documents."""

    name: str
    """What an output calls the text."""
    n_words: int
    """All of them, also those that are not kept."""
    sources: tuple[SourceSize, ...]
    licences: Mapping[str, str]
    """By source."""
    words: tuple[str, ...]
    """Normalised, sorted."""
    spellings: tuple[str, ...]
    """How each of them is most often written."""
    counts: Int32[np.ndarray, " word"]
    pairs: Int32[np.ndarray, "pair 2"]
    """First and second word of each pair, as indices, sorted."""
    pair_counts: Int32[np.ndarray, " pair"]
    class_counts: Int32[np.ndarray, " class"]
    """Words of each of `clerp.word_classes.CLASSES`."""
    class_follows: Int32[np.ndarray, "word class"]
    """How often a word is followed by one of each class, be that one kept or not."""


def pack_counts(counts: TextCounts) -> bytes:
    """Pack counts as a file; equal ones give equal bytes."""
    header = _CountsHeader(
        format=_STAMP.format,
        version=_STAMP.version,
        name=counts.name,
        n_words=counts.n_words,
        sources=tuple(
            _Source(s.name, s.n_documents, s.n_words, counts.licences.get(s.name, ""))
            for s in counts.sources
        ),
        min_count=MIN_COUNT,
        classes=_name_classes(),
        class_members=count_members(counts.spellings),
    )
    tensors = {
        "words": pack_words(counts.words),
        "spellings": pack_words(counts.spellings),
        "counts": counts.counts,
        "pairs": counts.pairs,
        "pair_counts": counts.pair_counts,
        "class_counts": counts.class_counts,
        "class_follows": counts.class_follows,
    }
    return pack(header, tensors)


@dataclass(frozen=True, slots=True, eq=False)
class CountsFile:
    """Counts, and the file that they were read from."""

    counts: TextCounts
    digest: str
    """sha256 of the file."""
    class_members: tuple[int, ...]
    """What `count_members` said of the spellings when the counts were made."""


def read_counts(folder: Path) -> CountsFile:
    """Read the counts of a folder.

    Raises:
        MissingEvidenceError: It holds none.
        EvidenceError: They are damaged, or made for another version of clerp.
    """
    archive = read_archive(folder / COUNTS_FILE, _CountsHeader, _STAMP)
    header = archive.header
    archive.require(header.classes == _name_classes(), "made for other classes of words")
    words = archive.take_words("words")
    n_words, n_pairs, n_classes = len(words), archive.count("pairs"), len(CLASSES)
    counts = TextCounts(
        name=header.name,
        n_words=header.n_words,
        sources=tuple(SourceSize(s.name, s.n_documents, s.n_words) for s in header.sources),
        licences={source.name: source.licence for source in header.sources},
        words=words,
        spellings=archive.take_words("spellings"),
        counts=archive.take("counts", np.int32, (n_words,)),
        pairs=archive.take("pairs", np.int32, (n_pairs, 2)),
        pair_counts=archive.take("pair_counts", np.int32, (n_pairs,)),
        class_counts=archive.take("class_counts", np.int32, (n_classes,)),
        class_follows=archive.take("class_follows", np.int32, (n_words, n_classes)),
    )
    _check(counts, archive)
    return CountsFile(counts, archive.digest, header.class_members)


def count_members(spellings: tuple[str, ...]) -> tuple[int, ...]:
    """Count the words of every class, to tell when the classes have changed since."""
    return tuple(sum(map(word_class.contains, spellings)) for word_class in CLASSES)


def _name_classes() -> tuple[str, ...]:
    return tuple(word_class.plural for word_class in CLASSES)


def _check(counts: TextCounts, archive: Archive[_CountsHeader]) -> None:
    """Check what makes every rate a probability."""
    n, pairs = counts.counts, counts.pairs
    archive.require(len(set(counts.words)) == len(n), "a word is there twice")
    archive.require(len(counts.spellings) == len(n), "words and spellings differ in number")
    archive.require(bool((n >= 1).all()), "a count below 1")
    archive.require(int(n.sum(dtype=np.int64)) <= counts.n_words, "more words than there are")
    archive.require(bool(((pairs >= 0) & (pairs < len(n))).all()), "a pair of unknown words")
    rarer = n[pairs].min(axis=1, initial=counts.n_words)
    in_pairs = (counts.pair_counts >= 0) & (counts.pair_counts <= rarer)
    archive.require(bool(in_pairs.all()), "a pair that is commoner than its words")
    in_text = (counts.class_counts >= 0) & (counts.class_counts <= counts.n_words)
    archive.require(bool(in_text.all()), "a class with more words than there are")
    after = (counts.class_follows >= 0) & (counts.class_follows <= n[:, np.newaxis])
    archive.require(bool(after.all()), "a class that follows a word more often than the word comes")
