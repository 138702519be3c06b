"""Texts of which the truth is known: ten topics, five kinds of words, at every token.

Documents keep to a topic for some sentences and then change it. Some nouns belong to two topics, so
that a model has to read the context, and can be wrong.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

WordClass = Literal["noun", "verb", "adjective", "small word", "mark"]

MIN_TOKENS = 40
"""After which a document ends with its sentence."""
_CHANGE = 0.3
"""How likely a sentence is to have another topic than the one before."""


@dataclass(frozen=True, slots=True)
class Topic:
    """The words of a topic."""

    name: str
    nouns: tuple[str, ...]
    verbs: tuple[str, ...]
    adjectives: tuple[str, ...]


def _make(name: str, nouns: str, verbs: str, adjectives: str) -> Topic:
    return Topic(name, tuple(nouns.split()), tuple(verbs.split()), tuple(adjectives.split()))


TOPICS: Mapping[str, Topic] = MappingProxyType(
    {
        topic.name: topic
        for topic in (
            _make("the sea", "sailor ship harbor wave bank salt", "sails rows dives", "deep"),
            _make(
                "the farm", "farmer cow barn plough field harvest", "plants milks feeds", "muddy"
            ),
            _make("the law", "judge lawyer jury trial court bar cell", "accuses swears", "guilty"),
            _make("music", "singer guitar song concert bar note pitch", "sings hums plays", "loud"),
            _make("cooking", "cook oven soup knife kitchen salt plate", "boils bakes", "tasty"),
            _make("space", "astronaut rocket planet orbit moon star", "launches lands", "distant"),
            _make("medicine", "doctor nurse patient needle cell fever", "heals treats", "sick"),
            _make("sport", "player ball team goal pitch court star", "kicks scores runs", "quick"),
            _make("school", "teacher pupil lesson exam desk note", "reads writes learns", "clever"),
            _make("trade", "merchant market price coin shop bank", "sells buys pays", "cheap"),
        )
    }
)

# One letter a place: N noun, V verb, A adjective; everything else stands as it is.
_PATTERNS = (
    "The A N V the N .",
    "A N V near the N and the A N .",
    "Today the N V with a N .",
    "Every N V , but the N V too .",
    "The N of the A N V slowly .",
    "Often a N and a N V here .",
)
_MARKS = frozenset(".,")


@dataclass(frozen=True, slots=True)
class Token:
    """A token of a document, and what is true there."""

    text: str
    """With the space before it: ` harbor`."""
    kind: WordClass
    topic: str
    """Of the last word that has one, this one included; empty before the first."""
    before: tuple[str, ...]
    """The two before this one, the later one last; fewer at the start."""


@dataclass(frozen=True, slots=True)
class Document:
    """A text, token by token."""

    tokens: tuple[Token, ...]

    @property
    def text(self) -> str:
        """The text as a model reads it."""
        return "".join(token.text for token in self.tokens)


def write_documents(n: int, seed: int) -> tuple[Document, ...]:
    """Write documents of some 45 tokens; equal seeds give equal documents."""
    chance = random.Random(seed)
    return tuple(_write_document(chance) for _ in range(n))


def tell_class(text: str) -> WordClass:
    """Say of what class a token is, wherever it stands; no word of a topic is a small one."""
    if text in _MARKS:
        return "mark"
    word = text.removeprefix(" ")
    for topic in TOPICS.values():
        own: Mapping[WordClass, tuple[str, ...]] = {
            "noun": topic.nouns,
            "verb": topic.verbs,
            "adjective": topic.adjectives,
        }
        for kind, words in own.items():
            if word in words:
                return kind
    return "small word"


def list_words() -> tuple[str, ...]:
    """List every piece of text that a document can hold, sorted."""
    starters = {pattern.split()[0] for pattern in _PATTERNS}
    inside = {word for pattern in _PATTERNS for word in pattern.split() if word not in _SLOTS}
    small = {f" {word}" for word in (starters | inside) - _MARKS}
    content = {
        f" {word}"
        for topic in TOPICS.values()
        for word in (*topic.nouns, *topic.verbs, *topic.adjectives)
    }
    return tuple(sorted(small | content | starters | _MARKS))


_SLOTS: Mapping[str, WordClass] = MappingProxyType({"N": "noun", "V": "verb", "A": "adjective"})


def _write_document(chance: random.Random) -> Document:
    topic = chance.choice(tuple(TOPICS.values()))
    tokens: list[Token] = []
    while len(tokens) < MIN_TOKENS:
        _add_sentence(tokens, topic, chance)
        if chance.random() < _CHANGE:
            topic = chance.choice([other for other in TOPICS.values() if other != topic])
    return Document(tuple(tokens))


def _add_sentence(tokens: list[Token], topic: Topic, chance: random.Random) -> None:
    words = {"N": topic.nouns, "V": topic.verbs, "A": topic.adjectives}
    # No noun twice in a sentence: `the judge and the judge`.
    fresh = chance.sample(topic.nouns, len(topic.nouns))
    for number, slot in enumerate(chance.choice(_PATTERNS).split()):
        # `A` opens sentences as an article and nothing opens one as an adjective.
        is_slot = slot in words and number > 0
        word = (fresh.pop() if slot == "N" else chance.choice(words[slot])) if is_slot else slot
        before = tuple(token.text for token in tokens[-2:])
        kind: WordClass = "mark" if word in _MARKS else "small word"
        spaced = word if kind == "mark" or not tokens else f" {word}"
        if is_slot:
            tokens.append(Token(spaced, _SLOTS[slot], topic.name, before))
        else:
            said = tokens[-1].topic if tokens else ""
            tokens.append(Token(spaced, kind, said, before))
