"""What the wording of a label tells: which side of a feature it speaks of, and of what."""

import re
import string
import unicodedata
from dataclasses import dataclass
from typing import Literal

from clerp.labels import names_supernode
from clerp.word_classes import is_function_word
from clerp.word_counts import normalise
from clerp.word_names import name_word, name_words

Side = Literal["input", "output", "suppression", ""]
"""What a feature reads, what it makes the model say, what it keeps it from saying; or unknown."""

MAX_CHARS = 200
"""What is read of a label; the longest of Neuronpedia's explanations are sentences."""
MAX_WORDS = 6
"""How many words count: prompts ask for labels of one to six."""

# Anthropic's and clerp's labels say, others predict.
_FORM = re.compile(
    r"(?P<output>(?:say|predicts?|upweights?)\b[ :]*|\((?:say|predicts?)\)[ :]*)"
    r"|(?P<suppression>avoids?|suppress(?:es)?|downweights?)\b[ :]*",
    re.IGNORECASE,
)
_STYLES = (("[", "]"), ("(", ")"))
_PREFIX = "[supernode]"
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
# How labels speak of any feature: `references to cities`, `words related to cities`.
_FILLERS = frozenset(
    {
        *("reference", "references", "mention", "mentions", "related", "relating", "thing"),
        *("things", "word", "words", "term", "terms", "text", "texts", "phrase", "phrases"),
        *("token", "tokens", "feature", "features", "concept", "concepts", "instances"),
    }
)
_MARKS = (*string.punctuation, *"’‘“”–—…", "\n", " ", "...", "--")
_MARK_NAMES = frozenset(spell(mark) for mark in _MARKS for spell in (name_word, name_words))
_PARTS = re.compile(r"[/,;:|·]")


@dataclass(frozen=True, slots=True)
class LabelForm:
    """A label taken apart."""

    side: Side
    """As the wording tells; "" for a bare word."""
    body: str
    """The label without the word that tells the side."""
    words: tuple[str, ...]
    """The first words of the body that say what it is about, in NFKC and lower case, each once.

    None are left of function words, names of punctuation marks, and what labels say of any feature.
    """


def read_form(text: str) -> LabelForm:
    """Take a label apart: `say a capital` speaks of an output, and of `capital`."""
    bare = strip_style(text)[:MAX_CHARS]
    match = _FORM.match(bare)
    if match is None or match.end() == len(bare):
        return LabelForm("", bare, _list_words(bare))
    side: Side = "output" if match["output"] else "suppression"
    body = bare[match.end() :].strip()
    return LabelForm(side, body, _list_words(body))


def strip_style(text: str) -> str:
    """Return a label as clerp stores it: `say Austin` of `(say Austin)` or `[supernode] ...`."""
    bare = text.strip()
    if names_supernode(bare):
        bare = bare[len(_PREFIX) :].strip()
    for opening, closing in _STYLES:
        inner = bare[1:-1]
        if bare.startswith(opening) and bare.endswith(closing) and opening not in inner:
            bare = inner.strip()
    return bare


def fold(text: str) -> str:
    """Return the form under which two names are one."""
    return unicodedata.normalize("NFC", " ".join(text.split())).casefold()


def _list_words(body: str) -> tuple[str, ...]:
    parts = (part.strip() for part in _PARTS.split(body))
    told = (part for part in parts if part.casefold() not in _MARK_NAMES)
    words = (normalise(word) for part in told for word in _WORD.findall(part))
    telling = (word for word in words if not is_function_word(word) and word not in _FILLERS)
    return tuple(dict.fromkeys(telling))[:MAX_WORDS]
