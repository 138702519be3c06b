"""What a reader looks at, as numbers: words, classes and topics around the peaks.

Every number but plain shares compares a feature's examples with ordinary text, and with nothing
else: neither other features nor the layer. Sizes of an effect do not grow with the number of
examples.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import chain
from math import log2

import numpy as np
from jaxtyping import Float32

from clerp.evidence import FeatureEvidence
from clerp.ordinary import OrdinaryText, Side, join_sides
from clerp.ordinary.means import SIDES
from clerp.router.surroundings import Surroundings, has_meaning, read_surroundings
from clerp.router.yardstick import Yardstick, average_pairs, to_unit
from clerp.windows import is_bare_space
from clerp.word_classes import CLASSES, NAMES, WordClass
from clerp.word_counts import normalise

_N_REFERENCE = 20
"""Coherence is told as the z that it would be with this many examples."""
_SCALE = (_N_REFERENCE * (_N_REFERENCE - 1) / 2) ** 0.5
_PIECE_RATE = 1e-3
"""Of a piece of words, which ordinary text does not count."""
CLEAR_CLASS = 1.0
"""From so many bits on a class of peaks explains them."""
_MIN_COHERENT = 3
_MIN_THEME = 3
_MIN_MEMBERS = 2
_BATCH = 256
_N_WORDS = 3


@dataclass(frozen=True, slots=True)
class Recurrence:
    """Words that recur in one place, against ordinary text."""

    bits: float = 0.0
    """Information of the recurring words, per example."""
    share: float = 0.0
    """Part of the examples that have one of them."""
    words: tuple[str, ...] = ()
    """The most telling ones, with the most bits first."""


@dataclass(frozen=True, slots=True)
class Membership:
    """The class of words that is most over-represented in one place."""

    bits: float = 0.0
    """Divergence of its share from that in ordinary text, per example."""
    share: float = 0.0
    name: str = ""


@dataclass(frozen=True, slots=True)
class Signals:
    """What a reader looks at, of one feature."""

    n: int
    """Examples."""
    at_peak: Recurrence
    peak_class: Membership
    top_share: float
    """Part of the examples that peak on the commonest word."""
    function_share: float
    """Part of the examples that peak on a function word or a mark; a lone space is none."""
    before: Recurrence
    """The word before, against what precedes the same peak words in ordinary text."""
    after: Recurrence
    """The word after, against what follows the same peak words."""
    after_class: Membership
    """Likewise."""
    peak_coherence: float
    """How alike the different peak words are."""
    after_coherence: float
    """How alike the different next words are."""
    content_coherence: float
    """How alike the different next words with a meaning of their own are."""
    content_capitals: float
    """Capitalised ones among them, above ordinary text."""
    context: float
    """How alike the contexts are, beyond those of the same peak words in ordinary text."""
    context_before: float
    context_after: float
    themes: Recurrence
    """Words with a meaning that stand anywhere near the peaks of at least `_MIN_THEME` examples,
    against how often ordinary text would have them there; the `_N_WORDS` most telling only."""
    promoted_fit: float
    """Mean cosine of the promoted tokens' centre to the next words."""
    places: tuple[Surroundings, ...] = field(repr=False, compare=False)
    """What was measured, one for each example; their order changes no signal."""

    @property
    def other_share(self) -> float:
        """Part of the examples that peak on anything but a function word or a mark."""
        return 1 - self.function_share

    @property
    def unexplained(self) -> float:
        """Part of the examples that neither recurring peak words nor a class explain."""
        by_class = self.peak_class.share if self.peak_class.bits > CLEAR_CLASS else 0.0
        return 1 - max(self.at_peak.share, by_class)


def measure_all(evidence: Sequence[FeatureEvidence], yardstick: Yardstick) -> Iterator[Signals]:
    """Measure features, their words embedded in batches; memory does not grow with features."""
    for start in range(0, len(evidence), _BATCH):
        batch = evidence[start : start + _BATCH]
        around = [tuple(map(read_surroundings, known.top)) for known in batch]
        yardstick.contexts.word_vectors(_list_words(batch, around))
        for known, places in zip(batch, around, strict=True):
            yield _measure(known, places, yardstick)


def measure_signals(evidence: FeatureEvidence, yardstick: Yardstick) -> Signals:
    """Measure the top examples of one feature."""
    return next(measure_all([evidence], yardstick))


def _list_words(
    evidence: Sequence[FeatureEvidence], around: Sequence[Sequence[Surroundings]]
) -> list[str]:
    """List the words that vectors are wanted of."""
    words = {
        word for places in around for p in places for word in (p.word, *p.before, *p.after) if word
    }
    promoted = {token for known in evidence for token in known.promoted}
    return sorted({normalise(word) for word in words | promoted})


def _measure(
    evidence: FeatureEvidence, around: tuple[Surroundings, ...], yardstick: Yardstick
) -> Signals:
    text = yardstick.text
    keys = [place.key for place in around]
    coherence = _Coherence(yardstick, len(around))
    sides = coherence.compare_contexts(around)
    content = [place.next_content for place in around if place.next_content]
    return Signals(
        n=len(around),
        at_peak=_find_recurring_peaks(around, text),
        peak_class=_find_class([place.word for place in around], text, None),
        top_share=max(Counter(keys).values(), default=0) / max(1, len(keys)),
        function_share=_share_functions(around),
        before=_find_recurring(
            [place.previous for place in around], _condition(keys, text.precede_rate)
        ),
        after=_find_recurring(
            [place.following for place in around], _condition(keys, text.follow_rate)
        ),
        after_class=_find_class(
            [place.after[0] if place.after else "" for place in around], text, keys
        ),
        peak_coherence=coherence.compare_words(keys),
        after_coherence=coherence.compare_words([place.following for place in around]),
        content_coherence=coherence.compare_words([normalise(word) for word in content]),
        content_capitals=_exceed(content, NAMES, text),
        context=sides["both"],
        context_before=sides["before"],
        context_after=sides["after"],
        themes=_find_themes(around, text),
        promoted_fit=coherence.fit_promoted(evidence.promoted, around),
        places=around,
    )


def _find_recurring_peaks(around: Sequence[Surroundings], text: OrdinaryText) -> Recurrence:
    """Words, or where most peaks are pieces of words and tell more, the pieces."""
    words = _find_recurring([place.key for place in around], text.rate)
    pieces = [place.piece for place in around]
    if 2 * sum(map(bool, pieces)) < len(pieces):
        return words
    found = _find_recurring(pieces, lambda _: _PIECE_RATE)
    return found if found.bits > words.bits else words


def _find_recurring(words: Sequence[str], rate: Callable[[str], float]) -> Recurrence:
    """Sum the information of the words that occur more than once, and more than ordinarily."""
    n = len(words)
    counts = Counter(word for word in words if word)
    bits = {
        word: count / n * log2(count / n / rate(word))
        for word, count in sorted(counts.items())
        if count > 1 and count / n > rate(word)
    }
    telling = sorted(bits, key=lambda word: (-round(bits[word], 6), word))
    return Recurrence(
        sum(bits.values(), 0.0),
        sum(counts[word] for word in bits) / max(1, n),
        tuple(telling[:_N_WORDS]),
    )


def _find_themes(around: Sequence[Surroundings], text: OrdinaryText) -> Recurrence:
    """Find the words that most contexts share; chance grows with the contexts' length."""
    n = len(around)
    themes = [place.find_themes() for place in around]
    counts = Counter(chain.from_iterable(themes))
    length = sum(len(place.near) for place in around) / max(1, n)
    bits: dict[str, float] = {}
    for word, count in counts.items():
        if count < _MIN_THEME:
            continue
        chance = 1 - (1 - text.rate(word)) ** length
        if count / n > chance:
            bits[word] = count / n * log2(count / n / chance)
    telling = sorted(bits, key=lambda word: (-round(bits[word], 6), word))[:_N_WORDS]
    share = sum(not words.isdisjoint(telling) for words in themes) / max(1, n)
    return Recurrence(sum((bits[word] for word in telling), 0.0), share, tuple(telling))


def _condition(keys: Sequence[str], rate: Callable[[str, str], float]) -> Callable[[str], float]:
    """Average a neighbour's rate over the peak words."""
    counts = sorted(Counter(keys).items())
    return lambda word: sum(n * rate(word, key) for key, n in counts) / len(keys)


def _find_class(
    words: Sequence[str], text: OrdinaryText, after: Sequence[str] | None
) -> Membership:
    """Find the class that diverges most, upwards, from ordinary text."""
    members = Counter(i for word in words if word for i in _list_classes(word))
    # One word alone is no class: "may" would be months.
    different = Counter(
        i for word in {normalise(w): w for w in words if w}.values() for i in _list_classes(word)
    )
    found = (
        _judge_class(CLASSES[i], members[i] / len(words), text, after)
        for i in sorted(members)
        if different[i] >= _MIN_MEMBERS
    )
    return max(found, key=lambda membership: membership.bits, default=Membership())


@lru_cache(maxsize=65536)
def _list_classes(word: str) -> frozenset[int]:
    return frozenset(i for i, word_class in enumerate(CLASSES) if word_class.contains(word))


def _judge_class(
    word_class: WordClass, share: float, text: OrdinaryText, after: Sequence[str] | None
) -> Membership:
    rate = _rate_class(word_class, text, after)
    if share <= rate:
        return Membership()
    return Membership(_diverge(share, rate), share, word_class.plural)


def _rate_class(word_class: WordClass, text: OrdinaryText, after: Sequence[str] | None) -> float:
    if after is None:
        return text.class_rate(word_class)
    counts = sorted(Counter(after).items())
    return sum(n * text.class_rate(word_class, key) for key, n in counts) / len(after)


def _diverge(share: float, rate: float) -> float:
    """Return the Kullback-Leibler divergence of two shares, in bits."""
    rest = (1 - share) * log2((1 - share) / (1 - rate)) if share < 1 else 0.0
    return share * log2(share / rate) + rest


def _share_functions(around: Sequence[Surroundings]) -> float:
    found = sum(
        bool(place.word) and not is_bare_space(place.word) and not has_meaning(place.word)
        for place in around
    )
    return found / max(1, len(around))


def _exceed(words: Sequence[str], word_class: WordClass, text: OrdinaryText) -> float:
    if not words:
        return 0.0
    share = sum(word_class.contains(word) for word in words) / len(words)
    return share - text.class_rate(word_class)


class _Coherence:
    """Mean similarities over all pairs, as the z of `_N_REFERENCE` examples."""

    def __init__(self, yardstick: Yardstick, n: int) -> None:
        self._yardstick = yardstick
        self._contexts = yardstick.contexts
        self._n = n

    def compare_words(self, words: Sequence[str]) -> float:
        """Compare the different words of one place; few different ones count for less."""
        distinct = sorted({word for word in words if word and not word.isspace()})
        if len(distinct) < _MIN_COHERENT:
            return 0.0
        kept = len(distinct) * (len(distinct) - 1) / (self._n * (self._n - 1))
        return self._yardstick.compare_words(distinct) * _SCALE * kept**0.5

    def compare_contexts(self, around: Sequence[Surroundings]) -> Mapping[Side, float]:
        """Compare contexts less the mean context of their peak words."""
        if len(around) < _MIN_COHERENT:
            return dict.fromkeys(SIDES, 0.0)
        keys = [place.key for place in around]
        before = self._contexts.context_vectors([place.before for place in around])
        after = self._contexts.context_vectors([place.after for place in around])
        return {
            "before": self._compare(before, keys, "before"),
            "after": self._compare(after, keys, "after"),
            "both": self._compare(join_sides(before, after), keys, "both"),
        }

    def _compare(
        self, vectors: Float32[np.ndarray, "context dimension"], keys: Sequence[str], side: Side
    ) -> float:
        present = np.flatnonzero(np.any(vectors, axis=1)).tolist()
        if len(present) < _MIN_COHERENT:
            return 0.0
        residual = vectors[present] - self._contexts.mean_contexts([keys[i] for i in present], side)
        return average_pairs(residual) / self._contexts.pair_spread(side) * _SCALE

    def fit_promoted(self, promoted: Sequence[str], around: Sequence[Surroundings]) -> float:
        """Compare the promoted tokens' centre with the next words."""
        words = [normalise(token) for token in promoted if any(char.isalnum() for char in token)]
        following = [place.following for place in around if place.following]
        if not words or not following:
            return 0.0
        centre = to_unit(self._contexts.word_vectors(words)).mean(axis=0)
        length = float(np.sqrt(centre @ centre))
        if length == 0:
            return 0.0
        nexts = to_unit(self._contexts.word_vectors(following))
        return round(float(np.sum(nexts @ centre)) / length / len(around), 4)
