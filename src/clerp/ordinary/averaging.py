"""An encoded corpus and an embedder to mean contexts."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float16, Float32, Float64, Int32, Int64

from clerp.embedding import embed_unit
from clerp.errors import InputError
from clerp.ordinary.contexts import WordVectors, join_sides, scale_to_unit
from clerp.ordinary.corpus import REACH, EncodedCorpus
from clerp.ordinary.counting import merge_spellings
from clerp.ordinary.means import (
    MAX_OCCURRENCES,
    MIN_OCCURRENCES,
    SHRINKAGE,
    SIDES,
    ContextMeans,
)
from clerp.ordinary.text import OrdinaryText
from clerp.plugins import Embedder

_N_GENERAL = 20_000
_AT_ONCE = 1_000
# Steps of the stored means: a third of what drawing 400 occurrences leaves uncertain.
_STEP = 2**-10
_PROBES = ("the", "water", "capital", "running", "Paris", "seven")


@dataclass(frozen=True, slots=True, eq=False)
class _Contexts:
    """Contexts of some places, by side."""

    vectors: Float32[np.ndarray, "side place dimension"]

    def mean(self) -> Float64[np.ndarray, "side dimension"]:
        """Average over those that have content."""
        total = self.vectors.sum(axis=1, dtype=np.float64)
        return total / np.maximum(self.count(), 1)[:, np.newaxis]

    def count(self) -> Int64[np.ndarray, " side"]:
        """Count those that have content."""
        return self.vectors.any(axis=2).sum(axis=1)


class _Reader:
    """Reads contexts off a corpus.

    Args:
        word_at: The word of every place, as a row of the table, -1 in the gaps.
        table: Weighted vectors of words.
    """

    def __init__(
        self,
        word_at: Int32[np.ndarray, " place"],
        table: Float32[np.ndarray, "word dimension"],
    ) -> None:
        self._word_at = word_at
        # Row -1, the last, is that of the gaps.
        self._table = np.vstack([table, np.zeros_like(table[:1])])

    def read(self, places: Int64[np.ndarray, " place"]) -> _Contexts:
        before = self._sum(places, range(-REACH, 0))
        after = self._sum(places, range(1, REACH + 1))
        return _Contexts(np.stack([before, after, join_sides(before, after)]))

    def _sum(
        self, places: Int64[np.ndarray, " place"], offsets: range
    ) -> Float32[np.ndarray, "place dimension"]:
        total = np.zeros((len(places), self._table.shape[1]), dtype=np.float32)
        for offset in offsets:
            total += self._table[self._word_at[places + offset]]
        return scale_to_unit(total)


def average_contexts(corpus: EncodedCorpus, text: OrdinaryText, embedder: Embedder) -> ContextMeans:
    """Average the contexts of any word and of each word that occurs often enough.

    Places are drawn by seeded generators in the order of the encoded corpus, which is no order of
    the documents.

    Args:
        corpus: The text.
        text: Its counts.
        embedder: Of words.

    Raises:
        InputError: The corpus has too little text.
    """
    words, of_spelling = merge_spellings(corpus.spellings)
    word_at = np.append(of_spelling, np.int32(-1))[corpus.ids]
    center = _find_center(words, word_at, text, embedder)
    vectors = WordVectors(text, embedder, center.astype(np.float32))
    reader = _Reader(word_at, vectors.look_up(words) * vectors.weigh(words)[:, np.newaxis])
    ordinary = _read_general(reader, np.flatnonzero(word_at >= 0))
    general = ordinary.mean()
    frequent = np.flatnonzero(np.bincount(word_at[word_at >= 0]) >= MIN_OCCURRENCES)
    matched = [_shrink(reader.read(places), general) for places in _draw_places(word_at, frequent)]
    return ContextMeans(
        embedder=embedder.name,
        counts_digest=text.digest,
        center=center,
        general=_round(general),
        spread=_measure_spread(ordinary, general),
        words=tuple(words[i] for i in frequent.tolist()),
        matched=_round(np.array(matched).reshape(len(frequent), *general.shape)),
        probes=_PROBES,
        probe_vectors=embed_unit(_PROBES, embedder),
    )


def _find_center(
    words: tuple[str, ...],
    word_at: Int32[np.ndarray, " place"],
    text: OrdinaryText,
    embedder: Embedder,
) -> Float16[np.ndarray, " dimension"]:
    unit = embed_unit([text.spell(word) for word in words], embedder)
    counts = np.bincount(word_at[word_at >= 0], minlength=len(words))
    return _round((counts / counts.sum()) @ unit.astype(np.float64))


def _read_general(reader: _Reader, places: Int64[np.ndarray, " place"]) -> _Contexts:
    if len(places) > _N_GENERAL:
        places = np.sort(np.random.default_rng(0).choice(places, _N_GENERAL, replace=False))
    parts = [reader.read(places[i : i + _AT_ONCE]) for i in range(0, len(places), _AT_ONCE)]
    return _Contexts(np.concatenate([part.vectors for part in parts], axis=1))


def _draw_places(
    word_at: Int32[np.ndarray, " place"], words: Int64[np.ndarray, " word"]
) -> Iterator[Int64[np.ndarray, " place"]]:
    """Yield the places of each word, at most `MAX_OCCURRENCES` of them, drawn at random."""
    lots = np.random.default_rng(1).random(len(word_at))
    order = np.lexsort((lots, word_at))
    starts = np.searchsorted(word_at[order], words)
    stops = np.searchsorted(word_at[order], words, side="right")
    for start, stop in zip(starts.tolist(), stops.tolist(), strict=True):
        yield np.sort(order[start : min(stop, start + MAX_OCCURRENCES)])


def _shrink(
    contexts: _Contexts, general: Float64[np.ndarray, "side dimension"]
) -> Float64[np.ndarray, "side dimension"]:
    n = contexts.count()[:, np.newaxis]
    return (n * contexts.mean() + SHRINKAGE * general) / (n + SHRINKAGE)


def _measure_spread(
    contexts: _Contexts, general: Float64[np.ndarray, "side dimension"]
) -> Float64[np.ndarray, " side"]:
    spreads = [
        _measure_side(vectors[vectors.any(axis=1)] - mean)
        for vectors, mean in zip(contexts.vectors, general, strict=True)
    ]
    if min(spreads) <= 0:
        side = SIDES[spreads.index(min(spreads))]
        raise InputError(
            f"the corpus has too little text for contexts: those of side {side!r} do not differ",
            remedy="Take a larger one, of a million words or more",
        )
    return np.array(spreads)


def _measure_side(residuals: Float64[np.ndarray, "context dimension"]) -> float:
    if not len(residuals):
        return 0.0
    moments = residuals.T @ residuals / len(residuals)
    return round(float(np.sqrt((moments**2).sum())), 6)


def _round(vectors: Float64[np.ndarray, "..."]) -> Float16[np.ndarray, "..."]:
    return (np.round(vectors / _STEP) * _STEP).astype(np.float16)
