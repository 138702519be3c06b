"""An encoded corpus to counts."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Int32, Int64

from clerp.errors import InputError
from clerp.ordinary.corpus import EncodedCorpus
from clerp.ordinary.counts import MIN_COUNT, TextCounts
from clerp.word_classes import CLASSES
from clerp.word_counts import normalise


def count_corpus(corpus: EncodedCorpus, name: str, licences: Mapping[str, str]) -> TextCounts:
    """Count words, pairs of neighbours, and the classes of words and of what follows them.

    Args:
        corpus: The text.
        name: What an output calls it.
        licences: By source.

    Raises:
        InputError: No word comes `MIN_COUNT` times.
    """
    n_spelled = np.bincount(corpus.ids[corpus.ids >= 0], minlength=len(corpus.spellings))
    kept = _keep_words(corpus.spellings, n_spelled)
    word_at = kept.of_spelling[corpus.ids]
    pairs = _count_pairs(word_at, len(kept.words))
    members = _find_members(corpus.spellings)
    return TextCounts(
        name=name,
        n_words=int(n_spelled.sum()),
        sources=corpus.sources,
        licences=licences,
        words=kept.words,
        spellings=_find_commonest(corpus.spellings, kept, n_spelled),
        counts=kept.counts,
        pairs=pairs.words,
        pair_counts=pairs.counts,
        class_counts=(n_spelled @ members).astype(np.int32),
        class_follows=_count_class_follows(word_at, corpus.ids, members, len(kept.words)),
    )


class MergedSpellings(NamedTuple):
    """The normalised words of spellings."""

    words: tuple[str, ...]
    """Sorted."""
    of_spelling: Int32[np.ndarray, " spelling"]
    """Index of each spelling's word."""


def merge_spellings(spellings: tuple[str, ...]) -> MergedSpellings:
    """Make spellings that differ in case only one word."""
    normalised = [normalise(spelling) for spelling in spellings]
    words = tuple(sorted(set(normalised)))
    index = {word: i for i, word in enumerate(words)}
    return MergedSpellings(words, np.array([index[word] for word in normalised], dtype=np.int32))


class _KeptWords(NamedTuple):
    words: tuple[str, ...]
    counts: Int32[np.ndarray, " word"]
    of_spelling: Int32[np.ndarray, " spelling_and_gap"]
    """Index of each spelling's word, -1 where that is not kept; the last is that of the gaps."""


class _Pairs(NamedTuple):
    words: Int32[np.ndarray, "pair 2"]
    counts: Int32[np.ndarray, " pair"]


def _keep_words(
    spellings: tuple[str, ...], n_spelled: Int64[np.ndarray, " spelling"]
) -> _KeptWords:
    merged = merge_spellings(spellings)
    counts = np.zeros(len(merged.words), dtype=np.int32)
    np.add.at(counts, merged.of_spelling, n_spelled)
    kept = np.flatnonzero(counts >= MIN_COUNT)
    if not len(kept):
        raise InputError(
            f"the corpus has no word that comes {MIN_COUNT} times",
            remedy="Take a larger one, of a million words or more",
        )
    index = np.full(len(merged.words) + 1, -1, dtype=np.int32)
    index[kept] = np.arange(len(kept), dtype=np.int32)
    of_spelling = index[np.append(merged.of_spelling, -1)]
    return _KeptWords(tuple(merged.words[i] for i in kept.tolist()), counts[kept], of_spelling)


def _find_commonest(
    spellings: tuple[str, ...], kept: _KeptWords, n_spelled: Int64[np.ndarray, " spelling"]
) -> tuple[str, ...]:
    """Find the commonest spelling of every kept word, of equal ones the first."""
    words = kept.of_spelling[:-1]
    order = np.lexsort((-n_spelled, words))
    order = order[words[order] >= 0]
    firsts = np.unique(words[order], return_index=True)[1]
    return tuple(spellings[int(i)] for i in order[firsts])


def _count_pairs(word_at: Int32[np.ndarray, " place"], n_kept: int) -> _Pairs:
    first, second = word_at[:-1].astype(np.int64), word_at[1:]
    both = (first >= 0) & (second >= 0)
    keys, counts = np.unique(first[both] * n_kept + second[both], return_counts=True)
    keys, counts = keys[counts >= MIN_COUNT], counts[counts >= MIN_COUNT]
    words = np.stack(np.divmod(keys, n_kept), axis=1)
    return _Pairs(words.astype(np.int32), counts.astype(np.int32))


def _find_members(spellings: tuple[str, ...]) -> Bool[np.ndarray, "spelling class"]:
    rows = [[c.contains(spelling) for c in CLASSES] for spelling in spellings]
    return np.array(rows, dtype=np.bool_).reshape(len(spellings), len(CLASSES))


def _count_class_follows(
    word_at: Int32[np.ndarray, " place"],
    ids: Int32[np.ndarray, " place"],
    members: Bool[np.ndarray, "spelling class"],
    n_kept: int,
) -> Int32[np.ndarray, "word class"]:
    known = (word_at[:-1] >= 0) & (ids[1:] >= 0)
    before, after = word_at[:-1][known], ids[1:][known]
    columns = [np.bincount(before[member[after]], minlength=n_kept) for member in members.T]
    return np.stack(columns, axis=1).astype(np.int32)
