"""What speaks for a word that a feature may lead to, and when two of them mean the same word."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from clerp.labelers.word_classes import is_function_word
from clerp.labelers.word_families import are_related
from clerp.labelers.word_names import is_nameless
from clerp.word_counts import WordCount, normalise

_MIN_FIRST_PIECE = 3


class Witness(StrEnum):
    """A source of words that a feature may lead to."""

    EXAMPLES = "the examples"
    PROMOTED = "the promoted tokens"
    EDGES = "the graph's edges to logits"


@dataclass(frozen=True, slots=True)
class SaidWord:
    """A word that a feature may lead to, and what speaks for it."""

    text: str
    witnesses: tuple[Witness, ...]
    share: float
    """Of the activation, in examples that it follows."""


def gather(
    following: Sequence[WordCount], promoted: Sequence[WordCount], edges: Sequence[WordCount]
) -> tuple[SaidWord, ...]:
    """Join the words of the three witnesses; those with most witnesses and activation first."""
    said: list[SaidWord] = []
    for witness, counts in (
        (Witness.EXAMPLES, following),
        (Witness.PROMOTED, promoted),
        (Witness.EDGES, edges),
    ):
        for count in counts:
            _add(said, witness, count)
    return tuple(sorted(said, key=lambda word: (-len(word.witnesses), -word.share)))


def agree(one: str, other: str) -> bool:
    """Say whether two tokens or words stand for one word.

    They are equal but for case and space, forms of one word, or one is the first piece of the
    other: three letters or more (one, where words are not parted by spaces), and not a word that
    any text holds.
    """
    a, b = sorted((normalise(one), normalise(other)), key=len)
    if a[:1] != b[:1] or not a:
        return False
    return a == b or _is_first_piece(a, b) or are_related(a, b)


def _is_first_piece(piece: str, word: str) -> bool:
    if not word.startswith(piece) or not piece.isalpha() or is_function_word(piece):
        return False
    return len(piece) >= _MIN_FIRST_PIECE or not (piece.islower() or piece.isupper())


def count_tokens(tokens: Iterable[str]) -> tuple[WordCount, ...]:
    """Count a list of tokens, each distinct one once, in its order; parts of characters go."""
    distinct: dict[str, str] = {}
    for token in tokens:
        if not is_nameless(token) or token.isspace():
            distinct.setdefault(normalise(token), token.strip() or token)
    return tuple(WordCount(token, 1 / len(distinct), ()) for token in distinct.values())


def _add(said: list[SaidWord], witness: Witness, count: WordCount) -> None:
    for at, word in enumerate(said):
        if not agree(word.text, count.word):
            continue
        if witness not in word.witnesses:
            # Tokens are often a word's first piece: the longer text is the word.
            longer = Witness.EXAMPLES not in word.witnesses and _is_first_piece(
                normalise(word.text), normalise(count.word)
            )
            text = count.word if longer else word.text
            said[at] = SaidWord(text, (*word.witnesses, witness), word.share)
        return
    share = count.share if witness == Witness.EXAMPLES else 0.0
    said.append(SaidWord(count.word, (witness,), share))
