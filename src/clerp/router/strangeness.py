"""How far the text of evidence is from ordinary text, which everything is compared with."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from clerp.evidence import ActivationExample, FeatureEvidence
from clerp.ordinary import OrdinaryContexts, OrdinaryText
from clerp.router.duplicates import by_strength
from clerp.router.residuals import measure_residuals
from clerp.router.surroundings import Surroundings, read_surroundings
from clerp.word_counts import normalise

MIN_WORDS = 50
"""Fewer words tell nothing of a text."""
MANY_UNKNOWN = 0.3
"""Of a feature's words. Of 872 real features, a few about code and lists of rare names among them,
none has as many; German text has .5, Chinese text 1."""

# Of the words of a run, as for one feature; ordinary passages have .03, word glosses .07.
_MANY_POOLED = 0.15
# Of contexts away from peaks, of different features: passages and mixed text have 1 to 1.6, glosses
# and fortunes 2.6, the manual of a programming language 5 to 6.
_ALIKE = 4.0
_N_PLACES = 400
# Of one feature; language and tokenizer show in a few, and every one takes time to read.
_N_EXAMPLES = 5
_MIN_FEATURES = 10
# Contexts are told as the z that twenty of them would have, like a feature's own.
_SCALE = (20 * 19 / 2) ** 0.5


@dataclass(frozen=True, slots=True)
class Strangeness:
    """How much of a text ordinary text does not know."""

    n_words: int
    unknown: float
    """Part of the words, those without a letter left out, that ordinary text never has."""

    @property
    def is_strange(self) -> bool:
        """Whether what is said of a feature with this text is less sure."""
        return self.n_words >= MIN_WORDS and self.unknown >= MANY_UNKNOWN


@dataclass(frozen=True, slots=True)
class Drift:
    """How far the text of many features, away from their peaks, is from ordinary text."""

    words: Strangeness
    coherence: float | None
    """How alike contexts of different features are, beyond those of ordinary text, as the z of
    twenty of them; None where there are too few features."""

    def tell(self) -> Iterator[str]:
        """Say what a reader should know, in one sentence each; nothing of text that is ordinary."""
        if self.words.n_words >= MIN_WORDS and self.words.unknown >= _MANY_POOLED:
            yield (
                f"{self.words.unknown:.0%} of the words around the examples are unknown to the "
                "ordinary text that features are compared with: routes are less sure, and alpha, "
                "p and q do not hold; clerp calibrate makes a fitting one"
            )
        if self.coherence is not None and self.coherence >= _ALIKE:
            yield (
                "the examples of different features come from text about one thing, away from "
                f"their peaks too (z {self.coherence:.1f}, mixed text has 1): against ordinary "
                "text nothing looks like something, and alpha, p and q do not hold; clerp "
                "calibrate makes a fitting one"
            )


def measure_strangeness(places: Sequence[Surroundings], text: OrdinaryText) -> Strangeness:
    """Look up the words around the first peaks of one feature; the peaks do not count."""
    first = places[:_N_EXAMPLES]
    return _look_up((word for place in first for word in (*place.before, *place.after)), text)


def measure_drift(
    evidence: Sequence[FeatureEvidence], text: OrdinaryText, contexts: OrdinaryContexts
) -> Drift:
    """Look at places away from the peaks, as many of each feature, some hundreds in all.

    Neither the order of features nor that of examples makes a difference.
    """
    chosen = list(_choose_places(evidence))
    places = [place for of_feature in chosen for place in of_feature]
    words = (word for place in places for word in (*place.before, place.word, *place.after))
    return Drift(
        words=_look_up(words, text),
        coherence=_compare(chosen, contexts) if len(chosen) >= _MIN_FEATURES else None,
    )


def _look_up(words: Iterable[str], text: OrdinaryText) -> Strangeness:
    lettered = [form for form in map(_read_lettered, words) if form]
    unknown = sum(word not in text.indices for word in lettered)
    return Strangeness(len(lettered), round(unknown / max(1, len(lettered)), 4))


@lru_cache(maxsize=65536)
def _read_lettered(word: str) -> str:
    """Normalise a word; `""` for one without a letter."""
    return normalise(word) if any(char.isalpha() for char in word) else ""


def _choose_places(evidence: Sequence[FeatureEvidence]) -> Iterator[list[Surroundings]]:
    ordered = sorted((k for k in evidence if k.top), key=lambda known: known.feature)
    step = -(-len(ordered) // _N_PLACES)
    spread = ordered[:: max(1, step)]
    each = -(-_N_PLACES // max(1, len(spread)))
    # Features that fire in one passage are no two witnesses of what the text is about.
    met: set[tuple[str, ...]] = set()
    for known in spread:
        strongest = sorted(known.top, key=by_strength)[:each]
        fresh = [example for example in strongest if example.tokens not in met]
        met.update(example.tokens for example in fresh)
        if fresh:
            yield [read_surroundings(_move_away(example)) for example in fresh]


def _move_away(example: ActivationExample) -> ActivationExample:
    """Put the peak half of the example away from where it is."""
    n = len(example.tokens)
    return replace(example, peak=(example.peak + n // 2) % n)


def _compare(chosen: Sequence[Sequence[Surroundings]], contexts: OrdinaryContexts) -> float:
    """Average the dot products of residuals over all pairs of places of different features."""
    residuals = [measure_residuals(places, contexts) for places in chosen]
    sums = np.array([rows.sum(axis=0) for rows in residuals])
    sizes = np.array([int(rows.any(axis=1).sum()) for rows in residuals])
    total = sums.sum(axis=0)
    similar = float(total @ total) - float((sums**2).sum())
    pairs = int(sizes.sum()) ** 2 - int((sizes**2).sum())
    return round(similar / pairs / contexts.pair_spread("both") * _SCALE, 2) if pairs else 0.0
