"""What is to be said of a place in a document, and what of that a text claims.

Texts have three paragraphs, as those of released pairs do: what kind of text it is, words that came
before, and the final token.
"""

import random
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from clerp_nla.training.grammar import TOPICS, Token, WordClass

ClaimKind = Literal["topic", "word class", "token", "words before"]

_CALLED: Mapping[WordClass, str] = MappingProxyType(
    {
        "noun": "a noun",
        "verb": "a verb",
        "adjective": "an adjective",
        "small word": "a small word",
        "mark": "a mark",
    }
)
_OPENINGS = ("A text about {topic}.", "Sentences about {topic}.", "Notes about {topic}.")
_MIDDLES = ('It comes after "{first}" and "{second}".', 'Before are "{first}" and "{second}".')
_ENDINGS = (
    'Final token "{token}" is {kind}, in a sentence about {topic}.',
    'Final token "{token}" is {kind}; more about {topic} is likely.',
)

_ABOUT = re.compile(r"about ([a-z]+(?: [a-z]+)?)")
_FINAL = re.compile(r'Final token "([^"]{1,40})"')
_IS = re.compile(f"is ({'|'.join(_CALLED.values())})")
_NAMED = re.compile(r'"([^"]{1,40})" and "([^"]{1,40})"')


@dataclass(frozen=True, slots=True)
class Claims:
    """What a text says; empty where it says nothing of the kind."""

    topic: str
    """As it is named last, where a text names several."""
    word_class: str
    token: str
    before: tuple[str, ...]


def explain(token: Token, chance: random.Random) -> str:
    """Write what is true of a place, in one of several ways."""
    first, second = token.before
    opening, middle, ending = map(chance.choice, (_OPENINGS, _MIDDLES, _ENDINGS))
    return "\n\n".join(
        (
            opening.format(topic=token.topic),
            middle.format(first=first, second=second),
            ending.format(token=token.text, kind=_CALLED[token.kind], topic=token.topic),
        )
    )


def list_explanations() -> tuple[str, ...]:
    """Return texts that together hold every word of which explanations are made."""
    return (
        *(form.format(topic=name) for form in _OPENINGS for name in TOPICS),
        *(form.format(first="", second="") for form in _MIDDLES),
        *(f.format(token="", kind=k, topic="") for f in _ENDINGS for k in _CALLED.values()),
    )


def read_claims(text: str) -> Claims:
    """Read what a text claims, in the words that explanations use."""
    topics = [found for found in map(_match_topic, _ABOUT.findall(text)) if found]
    token, kind, named = _FINAL.search(text), _IS.search(text), _NAMED.search(text)
    classes = {called: name for name, called in _CALLED.items()}
    return Claims(
        topic=topics[-1] if topics else "",
        word_class=classes[kind.group(1)] if kind else "",
        token=token.group(1) if token else "",
        before=named.groups() if named else (),
    )


def judge(claims: Claims, truth: Token) -> Mapping[ClaimKind, bool]:
    """Say of each claim that is made whether it is true of a place."""
    made: dict[ClaimKind, tuple[object, object]] = {
        "topic": (claims.topic, truth.topic),
        "word class": (claims.word_class, truth.kind),
        "token": (claims.token, truth.text),
        "words before": (claims.before, truth.before),
    }
    return {kind: claimed == true for kind, (claimed, true) in made.items() if claimed}


def _match_topic(words: str) -> str:
    # `about music is likely`: the words after a name are no part of it.
    for name in (words, words.split()[0]):
        if name in TOPICS:
            return name
    return ""
