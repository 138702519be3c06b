"""The words around a peak, as a person reads them."""

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from clerp.evidence import ActivationExample
from clerp.windows import Word, split_tokens
from clerp.word_classes import is_function_word
from clerp.word_counts import normalise

REACH = 8
"""Words of context on either side."""
_CONTENT_REACH = 4
_TOKENS = 24


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What stands at, before and after the peak of one example, as it is spelled."""

    word: str
    """The word that holds the peak token; `""` when none does."""
    piece: str
    """The peak token, where it is only a piece of its word; else `""`."""
    before: tuple[str, ...]
    """Up to `REACH` words, nearest last."""
    after: tuple[str, ...]
    """Up to `REACH` words, nearest first."""
    near: tuple[str, ...]
    """Other words within `_TOKENS` tokens."""

    @property
    def key(self) -> str:
        """The word under which its spellings are one."""
        return normalise(self.word) if self.word else ""

    @property
    def previous(self) -> str:
        """The word before, normalised; `""` at the example's start."""
        return normalise(self.before[-1]) if self.before else ""

    @property
    def following(self) -> str:
        """The word after, normalised; `""` at the example's end."""
        return normalise(self.after[0]) if self.after else ""

    @property
    def next_content(self) -> str:
        """The first of the next words that has a meaning of its own, as it is spelled."""
        near = self.after[:_CONTENT_REACH]
        return next((word for word in near if has_meaning(word)), "")

    def find_themes(self) -> set[str]:
        """Return the near words that have a meaning of their own, normalised."""
        return set(map(_find_theme, self.near)) - {"", self.key}


@lru_cache(maxsize=65536)
def has_meaning(word: str) -> bool:
    """Say whether a word is neither a mark nor one that any text has."""
    return any(char.isalnum() for char in word) and not is_function_word(word)


_NOTHING = Surroundings("", "", (), (), ())


def read_surroundings(example: ActivationExample) -> Surroundings:
    """Read the words around the peak; bare spaces are none, unless the peak is one."""
    tokens, peak = _crop(example)
    split = split_tokens(tokens)
    at = split.find(peak)
    if at is None:
        return _NOTHING
    before, [word], after = split.read(0, at), split.words(at, at + 1), split.read(at + 1)
    return Surroundings(
        word=word.text,
        piece=_read_piece(tokens[peak], word),
        before=tuple(before[-REACH:]),
        after=tuple(after[:REACH]),
        near=(*before, *after),
    )


@lru_cache(maxsize=65536)
def _find_theme(word: str) -> str:
    return normalise(word) if has_meaning(word) else ""


def _read_piece(peak: str, word: Word) -> str:
    token = peak.strip()
    if not token or word.start == word.stop:
        return ""
    # A token may hold the end of a word and the mark after it.
    held = (token[:size] for size in range(len(token), 0, -1) if token[:size] in word.text)
    return normalise(next(held, word.text))


class _Stretch(NamedTuple):
    tokens: tuple[str, ...]
    peak: int


def _crop(example: ActivationExample) -> _Stretch:
    """Keep the tokens near the peak, whatever the length of the example."""
    start = max(0, example.peak - _TOKENS)
    return _Stretch(example.tokens[start : example.peak + _TOKENS + 1], example.peak - start)
