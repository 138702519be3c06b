"""The words around a peak, as a person reads them."""

from dataclasses import dataclass
from functools import lru_cache

from clerp.evidence import ActivationExample
from clerp.windows import Word, is_bare_space, split_words, word_at
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
    themes: frozenset[str]
    """Other words with a meaning of their own within `_TOKENS` tokens, normalised."""
    n_near: int
    """Words within as many tokens, the peak's left out."""

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


@lru_cache(maxsize=65536)
def has_meaning(word: str) -> bool:
    """Say whether a word is neither a mark nor one that any text has."""
    return any(char.isalnum() for char in word) and not is_function_word(word)


def read_surroundings(example: ActivationExample) -> Surroundings:
    """Read the words around the peak; bare spaces are none, unless the peak is one."""
    near = _crop(example)
    words = split_words(near)
    peak = word_at(words, near.peak)
    if peak is None:
        return Surroundings("", "", (), (), frozenset(), 0)
    at = words.index(peak)
    before = [w.text for w in words[:at] if not is_bare_space(w.text)]
    after = [w.text for w in words[at + 1 :] if not is_bare_space(w.text)]
    themes = {normalise(word) for word in (*before, *after) if has_meaning(word)}
    return Surroundings(
        word=peak.text,
        piece=_read_piece(near, peak),
        before=tuple(before[-REACH:]),
        after=tuple(after[:REACH]),
        themes=frozenset(themes - {normalise(peak.text)}),
        n_near=len(before) + len(after),
    )


def _read_piece(example: ActivationExample, word: Word) -> str:
    token = example.tokens[example.peak].strip()
    if not token or word.start == word.stop:
        return ""
    # A token may hold the end of a word and the mark after it.
    held = (token[:size] for size in range(len(token), 0, -1) if token[:size] in word.text)
    return normalise(next(held, word.text))


def _crop(example: ActivationExample) -> ActivationExample:
    """Keep the tokens near the peak, whatever the length of the example."""
    start = max(0, example.peak - _TOKENS)
    stop = example.peak + _TOKENS + 1
    if start == 0 and stop >= len(example.tokens):
        return example
    return ActivationExample(
        example.id,
        example.tokens[start:stop],
        example.activations[start:stop],
        example.peak - start,
    )
