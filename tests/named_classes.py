"""Features that fire on, or before, a class of words that has a name: evidence for a router.

Words stand where such words can stand in passages of ordinary text, or are found there; code is
found in Python's own library. Every example has a passage of its own, and no lead-in, peak word or
next word is in more than two of twenty, as far as a class has as many members.
"""

import random
import re
import sysconfig
import tomllib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Literal, Protocol

from clerp.evidence import ActivationExample, FeatureEvidence
from clerp.feature import FeatureId
from clerp.ordinary.passages import WIDTH, load_passages
from clerp.router import Role
from clerp.testing import make_evidence, make_example
from clerp.word_classes import is_function_word

Promoted = Literal["none", "pieces", "members"]
Tokens = tuple[str, ...]

_MIDDLE = WIDTH // 2
_REACH = 8
_PIECE = re.compile(r" (?=\d)|\d| ?[^\W\d_]+|\n| +(?= )| ?[^\w\s]+| |_+")
_LISTS = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
_MODULES = ("bisect", "calendar", "cmd", "csv", "fnmatch", "heapq", "shlex", "textwrap")


@dataclass(frozen=True)
class Spot:
    """Where an example peaks."""

    tokens: Tokens
    peak: int

    @property
    def before(self) -> str:
        return self.tokens[self.peak - 1] if self.peak else ""

    @property
    def at(self) -> str:
        return self.tokens[self.peak]

    @property
    def after(self) -> str:
        return self.tokens[self.peak + 1] if self.peak + 1 < len(self.tokens) else ""


class NamedClass(Protocol):
    """A class of words with a name, and the role of a feature that is about it."""

    @property
    def role(self) -> Role: ...

    @property
    def members(self) -> Sequence[str]:
        """What it may promote."""
        ...

    def draw(self, rng: random.Random, n: int) -> list[Spot]:
        """Draw n places in different passages."""
        ...


@dataclass(frozen=True)
class Inserted:
    """Members put into passages, each after a lead-in; they are the peak."""

    leads: Sequence[str]
    members: Sequence[str]
    role: Role = "input"

    def draw(self, rng: random.Random, n: int) -> list[Spot]:
        leads, members = _rotate(self.leads, rng), _rotate(self.members, rng)
        return [
            _insert(spot, cut_text(f" {next(leads)} {next(members)}"), ())
            for spot in _find_gaps(rng, n)
        ]


@dataclass(frozen=True)
class Before:
    """Members put into passages, each after a phrase that ends with the peak."""

    phrases: Sequence[str]
    members: Sequence[str]
    role: Role = "output"

    def draw(self, rng: random.Random, n: int) -> list[Spot]:
        phrases, members = _rotate(self.phrases, rng), _rotate(self.members, rng)
        return [
            _insert(spot, cut_text(f" {next(phrases)}"), cut_text(f" {next(members)}"))
            for spot in _find_gaps(rng, n)
        ]


@dataclass(frozen=True)
class Found:
    """Places of ordinary text, or of code, that are about the class already."""

    members: Sequence[str]
    belongs: Callable[[Spot], bool]
    in_code: bool = False
    role: Role = "input"

    def draw(self, rng: random.Random, n: int) -> list[Spot]:
        spots = _sift_spots(self.belongs, self.in_code)
        return _take_in_turn(spots, lambda spot: spot.at.strip().lower(), rng, n)


@dataclass(frozen=True)
class Ending:
    """Words of ordinary text that end alike, peaking on their ending."""

    ending: str
    role: Role = "input"

    @property
    def members(self) -> Sequence[str]:
        return (self.ending,)

    def draw(self, rng: random.Random, n: int) -> list[Spot]:
        spots = _sift_spots(self._ends, in_code=False)
        taken = _take_in_turn(spots, lambda spot: (spot.before + spot.at).lower(), rng, n)
        return [self._split(spot) for spot in taken]

    def _ends(self, spot: Spot) -> bool:
        is_piece = spot.at == self.ending and re.fullmatch(r" [a-z]{3,}", spot.before)
        is_whole = re.fullmatch(rf" [a-z]{{3,}}{self.ending}", spot.at)
        return bool(is_piece or is_whole) and not spot.after[:1].isalpha()

    def _split(self, spot: Spot) -> Spot:
        if spot.at == self.ending:
            return spot
        stem = spot.at.removesuffix(self.ending)
        tokens = (*spot.tokens[: spot.peak], stem, self.ending, *spot.tokens[spot.peak + 1 :])
        return Spot(tokens, spot.peak + 1)


@dataclass(frozen=True)
class Written:
    """Sentences as they are, the peak between « and »."""

    sentences: Sequence[str]
    role: Role = "input"

    @property
    def members(self) -> Sequence[str]:
        return [cut_text(re.findall("«(.+?)»", text)[0])[-1] for text in self.sentences]

    def draw(self, rng: random.Random, n: int) -> list[Spot]:
        return [_read_marked(text) for text in rng.sample(list(self.sentences), n)]


@dataclass(frozen=True)
class Anywhere:
    """No class at all."""

    members: Sequence[str] = ()
    role: Role = "obscure"

    def draw(self, rng: random.Random, n: int) -> list[Spot]:
        return _draw_anywhere(rng, n)


def make_class(
    name: str, seed: int, n: int = 20, purity: float = 1.0, promoted: Promoted = "pieces"
) -> FeatureEvidence:
    """Make evidence of a feature that is about one of `CLASSES`.

    Args:
        name: Which one.
        seed: Other numbers take other passages, and members in another order.
        n: Examples; at most as many as there are sentences of classes of many languages.
        purity: Share of the examples that are about the class; the others peak anywhere.
        promoted: Nothing; pieces of words, as most features of a small model promote; or six
            members (of what follows, where a class has that) among such pieces.
    """
    chosen, rng = CLASSES[name], random.Random()
    spots, state = _draw_spots(name, seed, n, purity)
    rng.setstate(state)
    blank = make_evidence(
        [spot.tokens for spot in spots],
        promoted=_draw_promoted(chosen.members, promoted, rng),
        feature=FeatureId(rng.randrange(30), rng.randrange(16384)),
    )
    examples = (_make(spot, place, n) for place, spot in enumerate(spots))
    return replace(blank, top=tuple(examples), act_max=float(n))


@cache
def _draw_spots(name: str, seed: int, n: int, purity: float) -> tuple[Sequence[Spot], Any]:
    """Draw the places of a feature, whatever it promotes; with them the state of what drew."""
    rng = random.Random(f"{name} {seed}")
    n_pure = round(purity * n)
    spots = [*CLASSES[name].draw(rng, n_pure), *_draw_anywhere(rng, n - n_pure)]
    rng.shuffle(spots)
    return tuple(spots), rng.getstate()


def cut_text(text: str) -> Tokens:
    """Cut a text as byte-pair tokenizers do: words with their space, digits one by one."""
    pieces: list[str] = []
    for piece in _PIECE.findall(text):
        alone = any("\u3040" <= char <= "\u9fff" for char in piece)
        pieces.extend(piece if alone else (piece,))
    return tuple(pieces)


def _make(spot: Spot, place: int, n: int) -> ActivationExample:
    first = max(0, spot.peak - _MIDDLE)
    return make_example(
        spot.tokens[first : spot.peak + _MIDDLE + 1],
        peak=spot.peak - first,
        activation=float(n - place / 2),
        id=f"0.{place}",
    )


def _draw_promoted(members: Sequence[str], promoted: Promoted, rng: random.Random) -> Sequence[str]:
    if promoted == "none":
        return ()
    # In the order of the table: a set's would be another in every process.
    distinct = list(dict.fromkeys(members)) if promoted == "members" else []
    chosen = rng.sample(distinct, min(6, len(distinct)))
    spaced = [f" {word}" if word[:1].isalpha() else word for word in chosen]
    return [*spaced, *rng.sample(_split("pieces"), 10 - len(spaced))]


def _rotate(members: Iterable[str], rng: random.Random) -> Iterator[str]:
    """Give every member once before any comes again."""
    each = list(members)
    while True:
        yield from rng.sample(each, len(each))


def _take_in_turn(
    spots: Sequence[Spot], key: Callable[[Spot], str], rng: random.Random, n: int
) -> list[Spot]:
    """Take one place of each word in turn, and no two in one passage."""
    by_word: dict[str, list[Spot]] = {}
    for spot in rng.sample(spots, len(spots)):
        by_word.setdefault(key(spot), []).append(spot)
    words = rng.sample(sorted(by_word), len(by_word))
    turns = max(map(len, by_word.values()), default=0)
    taken: dict[Tokens, Spot] = {}
    for turn in range(turns):
        for word in words:
            if turn < len(by_word[word]) and len(taken) < n:
                taken.setdefault(by_word[word][turn].tokens, by_word[word][turn])
    assert len(taken) == n, "too few places"
    return list(taken.values())


def _draw_anywhere(rng: random.Random, n: int) -> list[Spot]:
    passages = rng.sample(load_passages().tokens, n)
    return [Spot(tokens, rng.choice(_list_inner(tokens))) for tokens in passages]


def _list_inner(tokens: Tokens) -> list[int]:
    return [i for i in range(_REACH, len(tokens) - _REACH) if tokens[i].strip()]


@cache
def _list_spots(in_code: bool) -> tuple[Spot, ...]:
    texts = _cut_code() if in_code else load_passages().tokens
    return tuple(Spot(tokens, i) for tokens in texts for i in range(_REACH, len(tokens) - _REACH))


@cache
def _sift_spots(belongs: Callable[[Spot], bool], in_code: bool) -> tuple[Spot, ...]:
    return tuple(spot for spot in _list_spots(in_code) if belongs(spot))


def _cut_code() -> Iterator[Tokens]:
    library = Path(sysconfig.get_path("stdlib"))
    for module in _MODULES:
        tokens = cut_text((library / f"{module}.py").read_text(encoding="utf-8"))
        for start in range(0, len(tokens) - WIDTH, WIDTH):
            yield tokens[start : start + WIDTH]


def _find_gaps(rng: random.Random, n: int) -> list[Spot]:
    """Find places after a content word, before as many different kinds of tokens as there are."""
    return _take_in_turn(_list_gaps(), lambda spot: spot.at, rng, n)


@cache
def _list_gaps() -> tuple[Spot, ...]:
    gaps = [spot for spot in _list_spots(in_code=False) if _is_gap(spot)]
    # Rare neighbours would come first in turn, and look like a class of their own.
    common = Counter(spot.at for spot in gaps).most_common(30)
    kept = {token for token, _ in common}
    return tuple(spot for spot in gaps if spot.at in kept)


def _is_gap(spot: Spot) -> bool:
    word, following = spot.before.strip(), spot.at.strip()
    is_word = re.fullmatch(r" [a-z]{4,}", spot.before) and not is_function_word(word)
    ends_here = spot.at in {",", ".", ";"} or (
        spot.at.startswith(" ") and (is_function_word(following) or following in _LINKS)
    )
    return bool(is_word) and ends_here


_LINKS = {"which", "when", "where", "then", "not", "also", "as", "there"}


def _insert(spot: Spot, head: Tokens, following: Tokens) -> Spot:
    """Put tokens before a place, the last one of the head at the peak."""
    tokens = (*spot.tokens[: spot.peak], *head, *following, *spot.tokens[spot.peak :])
    return Spot(tokens, spot.peak + len(head) - 1)


def _read_marked(text: str) -> Spot:
    before, peak, after = re.split("[«»]", text)
    head = (*cut_text(before.rstrip()), *cut_text(f"{' ' * before.endswith(' ')}{peak}"))
    return Spot((*head, *cut_text(after)), len(head) - 1)


def _among(members: Sequence[str]) -> Callable[[Spot], bool]:
    """Say whether a whole word of ordinary text is one of these."""

    def belongs(spot: Spot) -> bool:
        is_whole = spot.at.startswith(" ") and not spot.after[:1].isalnum()
        return is_whole and spot.at.strip() in members

    return belongs


def _find_words(words: str) -> Found:
    return Found(_split(words), _among(_split(words)))


def _find_marks(marks: str) -> Found:
    members = marks.split()
    return Found(members, lambda spot: spot.at in members)


def _is_last_digit(spot: Spot) -> bool:
    return spot.at.isdigit() and not spot.after[:1].isdigit()


def _is_name(spot: Spot) -> bool:
    is_capitalised = re.fullmatch(r" [A-Z][a-z]{3,}", spot.at) and not spot.after[:1].isalpha()
    return bool(is_capitalised and re.fullmatch(r" [a-z]+", spot.before))


def _is_identifier_after_dot(spot: Spot) -> bool:
    return spot.before.strip() == "." and bool(re.fullmatch("[a-z]{3,}", spot.at))


def _is_keyword(spot: Spot) -> bool:
    return spot.at.strip() in _split("keywords") and not spot.after[:1].isalnum()


def _inserted(leads: str, words: str) -> Inserted:
    return Inserted(_LISTS["leads"][leads], _split(words))


def _before(phrases: str, words: str) -> Before:
    return Before(_LISTS["phrases"][phrases], _split(words))


def _split(words: str) -> Sequence[str]:
    return _LISTS["words"][words].split()


CLASSES: Mapping[str, NamedClass] = {
    "US states": _inserted("places", "states"),
    "countries": _inserted("places", "countries"),
    "capital cities": _inserted("places", "capitals"),
    "months": _inserted("dates", "months"),
    "weekdays": _inserted("times", "weekdays"),
    "years": _inserted("dates", "years"),
    "number words": _inserted("amounts", "number_words"),
    "colours": _inserted("things", "colours"),
    "animals": _inserted("things", "animals"),
    "body parts": _inserted("things", "body"),
    "family members": _inserted("things", "family"),
    "chemical elements": _inserted("mass", "elements"),
    "currencies": _inserted("amounts", "currencies"),
    "units": _inserted("amounts", "units"),
    "professions": _inserted("things", "jobs"),
    "foods": _inserted("mass", "foods"),
    "digits": Found(tuple("0123456789"), _is_last_digit),
    "closing brackets": _find_marks(") ] } ), )."),
    "punctuation marks": _find_marks(", . ; : ! ? - ' \" —"),
    "-ing": Ending("ing"),
    "-ed": Ending("ed"),
    "-ness": Ending("ness"),
    "-tion": Ending("tion"),
    "-ly": Ending("ly"),
    "prepositions": _find_words("prepositions"),
    "pronouns": _find_words("pronouns"),
    "auxiliary verbs": _find_words("auxiliaries"),
    "conjunctions": _find_words("conjunctions"),
    "capitalised names": Found((), _is_name),
    "small in many languages": Written(_LISTS["sentences"]["small"]),
    "water in many languages": Written(_LISTS["sentences"]["water"]),
    "identifiers after a dot": Found((), _is_identifier_after_dot, in_code=True),
    "self": Found(("self",), lambda spot: spot.at.strip() == "self", in_code=True),
    "keywords": Found(_split("keywords"), _is_keyword, in_code=True),
    "say a state capital": _before("toward", "state_capitals"),
    "say a capital of a country": _before("toward", "capitals"),
    "say a country": _before("toward", "countries"),
    "say a currency": _before("many", "currencies"),
    "say a unit": _before("many", "units"),
    "say a year": _before("dates", "years"),
    "say a year after in": Before(("in",), _split("years")),
    "say a month": _before("dates", "months"),
    "say a weekday": _before("days", "weekdays"),
    "say a surname": _before("surnames", "surnames"),
    "say a participle": _before("auxiliaries", "participles"),
    "say a colour": _before("colours", "colours"),
    "say a body part": _before("body", "body"),
    "say a family member": _before("family", "family"),
    "say that": Before(_LISTS["phrases"]["that"], ("that",)),
    "say of": Before(_LISTS["phrases"]["of"], ("of",)),
    "random positions": Anywhere(),
}
"""By name."""
