"""What speaks for a word that a feature may lead to, and when a token stands for a word."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from clerp.evidence import ActivationExample
from clerp.labelers.word_families import are_related
from clerp.windows import is_bare_space
from clerp.word_classes import is_function_word
from clerp.word_counts import PeakContext, WordCount, count_words, normalise, read_following
from clerp.word_names import is_nameless, name_word

_MIN_FIRST_PIECE = 3


class Witness(StrEnum):
    """A source of words that a feature may lead to."""

    EXAMPLES = "the examples"
    PROMOTED = "the promoted tokens"
    EDGES = "the direct edges to logits"


@dataclass(frozen=True, slots=True)
class Follower:
    """A word that follows the peak in examples, or the rest of the peak's own word."""

    word: str
    share: float
    """Of the activation, in examples that it follows."""
    spellings: frozenset[str]
    first_tokens: frozenset[str]
    """With which tokens it begins there."""
    starts: bool
    """Whether it is a word of its own somewhere, and not only the rest of one."""


@dataclass(frozen=True, slots=True)
class SaidWord:
    """A word that a feature may lead to, and what speaks for it."""

    text: str
    witnesses: tuple[Witness, ...]
    share: float
    """Of the activation, in examples that it follows."""
    starts: bool
    """Whether it is a word of its own, and not the rest of one."""

    @property
    def name(self) -> str:
        """How a label writes it: `Austin`, or `-ries` for the rest of a word."""
        name = name_word(self.text)
        return name if self.starts or not self.text[:1].isalpha() else f"-{name}"

    def follows(self, context: PeakContext) -> bool:
        """Say whether it, or a form of it, follows a peak."""
        if self.starts == context.continues:
            return False
        if normalise(self.text) == normalise(context.following):
            return True
        return self.starts and are_related(self.text, context.following)


def read_followers(
    examples: Sequence[ActivationExample], contexts: Sequence[PeakContext]
) -> tuple[Follower, ...]:
    """Read what follows the peaks, most activation first.

    Args:
        examples: The examples of the contexts.
        contexts: What stands around their peaks.
    """
    of_example = {context.example: context for context in contexts}
    first_tokens = {example.id: _first_token_after(example) for example in examples}
    followers: list[Follower] = []
    for count in count_words(contexts, read_following):
        found = [of_example[name] for name in count.examples]
        begins = (
            first_tokens[context.example]
            for context in found
            if context.following.startswith(first_tokens[context.example].strip())
        )
        followers.append(
            Follower(
                word=count.word,
                share=count.share,
                spellings=frozenset(context.following for context in found),
                first_tokens=frozenset(begins),
                starts=not all(context.continues for context in found),
            )
        )
    return tuple(followers)


def gather(
    followers: Sequence[Follower], promoted: Sequence[str], edges: Sequence[str]
) -> tuple[SaidWord, ...]:
    """Join the words of the three witnesses; those with most witnesses and activation first.

    Args:
        followers: What follows the peaks in examples.
        promoted: Tokens with their white space.
        edges: Tokens of logits with their white space.
    """
    heard: dict[Follower | str, list[Witness]] = {
        follower: [Witness.EXAMPLES] for follower in followers
    }
    for witness, tokens in ((Witness.PROMOTED, promoted), (Witness.EDGES, edges)):
        for token in tokens:
            source = next((known for known in heard if _agrees(token, known)), token)
            if witness not in heard.setdefault(source, []):
                heard[source].append(witness)
    said = [_to_said_word(source, tuple(witnesses)) for source, witnesses in heard.items()]
    return tuple(sorted(said, key=lambda word: (-len(word.witnesses), -word.share)))


def stands_for(token: str, follower: Follower) -> bool:
    """Say whether a token leads to a word that follows the peak in examples.

    It is that word as it is spelled there, a form of it, or the very token with which the examples
    begin to spell it: three letters or more (one, where letters have no case), and not a word that
    any text holds. A token with a space before it never stands for the rest of a word.
    """
    if not (_may_start(token) if follower.starts else _may_continue(token)):
        return False
    text = token.strip() or token
    if text in follower.spellings or normalise(text) == normalise(follower.word) == "\n":
        return True
    if token in follower.first_tokens and _is_telling_piece(text):
        return True
    same_case = text[:1] == follower.word[:1]
    return follower.starts and same_case and are_related(text, follower.word)


def is_same_word(one: str, other: str) -> bool:
    """Say whether two tokens are one word; the beginning of a word is never taken for the word."""
    if (one.strip() or one) != (other.strip() or other):
        return False
    starts = _may_start(one) and _may_start(other)
    return starts or (_may_continue(one) and _may_continue(other))


def say_token(token: str, witness: Witness) -> SaidWord:
    """Return what a token alone leads to."""
    return SaidWord(token.strip() or token, (witness,), 0.0, _may_start(token))


def distinct_tokens(tokens: Iterable[str]) -> tuple[str, ...]:
    """Return the tokens that differ in more than case and space; parts of characters go."""
    distinct: dict[str, str] = {}
    for token in shown_tokens(tokens):
        distinct.setdefault(normalise(token), token)
    return tuple(distinct.values())


def shown_tokens(tokens: Iterable[str]) -> tuple[str, ...]:
    """Return the tokens that show something by themselves."""
    return tuple(token for token in tokens if not is_nameless(token) or token.isspace())


def count_tokens(tokens: Iterable[str]) -> tuple[WordCount, ...]:
    """Count a list of tokens, each distinct one once, in its order; parts of characters go."""
    distinct = distinct_tokens(tokens)
    return tuple(WordCount(token.strip() or token, 1 / len(distinct), ()) for token in distinct)


def _first_token_after(example: ActivationExample) -> str:
    after = example.tokens[example.peak + 1 :]
    return next((token for token in after if token and not is_bare_space(token)), "")


def _agrees(token: str, known: Follower | str) -> bool:
    return is_same_word(token, known) if isinstance(known, str) else stands_for(token, known)


def _to_said_word(source: Follower | str, witnesses: tuple[Witness, ...]) -> SaidWord:
    if isinstance(source, str):
        return SaidWord(source.strip() or source, witnesses, 0.0, _may_start(source))
    return SaidWord(source.word, witnesses, source.share, source.starts)


def _may_start(token: str) -> bool:
    # Capitals, figures, marks and scripts without case begin words without a space too.
    return not token[:1].islower()


def _may_continue(token: str) -> bool:
    return not token[:1].isspace()


def _is_telling_piece(piece: str) -> bool:
    if not piece.isalpha() or is_function_word(piece):
        return False
    return len(piece) >= _MIN_FIRST_PIECE or piece.lower() == piece.upper()
