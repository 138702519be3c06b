"""What ordinary words stand in, on the average, in the vectors of one embedder, and its file."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from jaxtyping import Float16, Float32, Float64

from clerp.ordinary.archive import Header, pack, pack_words, read_archive
from clerp.ordinary.corpus import REACH

Side = Literal["before", "after", "both"]
"""Which words around a place: those before it, those after it, or both."""
SIDES: tuple[Side, ...] = get_args(Side)

RARITY = 1e-3
"""A word as common as this weighs half (a in Arora et al. 2017)."""
MIN_OCCURRENCES = 50
"""Words that occur less often are taken to stand in what any word stands in."""
MAX_OCCURRENCES = 400
"""Of a commoner word, so many are drawn."""
SHRINKAGE = 20
"""Occurrences that the general mean counts for in the mean of a word."""

_STAMP = Header(format="clerp ordinary contexts", version=1)
_REVISION = "@"
_UNUSABLE = re.compile(r"[^A-Za-z0-9._-]+")


class _Settings(Header, frozen=True, kw_only=True):
    format: str = _STAMP.format
    version: int = _STAMP.version
    reach: int = REACH
    rarity: float = RARITY
    min_occurrences: int = MIN_OCCURRENCES
    max_occurrences: int = MAX_OCCURRENCES
    shrinkage: int = SHRINKAGE


class _MeansHeader(_Settings, frozen=True, kw_only=True):
    embedder: str
    counts_digest: str


@dataclass(frozen=True, slots=True, eq=False)
class ContextMeans:
    """Mean context vectors; every context is of length 1 before it enters a mean."""

    embedder: str
    """Its name, with the revision."""
    counts_digest: str
    """Of the counts that weighed the words."""
    center: Float16[np.ndarray, " dimension"]
    """Mean unit vector of the words of the text."""
    general: Float16[np.ndarray, "side dimension"]
    """Mean context of any word."""
    spread: Float64[np.ndarray, " side"]
    """Standard deviation of the dot product of two contexts, the general mean taken from each."""
    words: tuple[str, ...]
    """Those that occur often enough, sorted."""
    matched: Float16[np.ndarray, "word side dimension"]
    """Mean context of each of them, shrunk towards the general one."""
    probes: tuple[str, ...]
    probe_vectors: Float32[np.ndarray, "probe dimension"]
    """Unit vectors of the probes, by which the embedder is known again."""


@dataclass(frozen=True, slots=True, eq=False)
class MeansFile:
    """Means, and the file that they were read from."""

    means: ContextMeans
    digest: str
    """sha256 of the file."""


def name_means(embedder: str) -> str:
    """Name the file of an embedder's means: without its revision, which its vectors tell."""
    return f"contexts-{_UNUSABLE.sub('-', name_family(embedder))}.safetensors.zst"


def name_family(embedder: str) -> str:
    """Return an embedder's name without its revision."""
    return embedder.partition(_REVISION)[0]


def pack_means(means: ContextMeans) -> bytes:
    """Pack means as a file; equal ones give equal bytes."""
    header = _MeansHeader(embedder=means.embedder, counts_digest=means.counts_digest)
    tensors = {
        "center": means.center,
        "general": means.general,
        "spread": means.spread,
        "words": pack_words(means.words),
        "matched": means.matched,
        "probes": pack_words(means.probes),
        "probe_vectors": means.probe_vectors,
    }
    return pack(header, tensors)


def read_means(path: Path) -> MeansFile:
    """Read a file of means.

    Raises:
        MissingEvidenceError: There is none.
        EvidenceError: It is damaged, or made for another version of clerp.
    """
    archive = read_archive(path, _MeansHeader, _STAMP)
    header = archive.header
    made = {name: getattr(header, name) for name in _Settings.__struct_fields__}
    own = {name: getattr(_Settings(), name) for name in _Settings.__struct_fields__}
    archive.require(made == own, "made with other settings")
    words, probes = archive.take_words("words"), archive.take_words("probes")
    dim = archive.count("center")
    means = ContextMeans(
        embedder=header.embedder,
        counts_digest=header.counts_digest,
        center=archive.take("center", np.float16, (dim,)),
        general=archive.take("general", np.float16, (len(SIDES), dim)),
        spread=archive.take("spread", np.float64, (len(SIDES),)),
        words=words,
        matched=archive.take("matched", np.float16, (len(words), len(SIDES), dim)),
        probes=probes,
        probe_vectors=archive.take("probe_vectors", np.float32, (len(probes), dim)),
    )
    archive.require(len(probes) > 0, "no probes")
    archive.require(bool((means.spread > 0).all()), "a spread that is not above 0")
    return MeansFile(means, archive.digest)
