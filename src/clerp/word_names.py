"""How a word is written in a label: readable, and with no character that a frontend interprets."""

import re
import unicodedata
from collections.abc import Sequence
from itertools import pairwise

from clerp.labels import MAX_LABEL_CHARS, clean_label
from clerp.windows import is_bare_space

_MAX_CHARS = 30
_MARKS = {
    "\n": "newline",
    " ": "space",
    ".": "full stop",
    ",": "comma",
    ":": "colon",
    ";": "semicolon",
    "!": "exclamation mark",
    "?": "question mark",
    "'": "apostrophe",
    "’": "apostrophe",
    "‘": "opening quote mark",
    '"': "quote mark",
    "“": "opening quote mark",
    "”": "closing quote mark",
    "`": "backtick",
    "-": "hyphen",
    "‐": "hyphen",
    "–": "dash",
    "—": "dash",
    "(": "open bracket",
    ")": "close bracket",
    "[": "open square bracket",
    "]": "close square bracket",
    "{": "open brace",
    "}": "close brace",
    "<": "less-than sign",
    ">": "greater-than sign",
    "/": "slash",
    "\\": "backslash",
    "|": "pipe",
    "_": "underscore",
    "*": "asterisk",
    "&": "ampersand",
    "#": "hash sign",
    "%": "percent sign",
    "+": "plus sign",
    "=": "equals sign",
    "@": "at sign",
    "$": "dollar sign",
    "^": "caret",
    "~": "tilde",
    "…": "ellipsis",
    "\ufffd": "partial character",
}
_RUNS = {"--": "dash", "---": "dash", "...": "ellipsis", "....": "ellipsis"}
_PLURALS = {"newline": "newlines", "space": "spaces", "quote mark": "quote marks"}
# Marks that stand close to the word after them, and to the word before them.
_OPENING = frozenset("([{“‘'¿¡-/\\_$@*")
_CLOSING = frozenset(".,:;!?)]}”’'…-/\\_")
_MAX_MARK_CHARS = 3
_THOUSANDS = re.compile(r"[0-9]{3}")
_SPECIAL_TOKEN = re.compile(r"<\|?([\w/-]+)\|?>")
# What frontends interpret (see `clean_label`), and what parts a hint.
_INTERPRETED = frozenset('<>&#%+"|')
_NAMELESS = "unprintable character"
# They choose between drawings of the character before; tokenizers make tokens of them.
_VARIATION_SELECTORS = "\ufe0e\ufe0f"


def name_word(text: str) -> str:
    """Name a word or token: itself when it can be shown, else what it is called.

    Never empty, at most 30 characters, and unchanged by `clean_label`: `Texas`, `comma`,
    `endoftext token`.
    """
    special = _SPECIAL_TOKEN.fullmatch(text.strip())
    if special is not None:
        return _shown(f"{special[1]} token") or _NAMELESS
    return _name_mark(text) or _shown(text.strip()) or _name_symbols(text)


def name_words(text: str) -> str:
    """Name what a feature fires on, in the plural where one speaks of many (`newlines`)."""
    name = name_word(text)
    return _PLURALS.get(name, name)


def join_names(names: Sequence[str], room: int = MAX_LABEL_CHARS) -> str:
    """Join distinct names as `small / petit`, as many as fit, at least one."""
    distinct = list(dict.fromkeys(names))
    while len(distinct) > 1 and len(" / ".join(distinct)) > room:
        distinct.pop()
    return " / ".join(distinct)


def write_phrase(words: Sequence[str]) -> str | None:
    """Write words and marks as a text has them: `capital of`, `one-`, `. In`.

    None where a label cannot show one of them as it is: white space, a quote mark, a long row.
    """
    if not all(map(_is_shown_as_written, words)):
        return None
    phrase = words[0].strip()
    for left, right in pairwise(words):
        phrase += right.strip() if _stand_close(left, right) else f" {right.strip()}"
    return phrase if clean_label(phrase) == phrase else None


def is_mark(text: str) -> bool:
    """Say whether a word is punctuation, a symbol or white space rather than letters or digits."""
    return not any(char.isalnum() for char in text)


def is_nameless(token: str) -> bool:
    """Say whether a token shows nothing by itself: empty, or a part of a character."""
    return not token.strip("\ufffd") or name_word(token) == _NAMELESS


def _stand_close(left: str, right: str) -> bool:
    if left == "," and _THOUSANDS.fullmatch(right):
        return True
    return left[-1:] in _OPENING or right[:1] in _CLOSING


def _is_shown_as_written(word: str) -> bool:
    if is_mark(word) and len(word.strip()) > _MAX_MARK_CHARS:
        return False
    return bool(word.strip()) and clean_label(word) == word.strip()


def _name_mark(text: str) -> str:
    if text.isspace():
        return _MARKS[" "] if is_bare_space(text) else _MARKS["\n"]
    mark = text.strip()
    if mark in _RUNS:
        return _RUNS[mark]
    return _MARKS.get(mark[:1], "") if len(set(mark)) == 1 else ""


def _shown(text: str) -> str:
    shown = clean_label(unicodedata.normalize("NFC", text))
    if not shown.strip(_VARIATION_SELECTORS):
        return ""
    if is_mark(text) and any(char in text for char in _INTERPRETED):
        return ""
    return shown if len(shown) <= _MAX_CHARS else f"{shown[: _MAX_CHARS - 1].rstrip()}…"


def _name_symbols(text: str) -> str:
    first = next((char for char in text if char in _MARKS and not char.isspace()), "")
    return f"{_MARKS[first]} and symbols" if first else _NAMELESS
