"""The words around a place as one vector, and what that vector is for an ordinary place."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from jaxtyping import Float32

from clerp.embedding import embed_unit
from clerp.errors import EvidenceError
from clerp.ordinary.means import RARITY, SIDES, ContextMeans, MeansFile, Side, name_means
from clerp.ordinary.text import OrdinaryText
from clerp.plugins import Embedder
from clerp.word_counts import normalise

# Batches in half precision move a vector by nearly a hundredth of its length.
_MIN_COSINE = 0.99


class WordVectors:
    """Vectors of words, less that of the mean word; each word is embedded once.

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
        self._vectors: dict[str, Float32[np.ndarray, " dimension"]] = {}

    def look_up(self, words: Iterable[str]) -> Float32[np.ndarray, "word dimension"]:
        """Return unit vectors less the mean one; zeros for words without content."""
        normalised = [normalise(word) for word in words]
        self._embed(sorted(set(normalised).difference(self._vectors)))
        rows = [self._vectors[word] for word in normalised]
        return np.array(rows, dtype=np.float32).reshape(len(rows), len(self._center))

    def weigh(self, words: Iterable[str]) -> Float32[np.ndarray, " word"]:
        """Return the weight of each word, smaller the more common it is."""
        return np.array([RARITY / (RARITY + self._text.rate(w)) for w in words], dtype=np.float32)

    def _embed(self, words: Sequence[str]) -> None:
        if not words:
            return
        unit = embed_unit([self._text.spell(word) for word in words], self._embedder)
        # One column where none of the words has content.
        present = unit.any(axis=1)
        fresh = np.zeros((len(words), len(self._center)), dtype=np.float32)
        fresh[present] = unit[present] - self._center
        self._vectors.update(zip(words, fresh, strict=True))


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
        self._means = file.means
        self._index: Mapping[str, int] = {word: i for i, word in enumerate(file.means.words)}
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
        distinct = sorted({word for context in contexts for word in context})
        vectors = self._vectors.look_up(distinct)
        vectors *= self._vectors.weigh(distinct)[:, np.newaxis]
        row = {word: i for i, word in enumerate(distinct)}
        sums = np.zeros((len(contexts), vectors.shape[1]), dtype=np.float32)
        for i, context in enumerate(contexts):
            sums[i] = vectors[[row[word] for word in context]].sum(axis=0)
        return scale_to_unit(sums)

    def mean_context(self, word: str, side: Side) -> Float32[np.ndarray, " dimension"]:
        """Return the mean context of a word's occurrences; that of any word where it is rare."""
        index = self._index.get(normalise(word))
        means = self._means.general if index is None else self._means.matched[index]
        return means[SIDES.index(side)].astype(np.float32)

    def pair_spread(self, side: Side) -> float:
        """Return the standard deviation of the dot product of two ordinary contexts.

        The general mean is taken from each; the contexts are independent. With M the mean of
        r r^T over such residuals r, it is the root of the sum of squares of M.
        """
        return float(self._means.spread[SIDES.index(side)])


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
