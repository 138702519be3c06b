"""Text of graphs and models as a page may show it: nothing in it acts, nothing in it hides."""

import unicodedata
from functools import lru_cache

from markupsafe import Markup, escape

from clerp.labels import BLANK

_DRAWN = {"\n": "⏎", "\r": "↵", "\t": "⇥"}
_KNOWN_TOKENS = 2**15


def spell_out(text: str) -> str:
    r"""Write characters that are not seen as escapes: `\u202e`, `⏎` for a newline."""
    if _is_plain(text):
        return text
    return "".join(_escape_char(char) if _is_hidden(char) else char for char in text)


@lru_cache(maxsize=_KNOWN_TOKENS)
def mark_up(text: str) -> Markup:
    """Make HTML of a text, with each character that is not seen as a small marked escape."""
    if _is_plain(text):
        return escape(text)
    return Markup("").join(_mark_char(char) if _is_hidden(char) else char for char in text)


def _is_plain(text: str) -> bool:
    return text.isprintable() and (text.isascii() or BLANK.isdisjoint(text))


def _is_hidden(char: str) -> bool:
    return not char.isprintable() or char in BLANK


def _mark_char(char: str) -> Markup:
    name = unicodedata.name(char, "unnamed")
    title = f"U+{ord(char):04X} {name}"
    return Markup('<span class="esc" title="{}">{}</span>').format(title, _escape_char(char))


def _escape_char(char: str) -> str:
    code = ord(char)
    if char in _DRAWN:
        return _DRAWN[char]
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
