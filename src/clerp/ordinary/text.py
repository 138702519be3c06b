"""How common words are in ordinary text, by themselves and beside one another."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int32

from clerp.errors import UsageError
from clerp.ordinary.counts import TextCounts
from clerp.word_classes import CLASSES, WordClass
from clerp.word_counts import normalise

UNSEEN = 0.5
"""Added to every count, so that a word that was not seen is rare and not impossible."""
BACKING = 30
"""How many occurrences of a word it takes until what stands beside it is judged by these as much
as by what is common in any text."""

_CLASS_INDEX = {word_class.plural: i for i, word_class in enumerate(CLASSES)}


@dataclass(frozen=True, slots=True, eq=False)
class OrdinaryText:
    """Smoothed rates of words, of their neighbours and of classes of words.

    Words may be given in any spelling, and are one by `clerp.word_counts.normalise`. All rates
    lie between 0 and 1, neither included. Those of neighbours are interpolated with those of single
    words by a Dirichlet prior of `BACKING` occurrences (MacKay and Peto 1995, A hierarchical
    Dirichlet language model).
    """

    name: str
    """What an output calls it."""
    digest: str
    """sha256 of the file of counts."""
    n_words: int
    counts: TextCounts
    indices: Mapping[str, int]
    """Of the words that are kept."""
    pairs: Mapping[int, int]
    """How often two words stand side by side, by `first * len(indices) + second`."""

    def rate(self, word: str) -> float:
        """Return the share of a word among all words; one that was not seen counts half."""
        index = self.indices.get(normalise(word))
        n_seen = 0 if index is None else int(self.counts.counts[index])
        # One more than the words that are kept: a place for all the others.
        return (n_seen + UNSEEN) / (self.n_words + UNSEEN * (len(self.indices) + 1))

    def follow_rate(self, word: str, given: str) -> float:
        """Return how likely the word after `given` is `word`."""
        return self._neighbour_rate(word, given, self._count_pair(given, word))

    def precede_rate(self, word: str, given: str) -> float:
        """Return how likely the word before `given` is `word`."""
        return self._neighbour_rate(word, given, self._count_pair(word, given))

    def class_rate(self, word_class: WordClass, after: str | None = None) -> float:
        """Return the share of a class among all words, or among those that follow a word.

        Args:
            word_class: One of `clerp.word_classes.CLASSES`, to which words belong as they are
                spelled.
            after: The word before.

        Raises:
            UsageError: The class was not counted.
        """
        column = _CLASS_INDEX.get(word_class.plural)
        if column is None:
            raise UsageError(f"ordinary text has no count of the class {word_class.plural!r}")
        overall = (int(self.counts.class_counts[column]) + UNSEEN) / (self.n_words + 2 * UNSEEN)
        index = None if after is None else self.indices.get(normalise(after))
        if index is None:
            return overall
        n_after = int(self.counts.class_follows[index, column])
        return (n_after + BACKING * overall) / (int(self.counts.counts[index]) + BACKING)

    def spell(self, word: str) -> str:
        """Return how a word is most often written; one that was not seen, normalised."""
        normalised = normalise(word)
        index = self.indices.get(normalised)
        return normalised if index is None else self.counts.spellings[index]

    def _count_pair(self, first: str, second: str) -> int:
        i, j = self.indices.get(normalise(first)), self.indices.get(normalise(second))
        return 0 if i is None or j is None else self.pairs.get(i * len(self.indices) + j, 0)

    def _neighbour_rate(self, word: str, given: str, n_pairs: int) -> float:
        index = self.indices.get(normalise(given))
        n_given = 0 if index is None else int(self.counts.counts[index])
        return (n_pairs + BACKING * self.rate(word)) / (n_given + BACKING)


def index_counts(counts: TextCounts, digest: str) -> OrdinaryText:
    """Make counts ready to be looked up.

    Args:
        counts: Of a text.
        digest: sha256 of their file.
    """
    return OrdinaryText(
        name=counts.name,
        digest=digest,
        n_words=counts.n_words,
        counts=counts,
        indices={word: i for i, word in enumerate(counts.words)},
        pairs=_index_pairs(counts.pairs, counts.pair_counts, len(counts.words)),
    )


def _index_pairs(
    pairs: Int32[np.ndarray, "pair 2"], pair_counts: Int32[np.ndarray, " pair"], n_words: int
) -> dict[int, int]:
    keys = pairs[:, 0].astype(np.int64) * n_words + pairs[:, 1]
    return dict(zip(keys.tolist(), pair_counts.tolist(), strict=True))
