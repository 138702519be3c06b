"""A text cut into what it claims, and the places in it that look like quotes.

What an actor puts in quotation marks reads like the context and hardly ever is: it is predicted.
"""

import re
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

MOST_CLAIMS = 64
"""Of one text; what comes after is no explanation any more."""
_FEWEST_LETTERS = 3
_MOST_QUOTED = 300

_BLANK_LINE = re.compile(r"\n[^\S\n]*\n")
# A sentence ends before what can begin one, so that `e.g. the` stays whole.
_SENTENCE_END = re.compile(
    r"""(?:(?<=[.!?…])|(?<=[.!?…]["”’'`)]))\s+(?=["“‘'`(]?[^\W_a-z])|(?<=[。！？])|\n"""
)
# Marks that open and close alike count only outside words: 5" and don't are none.
_QUOTE = re.compile(
    "|".join(
        rf"{opening}[^{never}\n]{{1,{_MOST_QUOTED}}}?{closing}"
        for opening, never, closing in (
            (r'(?<!\w)"', '"', r'"(?!\w)'),
            (r"(?<!\w)`", "`", r"`(?!\w)"),
            (r"(?<!\w)'(?!\s)", "", r"(?<!\s)'(?!\w)"),
            ("“", "“”", "”"),
            ("„", "„“”", "[“”]"),
            (r"(?<!\w)‘", "‘", r"’(?!\w)"),
            ("«", "«»", "»"),
            ("「", "「」", "」"),
            ("『", "『』", "』"),
        )
    )
)


class Span(NamedTuple):
    """A stretch of a text, in characters."""

    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class Paragraph:
    """The part of a text that a label would be made of."""

    text: str
    is_whole: bool
    """The text has no other paragraph, so that this is all of it."""


def choose_paragraph(text: str) -> Paragraph:
    """Return the last paragraph, which by the actor's training is about the token itself.

    Paragraphs stand between blank lines; one without a letter or digit is none. Of a text with one
    paragraph all is returned, and said to be all.
    """
    parts = [part.strip() for part in _BLANK_LINE.split(text)]
    paragraphs = [part for part in parts if any(map(str.isalnum, part))]
    if len(paragraphs) < 2:
        return Paragraph(text.strip(), is_whole=True)
    return Paragraph(paragraphs[-1], is_whole=False)


def cut_claims(text: str) -> tuple[str, ...]:
    """Cut a text into sentences, each a claim: in order, distinct, at most `MOST_CLAIMS`."""
    sentences = (part.strip() for part in _SENTENCE_END.split(text) if part)
    claims = (s for s in sentences if sum(map(str.isalnum, s)) >= _FEWEST_LETTERS)
    return tuple(islice(dict.fromkeys(claims), MOST_CLAIMS))


def find_quotes(text: str) -> tuple[Span, ...]:
    """Find what looks quoted, marks included, in order; spans never overlap.

    A mark that nothing closes on its line, within 300 characters, quotes nothing.
    """
    return tuple(Span(*found.span()) for found in _QUOTE.finditer(text))
