"""The words around a place as one vector, and what that vector is for an ordinary place."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain

import numpy as np
from jaxtyping import Float32, Int64

from clerp.embedding import embed_unit
from clerp.errors import EvidenceError
from clerp.ordinary.means import RARITY, SIDES, ContextMeans, MeansFile, Side, name_means
from clerp.ordinary.text import OrdinaryText
from clerp.plugins import Embedder
from clerp.word_counts import normalise

MAX_WORDS = 2**15
"""Words whose vectors are kept between calls: 32 MB with 256 numbers each, in at most twice the
room."""

_NO_WORD = 0
"""Row of zeros, which fills up contexts that are shorter than others."""

# Batches in half precision move a vector by nearly a hundredth of its length.
_MIN_COSINE = 0.99


class WordVectors:
    """Vectors of words, less that of the mean word, kept for the next call.

    Where `MAX_WORDS` words would be exceeded, all are forgotten and only those asked for are kept,
    however many these are.

    Args:
        text: How words are spelled, and how common they are.
        embedder: Of the words.
        center: What is taken from each unit vector.
    """

    def __init__(
        self, text: OrdinaryText, embedder: Embedder, center: Float32[np.ndarray, " dimension"]
    ) -> None:
        self._text = text
        self._embedder = embedder
        self._center = center
        self._forget()

    def look_up(self, words: Iterable[str]) -> Float32[np.ndarray, "word dimension"]:
        """Return unit vectors less the mean one; zeros for words without content."""
        rows = self._find_rows(words)
        return self._vectors[rows]

    def weigh(self, words: Iterable[str]) -> Float32[np.ndarray, " word"]:
        """Return the weight of each word, smaller the more common it is."""
        return np.array([RARITY / (RARITY + self._text.rate(w)) for w in words], dtype=np.float32)

    def add_up(self, contexts: Sequence[Sequence[str]]) -> Float32[np.ndarray, "context dimension"]:
        """Return the weighted sum of each context's vectors."""
        sizes = np.array([len(words) for words in contexts], dtype=np.int64)
        rows = np.full((len(contexts), int(sizes.max(initial=0))), _NO_WORD)
        present = np.arange(rows.shape[1]) < sizes[:, np.newaxis]
        rows[present] = self._find_rows(chain.from_iterable(contexts))
        return (self._vectors[rows] * self._weights[rows][:, :, np.newaxis]).sum(axis=1)

    def _find_rows(self, words: Iterable[str]) -> Int64[np.ndarray, " word"]:
        normalised = list(map(normalise, words))
        fresh = set(normalised).difference(self._rows)
        if fresh and len(self._rows) + len(fresh) > MAX_WORDS:
            self._forget()
            fresh = set(normalised)
        if fresh:
            self._embed(sorted(fresh))
        return np.array([self._rows[word] for word in normalised], dtype=np.int64)

    def _forget(self) -> None:
        self._rows: dict[str, int] = {}
        self._vectors = np.zeros((_NO_WORD + 1, len(self._center)), dtype=np.float32)
        self._weights = np.zeros(_NO_WORD + 1, dtype=np.float32)

    def _embed(self, words: Sequence[str]) -> None:
        unit = embed_unit([self._text.spell(word) for word in words], self._embedder)
        start = _NO_WORD + 1 + len(self._rows)
        rows = range(start, start + len(words))
        self._make_room(rows.stop)
        # One column where none of the words has content.
        present = unit.any(axis=1)
        self._vectors[start : rows.stop][present] = unit[present] - self._center
        self._weights[start : rows.stop] = self.weigh(words)
        self._rows.update(zip(words, rows, strict=True))

    def _make_room(self, n: int) -> None:
        room = len(self._weights)
        if n > room:
            # At least twice as much, for words come a few at a time.
            more = max(n, 2 * room) - room
            self._vectors = np.pad(self._vectors, ((0, more), (0, 0)))
            self._weights = np.pad(self._weights, (0, more))


class OrdinaryContexts:
    """Vectors of contexts, and the means and spreads of ordinary ones.

    A context is the sum of its words' vectors, less the mean word and weighted by a / (a + rate)
    (smooth inverse frequency; Arora, Liang and Ma 2017, A simple but tough-to-beat baseline for
    sentence embeddings), scaled to length 1. Nothing is taken away but means, so that no context
    depends on others.

    Args:
        text: Ordinary text.
        embedder: The one that the means were made with, or another revision with its vectors.
        file: The means.

    Raises:
        EvidenceError: The means belong to another text or embedder.
    """

    def __init__(self, text: OrdinaryText, embedder: Embedder, file: MeansFile) -> None:
        _check_belongs(file.means, text, embedder)
        self.embedder = file.means.embedder
        self.digest = file.digest
        """sha256 of the file of means."""
        self._spread = file.means.spread
        self._index: Mapping[str, int] = {word: i for i, word in enumerate(file.means.words)}
        # The last row is that of any word.
        self._matched = np.concatenate([file.means.matched, file.means.general[np.newaxis]])
        self._vectors = WordVectors(text, embedder, file.means.center.astype(np.float32))

    def word_vectors(self, words: Sequence[str]) -> Float32[np.ndarray, "word dimension"]:
        """Return the unit vector of each word less the mean one; zeros for one without content."""
        return self._vectors.look_up(words)

    def context_vectors(
        self, contexts: Sequence[Sequence[str]]
    ) -> Float32[np.ndarray, "context dimension"]:
        """Return one vector of length 1 for each context; zeros for one without content.

        Words that were not met before are embedded in one sorted batch, so many contexts at once
        cost less than one after the other.

        Args:
            contexts: The words of each, at most `clerp.ordinary.corpus.REACH` of them for a
                vector that is compared with means.
        """
        return scale_to_unit(self._vectors.add_up(contexts))

    def mean_contexts(
        self, words: Sequence[str], side: Side
    ) -> Float32[np.ndarray, "word dimension"]:
        """Return the mean context of each word's occurrences; of a rare one, that of any word."""
        rows = [self._index.get(normalise(word), -1) for word in words]
        return self._matched[rows, SIDES.index(side)].astype(np.float32)

    def pair_spread(self, side: Side) -> float:
        """Return the standard deviation of the dot product of two ordinary contexts.

        The general mean is taken from each; the contexts are independent. With M the mean of
        r r^T over such residuals r, it is the root of the sum of squares of M.
        """
        return float(self._spread[SIDES.index(side)])


def join_sides(
    before: Float32[np.ndarray, "context dimension"],
    after: Float32[np.ndarray, "context dimension"],
) -> Float32[np.ndarray, "context dimension"]:
    """Return the contexts of both sides: the sums, scaled to length 1."""
    return scale_to_unit(before + after)


def scale_to_unit(
    vectors: Float32[np.ndarray, "row dimension"],
) -> Float32[np.ndarray, "row dimension"]:
    """Scale rows to length 1; rows of zeros stay."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0)


def _check_belongs(means: ContextMeans, text: OrdinaryText, embedder: Embedder) -> None:
    if means.counts_digest != text.digest:
        raise EvidenceError(
            "the contexts were made with other counts than those beside them",
            where=name_means(means.embedder),
            remedy="Run clerp calibrate again for this embedder",
        )
    vectors = embed_unit(means.probes, embedder)
    fits = vectors.shape == means.probe_vectors.shape
    if not fits or float((vectors * means.probe_vectors).sum(axis=1).min()) < _MIN_COSINE:
        raise EvidenceError(
            f"the vectors of {embedder.name!r} are not those of {means.embedder!r}, with which "
            "the contexts were made",
            where=name_means(means.embedder),
            remedy="Run clerp calibrate with this embedder",
        )
