"""The words at, before and after the peaks of a feature, counted by activation."""

import math
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

from clerp.evidence import ActivationExample
from clerp.windows import Word, is_bare_space, split_words, word_at

Side = Literal["input", "output"]
Place = Literal["whole", "start", "inside", "end"]

_N_BEFORE = 3
_N_DECIDING = 3
_REACH = 10


@dataclass(frozen=True, slots=True)
class PeakContext:
    """What stands at, before and after the peak of one example."""

    example: str
    """Id of the example."""
    weight: float
    """Peak activation as a share of the strongest example's, 0 to 1."""
    word: str
    """The word that holds the peak token; `""` when none does."""
    piece: str
    """What the peak token holds of it."""
    place: Place
    """Where in the word the piece stands."""
    before: tuple[str, ...]
    """Up to three words before, nearest last."""
    following: str
    """The next word, or the rest of the peak's own; `""` at the example's end."""
    continues: bool
    """Whether `following` is the rest of the peak's own word."""


@dataclass(frozen=True, slots=True)
class WordCount:
    """How often a word was seen; spellings that differ in case only are one word."""

    word: str
    """As it is most often written."""
    share: float
    """Of the activation of all examples, 0 to 1."""
    examples: tuple[str, ...]
    """Ids of the examples in which it was seen."""


@lru_cache(maxsize=65536)
def normalise(word: str) -> str:
    """Return the form under which spellings of a word are one; only `""` gives `""`.

    Any number of line breaks is one, so is any number of spaces.
    """
    if word.isspace():
        return " " if is_bare_space(word) else "\n"
    folded = unicodedata.normalize("NFKC", word).casefold()
    return folded.strip() or word


def read_peaks(examples: Sequence[ActivationExample]) -> tuple[PeakContext, ...]:
    """Read the surroundings of every peak, strongest first, equal ones in order of their text.

    Neither the scale of the activations nor the order of equal examples changes the result.
    """
    strongest = max((example.peak_activation for example in examples), default=0.0)
    scale = strongest if strongest > 0 and math.isfinite(strongest) else 0.0
    ordered = sorted(examples, key=lambda e: (-e.peak_activation, "".join(e.tokens), e.peak, e.id))
    return tuple(
        _read_peak(example, max(example.peak_activation, 0.0) / scale if scale else 1.0)
        for example in ordered
    )


def count_words(
    contexts: Sequence[PeakContext], read: Callable[[PeakContext], str]
) -> tuple[WordCount, ...]:
    """Count what `read` finds in every context, by activation; `""` counts only in the whole.

    Returns:
        Most activation first; ties in order of first appearance.
    """
    total = math.fsum(context.weight for context in contexts)
    groups: dict[str, list[PeakContext]] = {}
    for context in contexts:
        if read(context):
            groups.setdefault(normalise(read(context)), []).append(context)
    counts = [
        WordCount(
            _commonest_spelling(group, read),
            share(group, total),
            tuple(context.example for context in group),
        )
        for group in groups.values()
    ]
    return tuple(sorted(counts, key=lambda count: -count.share))


def share(contexts: Iterable[PeakContext], total: float) -> float:
    """Return the part of a total weight, rounded so that float noise decides nothing."""
    return round(math.fsum(c.weight for c in contexts) / total, 6) if total > 0 else 0.0


def deciding_words(examples: Sequence[ActivationExample], side: Side) -> tuple[str, ...]:
    """Return up to three words on which a label of this side rests, strongest first."""
    contexts = read_peaks(examples)
    counts = count_words(contexts, read_word if side == "input" else read_following)
    return tuple(count.word for count in counts[:_N_DECIDING])


def read_word(context: PeakContext) -> str:
    """Read the word that holds the peak."""
    return context.word


def read_following(context: PeakContext) -> str:
    """Read what follows the peak."""
    return context.following


def _read_peak(example: ActivationExample, weight: float) -> PeakContext:
    return replace(_read_context(example), weight=weight)


# Every example is read several times: for its label, its hint, and the notes on its nodes.
@lru_cache(maxsize=16384)
def _read_context(example: ActivationExample) -> PeakContext:
    near = _crop(example)
    context = _read_words(near)
    is_whole = len(context.before) == _N_BEFORE and context.following
    return context if is_whole or near is example else _read_words(example)


def _crop(example: ActivationExample) -> ActivationExample:
    """Cut an example at spaces, `_REACH` tokens or more from the peak; words cost time to split."""
    tokens = example.tokens
    before = range(example.peak - _REACH, 0, -1)
    behind = range(example.peak + _REACH, len(tokens))
    start = next((i for i in before if _begins_after_space(tokens[i])), 0)
    stop = next((i for i in behind if _begins_after_space(tokens[i])), len(tokens))
    if stop - start == len(tokens):
        return example
    return replace(
        example,
        tokens=tokens[start:stop],
        activations=example.activations[start:stop],
        peak=example.peak - start,
    )


def _begins_after_space(token: str) -> bool:
    return token[:1] == " " and not token.isspace()


def _read_words(example: ActivationExample) -> PeakContext:
    words = split_words(example)
    word = word_at(words, example.peak)
    following, continues = _what_follows(example, words)
    return PeakContext(
        example=example.id,
        weight=1.0,
        word=word.text if word else "",
        piece=_piece(example, word) if word else "",
        place=_place(example, word) if word else "whole",
        before=_words_before(words, word) if word else (),
        following=following,
        continues=continues,
    )


def _piece(example: ActivationExample, word: Word) -> str:
    token = example.tokens[example.peak].strip()
    if not token or word.start == word.stop:
        return word.text
    # A token may hold the end of a word and the mark after it (`ville.`), or the other way round.
    held = (token[:size] for size in range(len(token), 0, -1) if token[:size] in word.text)
    return next(held, word.text)


def _place(example: ActivationExample, word: Word) -> Place:
    first = word.start == example.peak
    rest = example.tokens[example.peak + 1 : word.stop + 1]
    last = not any(rest)
    if first:
        return "whole" if last else "start"
    return "end" if last else "inside"


def _words_before(words: Sequence[Word], word: Word) -> tuple[str, ...]:
    before = [w.text for w in words[: words.index(word)] if not is_bare_space(w.text)]
    return tuple(before[-_N_BEFORE:])


def _what_follows(example: ActivationExample, words: Sequence[Word]) -> tuple[str, bool]:
    for token in range(example.peak + 1, len(example.tokens)):
        word = word_at(words, token)
        if word is None or not example.tokens[token] or is_bare_space(word.text):
            continue
        if word.start > example.peak:
            return word.text, False
        return _rest(word, "".join(example.tokens[token : word.stop + 1])), True
    return "", False


def _rest(word: Word, tail: str) -> str:
    starts = (at for at in range(len(word.text)) if tail.startswith(word.text[at:]))
    return word.text[next(starts, 0) :]


def _commonest_spelling(group: Sequence[PeakContext], read: Callable[[PeakContext], str]) -> str:
    weights: dict[str, float] = {}
    for context in group:
        spelling = read(context)
        weights[spelling] = weights.get(spelling, 0.0) + context.weight
    return max(weights, key=lambda spelling: round(weights[spelling], 6))
