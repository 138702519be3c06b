"""The labels in use: what a person may mean, and which features are named alike."""

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from math import log

from clerp.ledger.review_reads import NamedFeature
from clerp.review.item import Namesake

_WORD = re.compile(r"\w+")
# They stand before every word that is promoted, or tell one thing from no other.
_EMPTY = frozenset({"say", "avoid", "a", "an", "the", "of", "and", "or", "to", "in", "for"})
_COMMON = 0.1
"""Part of all names that a word may be in and still tell anything."""


class NamesInUse:
    """Names of features, by what they say.

    Args:
        named: Features and the names that a person may know of them.
    """

    def __init__(self, named: Sequence[tuple[NamedFeature, str]]) -> None:
        self._counts = Counter(label for _, label in named)
        self._n = len(named)
        self._by_word: defaultdict[str, list[Namesake]] = defaultdict(list)
        for feature, label in named:
            namesake = Namesake(feature.item, str(feature.feature), label)
            for word in read_words(label):
                self._by_word[word].append(namesake)

    def complete(self, typed: str, limit: int) -> list[str]:
        """List names that hold what was typed, those that begin with it and the most used first."""
        wanted = typed.casefold().strip()
        found = [label for label in self._counts if wanted in label.casefold()]
        found.sort(key=lambda x: (not x.casefold().startswith(wanted), -self._counts[x], x))
        return found[:limit]

    def find_similar(self, item: str, text: str, limit: int) -> tuple[Namesake, ...]:
        """List features whose names share words with a text, those that share rarer ones first.

        Args:
            item: The feature that the text is of, which is left out.
            text: Words.
            limit: How many features at most, of each name one.
        """
        weights: dict[Namesake, float] = defaultdict(float)
        # In order, because the sum of floats depends on it.
        for word in sorted(read_words(text)):
            bearers = self._by_word.get(word, ())
            if len(bearers) > max(1, _COMMON * self._n):
                continue
            for feature in bearers:
                weights[feature] += log(1 + self._n / len(bearers))
        weights = {f: weight for f, weight in weights.items() if f.item != item}
        ranked = sorted(weights, key=lambda f: (-weights[f], f.label, f.feature))
        first = {namesake.label: namesake for namesake in reversed(ranked)}
        return tuple(n for n in ranked if first[n.label] is n)[:limit]


def read_words(text: str) -> set[str]:
    """Cut a text into words that tell something."""
    return {word for word in _WORD.findall(text.casefold()) if word not in _EMPTY}
