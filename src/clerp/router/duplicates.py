"""Examples of one feature that nearly repeat a stronger one.

Reading drops examples whose contexts are equal (`clerp.evidence.parsing`); texts of the web also
quote one another, and carry the same notice with another date. Such examples tell a thing once.
"""

from collections.abc import Iterator, Sequence, Sized
from dataclasses import dataclass
from math import inf, isfinite

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
    kept: list[ActivationExample] = []
    dropped: list[ActivationExample] = []
    contexts = _Contexts()
    for example in sorted(examples, key=by_strength):
        (kept if contexts.add(example) else dropped).append(example)
    return Kept(tuple(kept), tuple(dropped))


def by_strength(example: ActivationExample) -> tuple[float, str]:
    """Order examples, strongest first, those without a height last."""
    height = example.peak_activation
    return (-height if isfinite(height) else inf, example.id)


class _Contexts:
    """The contexts met so far, by their shingles."""

    def __init__(self) -> None:
        self._contexts: list[set[_Shingle]] = []
        self._met: set[_Shingle] = set()

    def add(self, example: ActivationExample) -> bool:
        """Take in an example's context and say whether it is a new one."""
        shingles = set(_cut_shingles(example))
        # Hardly any context shares as many with all others together.
        shared = shingles & self._met
        if len(shared) >= MIN_SHARED and any(
            len(shared & other) >= _find_cut(shingles, other) for other in self._contexts
        ):
            return False
        self._contexts.append(shingles)
        self._met |= shingles
        return True


def _find_cut(one: Sized, other: Sized) -> float:
    return max(float(MIN_SHARED), OVERLAP * min(len(one), len(other)))


def _cut_shingles(example: ActivationExample) -> Iterator[_Shingle]:
    near = example.tokens[max(0, example.peak - REACH) : example.peak + REACH + 1]
    tokens = [folded for token in near if (folded := token.strip().casefold())]
    return zip(*(tokens[i:] for i in range(SHINGLE)), strict=False)
