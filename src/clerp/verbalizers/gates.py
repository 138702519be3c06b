"""What makes a text unusable, whatever it says."""

import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from clerp.verbalizers.claims import find_quotes
from clerp.verbalizers.reference import Reference
from clerp.verbalizers.verbalization import Verbalization

FIRST_POSITION = 10
"""Earlier ones have residuals of their own kind; the actor was trained on later ones."""
FEWEST_WORDS = 3
MOST_CHARS = 4000
MOST_FOREIGN = 0.3
"""Share of letters of other scripts, outside quotes."""


@dataclass(frozen=True, slots=True)
class Controls:
    """What an actor says, and residuals are like, whatever the feature."""

    nothing: tuple[str, ...] = ()
    """Texts without any vector put in."""
    modal: str = ""
    """Commonest text over random vectors; empty where there is none, as by `find_modal`."""
    reference: Reference | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """One gate, and how many texts of a feature fail it."""

    reason: str
    n_texts: int


@dataclass(frozen=True, slots=True)
class Gates:
    """How many texts of a feature pass every gate."""

    n_texts: int
    n_usable: int
    failures: tuple[Failure, ...] = ()
    """Commonest first."""

    @property
    def is_shut(self) -> bool:
        """Whether fewer than half of the texts can be used, or none."""
        return self.n_usable == 0 or 2 * self.n_usable < self.n_texts

    def __str__(self) -> str:
        told = "; ".join(f"{failure.reason}: {failure.n_texts}" for failure in self.failures)
        return f"{self.n_usable} of {self.n_texts} texts are usable" + (
            f" ({told})" if told else ""
        )


def check_gates(
    said: Verbalization,
    controls: Controls,
    *,
    max_new_tokens: int,
    norm: float | None = None,
    position: int | None = None,
) -> tuple[str, ...]:
    """Return what makes one text unusable; nothing where it passes.

    Of the language only the script is checked: a text in German passes.

    Args:
        said: By the actor, of one vector.
        controls: Of the same pair.
        max_new_tokens: That it was allowed.
        norm: Length of the residual; None for what is no residual, and where it is not known.
        position: Of the token, counted from 0 with the start token; None likewise.
    """
    return (*_check_text(said, controls, max_new_tokens), *_check_place(controls, norm, position))


def sum_up(checked: Sequence[tuple[str, ...]]) -> Gates:
    """Sum up what `check_gates` found of all texts of a feature."""
    counts = Counter(reason for failures in checked for reason in failures)
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return Gates(
        n_texts=len(checked),
        n_usable=sum(not failures for failures in checked),
        failures=tuple(Failure(reason, n) for reason, n in ordered),
    )


def find_modal(texts: Sequence[str]) -> str:
    """Return the commonest of what was said of random vectors; empty if none was said twice."""
    counts = Counter(_fold(text) for text in texts if text.strip())
    modal = max(counts, key=lambda text: (counts[text], text), default="")
    return modal if counts[modal] > 1 else ""


def _check_text(said: Verbalization, controls: Controls, max_new_tokens: int) -> tuple[str, ...]:
    if said.fault:
        return (said.fault,)
    folded = _fold(said.text)
    if not folded:
        return ("empty",)
    if len(folded) > MOST_CHARS:
        return (f"more than {MOST_CHARS:,} characters",)
    checks = {
        "as long as was allowed": (said.n_tokens or 0) >= max_new_tokens,
        f"fewer than {FEWEST_WORDS} words": len(folded.split()) < FEWEST_WORDS,
        "not in Latin letters": _share_foreign(said.text) > MOST_FOREIGN,
        "the same without a vector": folded in map(_fold, controls.nothing),
        "the same for random vectors": folded == _fold(controls.modal),
    }
    return tuple(reason for reason, fails in checks.items() if fails)


def _check_place(controls: Controls, norm: float | None, position: int | None) -> tuple[str, ...]:
    failures: list[str] = []
    known = controls.reference
    if norm is not None and known and not known.low_norm <= norm <= known.high_norm:
        failures.append("a residual of unusual length")
    if position is not None and position < FIRST_POSITION:
        failures.append(f"among the first {FIRST_POSITION} tokens")
    return tuple(failures)


def _fold(text: str) -> str:
    return " ".join(text.split()).casefold()


def _share_foreign(text: str) -> float:
    """Return the share of letters that are not Latin: outside quotes, if there are any there."""
    kept, start = "", 0
    for span in find_quotes(text):
        kept, start = kept + text[start : span.start], span.stop
    outside = [char for char in kept + text[start:] if char.isalpha()]
    letters = outside or [char for char in text if char.isalpha()]
    foreign = sum(not char.isascii() and not _is_latin(char) for char in letters)
    return foreign / len(letters) if letters else 0.0


def _is_latin(char: str) -> bool:
    return "LATIN" in unicodedata.name(char, "").split()
