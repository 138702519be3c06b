"""Examples of one feature that nearly repeat a stronger one.

Reading drops examples whose contexts are equal (`clerp.evidence.parsing`); texts of the web also
quote one another, and carry the same notice with another date. Such examples tell a thing once.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from math import inf, isfinite

import numpy as np
from jaxtyping import Int64

from clerp.evidence import ActivationExample

REACH = 24
"""Tokens on either side of the peak that are compared."""
SHINGLE = 5
"""Tokens of a shingle, of those that hold more than spaces."""
MIN_SHARED = 8
"""Shingles that two contexts share at least if they are one: twelve tokens in a row have as many,
and no phrase is as long."""
OVERLAP = 0.4
"""Part of the shorter context's shingles that they share at least. On the sample's features,
passages whose peaks stand some twenty tokens apart and notices of licences share more, templates
(definitions, headings of a country's entry, calls in code) less."""

_FACTOR = 0x5851F42D4C957F2D
"""Odd and large, so that hashes of different shingles differ (Knuth's for 64 bits)."""
_MAX_CODES, _MAX_CHARS = 2**17, 100
"""Tokens of which the number is remembered, and characters of the longest of them."""
_BLANK = 0

_Shingle = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Kept:
    """The examples that count, and those that do not."""

    examples: tuple[ActivationExample, ...]
    """Strongest first."""
    dropped: tuple[ActivationExample, ...]
    """Each of them nearly repeats one that is kept."""


def drop_near_duplicates(examples: Sequence[ActivationExample]) -> Kept:
    """Keep the strongest of examples whose contexts are nearly the same.

    Contexts are compared by the overlap coefficient of their shingles (Broder 1997, On the
    resemblance and containment of documents). The order of the examples makes no difference, and
    examples that share no more than the few words of a phrase are not the same.
    """
    ranked = sorted(examples, key=by_strength)
    suspects = _find_suspects(ranked)
    kept: list[ActivationExample] = []
    dropped: list[ActivationExample] = []
    contexts: list[set[_Shingle]] = []
    for number, example in enumerate(ranked):
        if number not in suspects:
            kept.append(example)
            continue
        shingles = set(_cut_shingles(example))
        if any(_is_near(shingles, other) for other in contexts):
            dropped.append(example)
        else:
            kept.append(example)
            contexts.append(shingles)
    return Kept(tuple(kept), tuple(dropped))


def by_strength(example: ActivationExample) -> tuple[float, str]:
    """Order examples, strongest first, those without a height last."""
    height = example.peak_activation
    return (-height if isfinite(height) else inf, example.id)


def _is_near(one: set[_Shingle], other: set[_Shingle]) -> bool:
    return len(one & other) >= max(MIN_SHARED, OVERLAP * min(len(one), len(other)))


def _cut_shingles(example: ActivationExample) -> Iterator[_Shingle]:
    tokens = [folded for token in _cut_near(example) if (folded := _fold(token))]
    return zip(*(tokens[i:] for i in range(SHINGLE)), strict=False)


def _cut_near(example: ActivationExample) -> Sequence[str]:
    return example.tokens[max(0, example.peak - REACH) : example.peak + REACH + 1]


def _fold(token: str) -> str:
    return token.strip().casefold()


# Sets of shingles take several times as long as one sorted array of their hashes, and of most
# features no two contexts share as many.
def _find_suspects(examples: Sequence[ActivationExample]) -> set[int]:
    """Return the places of all that share `MIN_SHARED` shingles with another, and of a few more.

    Equal shingles have equal hashes, so that nobody is missing.
    """
    near = [_cut_near(example) for example in examples]
    coded = np.fromiter(map(_CODES.__getitem__, chain.from_iterable(near)), np.int64)
    is_told = coded != _BLANK
    places = np.repeat(np.arange(len(near)), [len(tokens) for tokens in near])[is_told]
    hashes = _hash_shingles(coded[is_told])
    # Some reach from one context into the next: that is no harm either.
    in_order = np.sort(hashes)
    repeated = in_order[1:][in_order[1:] == in_order[:-1]]
    if len(repeated) < MIN_SHARED:
        return set()
    found = np.searchsorted(repeated, hashes)
    is_repeated = repeated.take(found, mode="clip") == hashes
    n_shared = np.bincount(places[: len(hashes)][is_repeated])
    return set(np.flatnonzero(n_shared >= MIN_SHARED).tolist())


def _hash_shingles(codes: Int64[np.ndarray, " token"]) -> Int64[np.ndarray, " shingle"]:
    n = max(0, len(codes) - SHINGLE + 1)
    hashes = np.zeros(n, dtype=np.int64)
    for i in range(SHINGLE):
        hashes = hashes * _FACTOR + codes[i : n + i]
    return hashes


class _Codes(dict[str, int]):
    """A number for what a token is compared by, made when it is asked for."""

    def __missing__(self, token: str) -> int:
        folded = _fold(token)
        code = (hash(folded) or 1) if folded else _BLANK
        # Tokens of strangers may have any length, and there may be any number of them.
        if len(token) <= _MAX_CHARS:
            if len(self) == _MAX_CODES:
                self.clear()
            self[token] = code
        return code


_CODES = _Codes()
