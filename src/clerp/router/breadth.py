"""How far down its activation range a feature shows what its top examples show."""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import cache, cached_property

import numpy as np
from jaxtyping import Bool, Float64

from clerp.evidence import ActivationExample
from clerp.ordinary.passages import WIDTH, load_passages
from clerp.router.residuals import measure_residuals
from clerp.router.route import Breadth, Held, Role
from clerp.router.signals import CLEAR_CLASS, Membership, Signals
from clerp.router.surroundings import Surroundings, read_surroundings
from clerp.router.yardstick import Yardstick, to_unit
from clerp.word_classes import CLASSES
from clerp.word_counts import normalise

ALIKE = 4.0
"""From here on different words are said to be of one kind."""
_N_ORDINARY = 400
_LESS_ALIKE = 0.95
"""Part of ordinary places that are less like a feature's centre than what is said to be like it."""
_DECIMALS = 5

_BY_NAME = {word_class.plural: word_class for word_class in CLASSES}

_Read = Callable[[Surroundings], str]
_Pattern = Callable[[Sequence[Surroundings]], Bool[np.ndarray, " place"]]
_Rows = Float64[np.ndarray, "row dimension"]


class BreadthMeter:
    """Looks for what decided a role in the examples of lower activation quantiles.

    That is any of: words that recur in the top examples more often than in ordinary text, the class
    of their words, being of one kind, and for `cross` the whole context. To be of a kind is to be
    more like the centre of the top examples than 95 % of ordinary places are, so that one in twenty
    shows it by chance.

    Args:
        yardstick: What the route's signals were measured with.
    """

    def __init__(self, yardstick: Yardstick) -> None:
        self.yardstick = yardstick
        self._ordinary_words: dict[_Read, _Rows] = {}

    @cached_property
    def _ordinary_contexts(self) -> _Rows:
        return measure_residuals(_read_ordinary(), self.yardstick.contexts)

    def measure(
        self, role: Role, lower: Sequence[ActivationExample], signals: Signals
    ) -> Breadth | None:
        """Count the lower examples that show what decided.

        Args:
            role: The route's.
            lower: Examples of lower activation quantiles.
            signals: Of the top examples, which decided.

        Returns:
            The counts; None for a role that rests on no pattern, without lower examples, or where
            nothing that can be looked for decided.
        """
        if not lower or role in ("obscure", "artefact"):
            return None
        patterns = list(self._find_patterns(role, signals))
        if not patterns:
            return None
        places = [read_surroundings(example) for example in lower]
        return _count(lower, np.any([shows(places) for shows in patterns], axis=0))

    def _find_patterns(self, role: Role, signals: Signals) -> Iterator[_Pattern]:
        if role == "input":
            yield from self._find_peak_patterns(signals)
        elif role == "output":
            yield from self._find_next_patterns(signals)
        else:
            yield self._resemble_contexts(signals.places)

    def _find_peak_patterns(self, signals: Signals) -> Iterator[_Pattern]:
        top = signals.places
        keys = [place.key for place in top]
        if words := _list_recurring(keys, self.yardstick.text.rate):
            yield _have(_read_key, words)
        if not set(signals.at_peak.words) <= set(keys):
            pieces = _list_recurring([place.piece for place in top], lambda _: 0.0)
            yield _have(_read_piece, pieces)
        yield from _belong(_read_word, signals.peak_class)
        if signals.peak_coherence >= ALIKE:
            yield self._resemble_words(_read_key, top)

    def _find_next_patterns(self, signals: Signals) -> Iterator[_Pattern]:
        top = signals.places
        if words := _list_recurring([place.following for place in top], self._rate_next(top)):
            yield _have(_read_following, words)
        yield from _belong(_read_next, signals.after_class)
        if signals.after_coherence >= ALIKE:
            yield self._resemble_words(_read_following, top)
        if signals.content_coherence >= ALIKE:
            yield self._resemble_words(_read_content, top)

    def _rate_next(self, top: Sequence[Surroundings]) -> Callable[[str], float]:
        counts = sorted(Counter(place.key for place in top).items())
        follow_rate = self.yardstick.text.follow_rate
        return lambda word: sum(n * follow_rate(word, key) for key, n in counts) / len(top)

    def _resemble_words(self, read: _Read, top: Sequence[Surroundings]) -> _Pattern:
        if read not in self._ordinary_words:
            self._ordinary_words[read] = self._point(_list_words(read, _read_ordinary()))
        resembles = _resemble(self._point(_list_words(read, top)), self._ordinary_words[read])
        return lambda places: resembles(self._point([read(place) for place in places]))

    def _point(self, words: Sequence[str]) -> _Rows:
        """Return the direction of each word less the mean one; zeros for one without content."""
        directions = to_unit(self.yardstick.contexts.word_vectors(words))
        present = directions.any(axis=1, keepdims=True)
        return np.where(present, directions - self.yardstick.word_mean, 0.0)

    def _resemble_contexts(self, top: Sequence[Surroundings]) -> _Pattern:
        contexts = self.yardstick.contexts
        resembles = _resemble(measure_residuals(top, contexts), self._ordinary_contexts)
        return lambda places: resembles(measure_residuals(places, contexts))


def _resemble(
    top: _Rows, ordinary: Float64[np.ndarray, "place dimension"]
) -> Callable[[_Rows], Bool[np.ndarray, " row"]]:
    """Ask for more likeness to the centre of the top than ordinary places have."""
    centre = top.mean(axis=0)
    cut = float(np.quantile((ordinary @ centre).round(_DECIMALS), _LESS_ALIKE))
    return lambda rows: (rows @ centre).round(_DECIMALS) > cut


@cache
def _read_ordinary() -> tuple[Surroundings, ...]:
    """Read the middles of some passages."""
    passages = load_passages().tokens[:_N_ORDINARY]
    silent = np.zeros(WIDTH, dtype=np.float32)
    return tuple(
        read_surroundings(ActivationExample("", tokens, silent, WIDTH // 2)) for tokens in passages
    )


def _list_words(read: _Read, places: Sequence[Surroundings]) -> list[str]:
    """List the different words of one place, as their coherence is measured."""
    return sorted({word for place in places if (word := read(place)) and not word.isspace()})


def _list_recurring(words: Sequence[str], rate: Callable[[str], float]) -> set[str]:
    """List the words that occur more than once, and more than ordinarily."""
    counts = Counter(word for word in words if word)
    return {word for word, n in counts.items() if n > 1 and n / len(words) > rate(word)}


def _have(read: _Read, words: Collection[str]) -> _Pattern:
    return lambda places: np.array([read(place) in words for place in places])


def _belong(read: _Read, membership: Membership) -> Iterator[_Pattern]:
    if membership.bits >= CLEAR_CLASS:
        contains = _BY_NAME[membership.name].contains
        yield lambda places: np.array([bool(w := read(p)) and contains(w) for p in places])


def _count(examples: Sequence[ActivationExample], shown: Bool[np.ndarray, " place"]) -> Breadth:
    held: Counter[str] = Counter()
    sizes: Counter[str] = Counter()
    for example, shows in zip(examples, shown.tolist(), strict=True):
        quantile = example.id.partition(".")[0]
        sizes[quantile] += 1
        held[quantile] += shows
    ordered = sorted(sizes, key=lambda quantile: (len(quantile), quantile))
    return Breadth(
        held=held.total(),
        of=sizes.total(),
        by_quantile={quantile: Held(held[quantile], sizes[quantile]) for quantile in ordered},
    )


def _read_word(place: Surroundings) -> str:
    return place.word


def _read_key(place: Surroundings) -> str:
    return place.key


def _read_piece(place: Surroundings) -> str:
    return place.piece


def _read_following(place: Surroundings) -> str:
    return place.following


def _read_next(place: Surroundings) -> str:
    return place.after[0] if place.after else ""


def _read_content(place: Surroundings) -> str:
    return normalise(place.next_content) if place.next_content else ""
