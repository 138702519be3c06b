"""Token windows around a position of an example, and the words that its tokens make up."""

import re
import unicodedata
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import accumulate
from typing import NamedTuple

from clerp.errors import UsageError
from clerp.evidence import ActivationExample

_WINDOW = re.compile(r"\s*([a-z]+)\s*=\s*(-?\d{1,4})\s*:\s*(-?\d{1,4})\s*")


class Window(NamedTuple):
    """A stretch of tokens, counted from a position; both ends belong to it."""

    name: str
    """The channel: `input`, `output` or `cross`."""
    start: int
    stop: int


DEFAULT_WINDOWS = (Window("input", -1, 0), Window("output", 1, 2), Window("cross", -8, 8))


class Word(NamedTuple):
    """A word of an example and the tokens that it touches."""

    text: str
    start: int
    """Index of its first token."""
    stop: int
    """Index of its last token; neighbouring words may share a token, as in `,"`."""


def parse_windows(text: str) -> tuple[Window, ...]:
    """Read `input=-1:0,output=1:2,cross=-8:8`, the channels in any order.

    Returns:
        One window for each channel of `DEFAULT_WINDOWS`, in its order.

    Raises:
        UsageError: A window is malformed, ends before it starts, or a channel is unknown, named
            twice or missing.
    """
    windows = [_parse_window(part) for part in text.split(",")]
    channels = [window.name for window in DEFAULT_WINDOWS]
    named = [window.name for window in windows]
    for name in named:
        if name not in channels:
            raise _unusable(f"there is no channel {name!r}")
        if named.count(name) > 1:
            raise _unusable(f"the channel {name!r} has two windows")
    missing = [name for name in channels if name not in named]
    if missing:
        raise _unusable(f"no window for {' and '.join(missing)}")
    return tuple(sorted(windows, key=lambda window: channels.index(window.name)))


def cut(example: ActivationExample, window: Window) -> str:
    """Return the text of the tokens around the peak; `""` when the window lies outside."""
    return cut_tokens(example.tokens, window, example.peak)


def cut_tokens(tokens: Sequence[str], window: Window, position: int) -> str:
    """Return the text of the tokens around any position, clipped at the ends."""
    first = max(position + window.start, 0)
    return "".join(tokens[first : max(position + window.stop + 1, 0)])


def split_words(example: ActivationExample) -> tuple[Word, ...]:
    """Join the tokens of an example to words.

    A word is a run of letters, digits and apostrophes between them. Punctuation marks, symbols,
    emoji, line breaks and special tokens (`<bos>`) are words of their own, so is a token of
    nothing but spaces. Hyphens part words, as they do for nearly every tokenizer: `red-brown` has
    the word `red`, and the hyphen of `1525-1569` can be named. Scripts that do not part words
    (Chinese, Japanese, Thai, ...) are parted as the tokens part them. Empty tokens, the later
    pieces of a character, belong to the word before.
    """
    return _split_tokens(example.tokens)


# A few: a question of an LLM is written twice in a row, and reads the same examples.
@lru_cache(maxsize=64)
def _split_tokens(tokens: tuple[str, ...]) -> tuple[Word, ...]:
    return tuple(split_tokens(tokens).words())


@dataclass(frozen=True, slots=True)
class SplitTokens:
    """Tokens parted to words, most of which are wanted as text only."""

    text: str
    """Of all tokens."""
    masked: str
    """The same, with stand-ins for what is a word whatever it is written with."""
    ends: Sequence[int]
    """Where in the text each token ends."""
    spans: Sequence[tuple[int, int]]
    """Where in the text each word starts and ends."""

    def read(self, start: int, stop: int | None = None) -> list[str]:
        """Return the texts of the words from one to before another, without bare spaces."""
        text, masked = self.text, self.masked
        return [
            text[first:end]
            for first, end in self.spans[start:stop]
            # Nearly all words are told apart from spaces by their first character.
            if masked[first] != _SPACE or not is_bare_space(text[first:end])
        ]

    def words(self, start: int = 0, stop: int | None = None) -> list[Word]:
        """Return the words from one to before another with the tokens that they touch."""
        words: list[Word] = []
        for first, end in self.spans[start:stop]:
            # Where a token ends with the word it is the last one, or the last empty one behind it.
            last = bisect_right(self.ends, end) - 1
            ends_there = last >= 0 and self.ends[last] == end
            words.append(
                Word(
                    self.text[first:end],
                    bisect_right(self.ends, first),
                    last if ends_there else last + 1,
                )
            )
        return words

    def find(self, token: int) -> int | None:
        """Return the number of the word that `word_at` finds at a token."""
        start = self.ends[token - 1] if token else 0
        # Words that start at the token or just before: two, as an empty token is in both.
        near = bisect_left(self.spans, (start + 1,))
        first = max(0, near - 2)
        words = self.words(first, near + 2)
        found = word_at(words, token)
        return None if found is None else first + words.index(found)


def split_tokens(tokens: Sequence[str]) -> SplitTokens:
    """Part tokens to words as `split_words` does."""
    text = "".join(tokens)
    is_plain = "<" not in text and not any(map(str.isspace, tokens))
    masked = text if is_plain else "".join(map(_mask, tokens))
    ends = list(accumulate(map(len, tokens)))
    return SplitTokens(text, masked, ends, _find_spans(masked, ends))


def word_at(words: Sequence[Word], token: int) -> Word | None:
    """Return the word that a token's first visible character belongs to.

    None when the token lies in no word: an empty piece at the start of an example.
    """
    first = bisect_right(words, token - 1, key=lambda word: word.stop)
    holding = [word for word in words[first : first + 2] if word.start <= token]
    visible = [word for word in holding if not word.text.isspace()]
    return next(iter(visible or holding), None)


@lru_cache(maxsize=65536)
def is_bare_space(text: str) -> bool:
    """Say whether a text is white space without a line break."""
    return text.isspace() and text.splitlines() == [text]


# Stand-ins of the same length for tokens that are words whatever they are written with: private
# characters cannot be mistaken for letters, and the text is taken from the original.
_SPECIAL_FIRST, _SPECIAL_REST, _SPACE = "\ue0f0", "\ue0f1", "\ue0f2"
_SPECIAL_TOKEN = re.compile(r"<\|?[\w/-]+\|?>")
_LINE_BREAKS = r"\n\r\v\f\x1c-\x1e\x85\u2028\u2029"
_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30fa\u30fc-\u30ff\u31f0-\u31ff"
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff"
)


@cache
def _pattern() -> re.Pattern[str]:
    # Python's \w lacks combining marks, without which Hindi or vocalised Arabic fall to pieces.
    marks = "".join(
        c for c in map(chr, range(0x300, 0x1F000)) if unicodedata.category(c).startswith("M")
    )
    letter = rf"[^\W_{_UNSPACED}]"
    joined = rf"(?:[{marks}\u200c\u200d]|['’ʼ](?={letter}|[{marks}\u200c\u200d]))"
    return re.compile(
        # For speed: nothing starts at a space, and most words are of plain letters.
        r"(?! )(?:[A-Za-z0-9]++(?!['\x80-\U0010ffff])"
        rf"|(?P<unspaced>[{_UNSPACED}]+)"
        rf"|{letter}+(?:{joined}{letter}*)*"
        rf"|{_SPECIAL_FIRST}{_SPECIAL_REST}*|{_SPACE}+|[{_LINE_BREAKS}]+"
        r"|[\U0001f1e6-\U0001f1ff]{2}"
        r"|(?P<mark>\S)(?:(?P=mark)|[\ufe0e\ufe0f\U0001f3fb-\U0001f3ff]|\u200d\S)*)"
    )


def _find_spans(masked: str, ends: Sequence[int]) -> list[tuple[int, int]]:
    matches = _pattern().finditer(masked)
    if masked.isascii():
        return [match.span() for match in matches]
    spans: list[tuple[int, int]] = []
    for match in matches:
        start, stop = match.span()
        if match["unspaced"]:
            borders = sorted({end for end in ends if start < end < stop})
            spans.extend(zip((start, *borders), (*borders, stop), strict=True))
        else:
            spans.append((start, stop))
    return spans


@lru_cache(maxsize=65536)
def _mask(token: str) -> str:
    if token.startswith("<") and _SPECIAL_TOKEN.fullmatch(token):
        return _SPECIAL_FIRST + _SPECIAL_REST * (len(token) - 1)
    if is_bare_space(token):
        return _SPACE * len(token)
    return token


def _parse_window(text: str) -> Window:
    match = _WINDOW.fullmatch(text)
    if match is None:
        raise _unusable(f"{text!r} is not a window")
    window = Window(match[1], int(match[2]), int(match[3]))
    if window.start > window.stop:
        raise _unusable(f"the window {text.strip()!r} ends before it starts")
    return window


def _unusable(what: str) -> UsageError:
    written = ",".join(f"{window.name}={window.start}:{window.stop}" for window in DEFAULT_WINDOWS)
    return UsageError(what, remedy=f"Write windows like {written}")
