r"""Token spellings to readable text.

Graphs and feature files spell the tokens of one text in different ways. A spelling belongs to a
whole sequence or record, because single tokens are ambiguous (`→` is an arrow or a tab, `Ġ` a space
or a Maltese letter), and one token that a spelling cannot produce rules it out:

=============== ========================================= =======================================
spelling        looks like                                is recognised by
=============== ========================================= =======================================
byte-level      `ĠDallas`, `Ċ`, `âĢĻ` (GPT-2, Llama 3)    no character outside GPT-2's 256, and a
                                                          `Ġ`, a `Ċ` or well-formed UTF-8 bytes
SentencePiece   `▁Dallas` (Gemma, Llama 2)                `▁`, and no ordinary space
byte fallback   `<0xE2>`, `<0x80>`, `<0x99>`              a token that is nothing else
escaped bytes   `\xe2`, `\x80\x99` (circuit-tracer)         a run that is well-formed UTF-8
drawn space     `⏎` newline, `↵` return, `→` tab          `⏎`, and no real newline, return or tab
                (circuit-tracer's process_token)
readable        ` Dallas`                                 nothing of the above
=============== ========================================= =======================================
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

_MARKER = re.compile(
    r"<[|｜][^<>|｜\s]{1,60}[|｜]>"
    r"|</?s>|<(?:bos|eos|pad|unk|mask|cls|sep|eot|eod|start_of_turn|end_of_turn)>"
    r"|\[(?:bos|eos|pad|unk|mask|cls|sep|inst|/inst)\]",
    re.IGNORECASE,
)
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_FALLBACK = re.compile(r"<0x([0-9A-Fa-f]{2})>")
# Only bytes of multi-byte characters: `\x41` is source code.
_ESCAPE = re.compile(r"\\x([89a-fA-F][0-9a-fA-F])")
_ESCAPED_RUN = re.compile(r"[\udc80-\udcff]{2,}")
_SPELLED_OUT = re.compile(r"[⏎↵→\ud800-\udfff]|<0x|\\x")
_REAL_SPACE = re.compile(r"[\n\r\t]")
# After an ordinary space an arrow is an arrow: text has ` → ` far more often than space and tab.
_DRAWN_TAB = re.compile(r"(?<! )→")


def _gpt2_alphabet() -> dict[int, int]:
    """Map GPT-2's characters to bytes (its `encoder.py`, Radford et al. 2019).

    Visible Latin-1 characters stand for themselves, the other bytes for U+0100 onwards.
    """
    visible = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    others = (byte for byte in range(256) if byte not in visible)
    return {byte: byte for byte in visible} | {0x100 + n: byte for n, byte in enumerate(others)}


_BYTE_OF = _gpt2_alphabet()
_BYTE_LEVEL = re.compile("[" + re.escape("".join(map(chr, _BYTE_OF))) + "]*")
# Vocabularies in byte-level spelling hold runs of spaces as they are (GPT-NeoX, Phi).
_BYTE_LEVEL_OR_BLANK = re.compile(f"{_BYTE_LEVEL.pattern}|[ \n\r\t]*")

_Alphabet = Literal["byte-level", "sentencepiece", "readable"]


@dataclass(frozen=True, slots=True)
class Spelling:
    """How the tokens of a text are written; made by `detect_spelling`."""

    alphabet: _Alphabet = "readable"
    escaped: bool = False
    r"""Bytes of multi-byte characters are written `\xNN`."""
    drawn_space: bool = False
    """Newline, return and tab are written `⏎`, `↵`, `→`."""

    def read(self, tokens: Sequence[str]) -> tuple[str, ...]:
        """Make the tokens readable; joined they give the text.

        A character spread over several tokens goes to the first of them, whole, and leaves the
        others shorter or empty. Bytes that are no UTF-8 and lone surrogates become U+FFFD; markers
        (`is_special`) stay as they are.

        Returns:
            As many pieces as there are tokens.
        """
        if self.alphabet == "readable" and not _SPELLED_OUT.search("".join(tokens)):
            return tuple(tokens)
        return _decode([self._to_bytes(token) for token in tokens])

    def read_each(self, tokens: Sequence[str]) -> tuple[str, ...]:
        """Make tokens readable that do not follow each other, such as promoted tokens."""
        return tuple(self.read((token,))[0] for token in tokens)

    def _to_bytes(self, token: str) -> bytes:
        if token.isascii() and "<0x" not in token and "\\x" not in token:
            return token.encode()
        token = _SURROGATE.sub("�", token)
        if is_special(token):
            return token.encode()
        if fallback := _FALLBACK.fullmatch(token):
            return bytes([int(fallback[1], 16)])
        if self.alphabet == "byte-level" and _BYTE_LEVEL.fullmatch(token):
            return token.translate(_BYTE_OF).encode("latin-1")
        if self.alphabet == "sentencepiece":
            token = token.replace("▁", " ")
        if self.drawn_space:
            token = _DRAWN_TAB.sub("\t", token).replace("⏎", "\n").replace("↵", "\r")
        if self.escaped:
            token = _hold_escaped_bytes(token)
        return token.encode(errors="surrogateescape")


def readable(tokens: Sequence[str]) -> tuple[str, ...]:
    """Make the tokens of one text readable, in whatever spelling they are.

    Returns:
        As many pieces as there are tokens; joined they give the text. See `Spelling.read`.
    """
    return detect_spelling(tokens).read(tokens)


def detect_spelling(tokens: Iterable[str]) -> Spelling:
    """Decide how tokens are written, from all tokens of a sequence or record together."""
    spelled = list(tokens)
    if _needs_no_reading("".join(spelled)):
        return Spelling()
    pieces = [token for token in spelled if not is_special(token)]
    text = _SURROGATE.sub("�", "".join(pieces))
    if _needs_no_reading(text):
        return Spelling()
    if _is_byte_level(pieces, text):
        return Spelling("byte-level")
    return Spelling(
        "sentencepiece" if "▁" in text and " " not in text else "readable",
        escaped="\\x" in text and _has_escaped_characters(pieces),
        drawn_space="⏎" in text and _REAL_SPACE.search(text) is None,
    )


def _needs_no_reading(text: str) -> bool:
    return text.isascii() and "\\x" not in text


@lru_cache(maxsize=65536)
def is_special(token: str) -> bool:
    """Say whether a token marks a place in a sequence (`<bos>`, `<|im_start|>`) and is no text."""
    return token[:1] in ("<", "[") and _MARKER.fullmatch(token) is not None


def _is_byte_level(pieces: Sequence[str], text: str) -> bool:
    if not all(_BYTE_LEVEL_OR_BLANK.fullmatch(piece) for piece in pieces):
        return False
    if "Ġ" in text or "Ċ" in text:
        return True
    decoded = text.translate(_BYTE_OF).encode("latin-1").decode(errors="replace")
    malformed = decoded.count("�")
    return sum(not char.isascii() for char in decoded) > 2 * malformed


def _has_escaped_characters(pieces: Iterable[str]) -> bool:
    held = "".join(_hold_escaped_bytes(_SURROGATE.sub("�", piece)) for piece in pieces)
    runs = (run.encode(errors="surrogateescape") for run in _ESCAPED_RUN.findall(held))
    return any(run.decode(errors="ignore") for run in runs)


def _hold_escaped_bytes(token: str) -> str:
    r"""Put each `\xNN` as the lone surrogate that Python's `surrogateescape` encodes as byte NN."""
    return _ESCAPE.sub(lambda escape: chr(0xDC00 + int(escape[1], 16)), token)


def _decode(pieces: list[bytes]) -> tuple[str, ...]:
    """Decode UTF-8, each character whole in the piece where it begins."""
    start, missing = 0, 0
    for place, piece in enumerate(pieces):
        if missing:
            owed = _count_continuation(piece, missing)
            pieces[start] += piece[:owed]
            pieces[place] = piece = piece[owed:]
            missing = missing - owed if not piece else 0
        if piece:
            start, missing = place, 0 if piece[-1] < 0x80 else _count_missing(piece)
    return tuple(piece.decode(errors="replace") for piece in pieces)


def _count_continuation(piece: bytes, at_most: int) -> int:
    for place, byte in enumerate(piece[:at_most]):
        if not 0x80 <= byte < 0xC0:
            return place
    return min(len(piece), at_most)


def _count_missing(piece: bytes) -> int:
    """Count the bytes that the last character of a piece still lacks."""
    for back, byte in enumerate(reversed(piece[-4:]), start=1):
        if byte >= 0xC0:
            length = 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
            return max(length - back, 0)
        if byte < 0x80:
            return 0
    return 0
