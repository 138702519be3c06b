"""Texts of strangers to data in a prompt, which they can neither leave nor blow up."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import islice
from typing import NamedTuple

from clerp.evidence import ActivationExample
from clerp.windows import Window, cut_tokens, split_words, word_at

# Tokens come from files of strangers and may have any length.
MAX_CHARS_PER_TOKEN = 8
"""Of a stretch of text on one side of the peak, times its tokens. English has about four."""
MAX_WORD_CHARS = 30
MAX_PROMOTED = 10

_JSON = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))

Value = (
    str
    | Sequence[str]
    | Mapping[str, str]
    | Mapping[str, tuple[str, int]]
    | Mapping[str, Sequence[str | tuple[str, int]]]
)
Data = Mapping[str, Value]
"""What a model is shown, by name."""


class PeakWords(NamedTuple):
    """The word that an example peaks on and the one after it, `""` where there is none."""

    peak: str
    following: str


def write_data(data: Data, seed: str) -> str:
    """Write data as JSON between two equal lines.

    Args:
        data: By name; each gets a line.
        seed: Makes the lines differ from one question to the next.

    Returns:
        The same bytes for the same data. No text can hold the lines, since they are made of a hash
        of all of it, and none can end a line, since JSON escapes line breaks.
    """
    body = ",\n".join(f"{_to_json(name)}:{_to_json(value)}" for name, value in data.items())
    marker = f"data-{hashlib.sha256(f'{seed} {body}'.encode()).hexdigest()[:12]}"
    return f"{marker}\n{{{body}}}\n{marker}"


# A few: a feature's question is written twice in a row, mostly of the same examples.
@lru_cache(maxsize=64)
def read_words(example: ActivationExample) -> PeakWords:
    """Return the words at and after the peak, short."""
    near = _cut_to_words(example)
    words = split_words(near)
    peak = word_at(words, near.peak)
    if peak is None:
        return PeakWords(shorten(example.tokens[example.peak]), "")
    following = islice((word.text for word in words if word.start > peak.stop), 1)
    return PeakWords(shorten(peak.text), shorten(next(following, "")))


def write_words(examples: Sequence[ActivationExample]) -> dict[str, Value]:
    """Return `peaks`, the words at the peaks by example id, and `next`, those after them."""
    words = {example.id: read_words(example) for example in examples}
    return {
        "peaks": {key: word.peak for key, word in words.items()},
        "next": [word.following for word in words.values()],
    }


def write_promoted(tokens: Sequence[str]) -> list[str]:
    """Return the first promoted tokens, short."""
    return [shorten(token) for token in tokens[:MAX_PROMOTED]]


def mark_peak(example: ActivationExample, reach: int) -> str:
    """Return the text around the peak, which is written `<<so>>`."""
    room = reach * MAX_CHARS_PER_TOKEN
    before = cut_tokens(example.tokens, Window("before", -reach, -1), example.peak)[-room:]
    after = cut_tokens(example.tokens, Window("after", 1, reach), example.peak)[:room]
    return f"{before}<<{example.tokens[example.peak][:MAX_WORD_CHARS]}>>{after}"


def shorten(text: str) -> str:
    """Return a word without the space around it, cut to a length that words have."""
    return text.strip()[:MAX_WORD_CHARS]


def _cut_to_words(example: ActivationExample) -> ActivationExample:
    """Cut an example down to whole words: all that touch the peak, and the next one."""
    peak, n = example.peak, len(example.tokens)
    start = next((i for i in range(peak, -1, -1) if _begins_word(example.tokens[i])), 0)
    borders = (i for i in range(peak + 1, n) if _begins_word(example.tokens[i]))
    # What touches the peak ends before the first, and the next word before the second.
    stop = next(islice(borders, 1, None), n)
    tokens, activations = example.tokens[start:stop], example.activations[start:stop]
    return ActivationExample(example.id, tokens, activations, peak - start)


def _begins_word(token: str) -> bool:
    # No word goes across a space, unless tokens of nothing but white space make one up.
    return token.startswith(" ") and not token.isspace()


def _to_json(value: Value) -> str:
    written = _JSON.encode(value)
    if written.isprintable():
        return written
    # What nobody sees, lone surrogates among it, is written as JSON's escape: it hides nothing, can
    # be named where it is what the feature fires on, and breaks no line.
    return "".join(c if c.isprintable() else _escape(c) for c in written)


def _escape(char: str) -> str:
    # Half of a character cannot be sent, not even escaped: servers refuse to read it.
    return "\N{REPLACEMENT CHARACTER}" if "\ud800" <= char <= "\udfff" else json.dumps(char)[1:-1]
