"""Classes that words of different spelling can share: digits, months, prepositions, endings."""

import math
import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from clerp.word_counts import WordCount, normalise
from clerp.word_names import is_mark

CLASS_SHARE = 0.6
"""Part of the activation that a class must cover before it names a feature."""
_LONG_ENDING_SHARE = 0.6
_SHORT_ENDING_SHARE = 0.8
_ENDING_LENGTHS = (6, 5, 4, 3, 2)
_MIN_WORDS = 3


@dataclass(frozen=True, slots=True)
class WordClass:
    """A class of words, and how to tell its members."""

    plural: str
    """How an input label calls it: `digits`."""
    singular: str
    """How an output label calls it: `a digit`."""
    contains: Callable[[str], bool]
    is_wide: bool = False
    """Whether any text has many members, so that they prove less."""
    min_words: int = 3
    """How many different members it takes; fewer are listed."""

    @property
    def is_ending(self) -> bool:
        """Whether the class is an ending, `-tion`."""
        return self.plural.startswith("-")


def find_class(counts: Sequence[WordCount]) -> WordClass | None:
    """Find the narrowest class that covers enough of the activation, in at least three words.

    Narrow classes come before common endings (`-tion`), these before the wide classes, which
    any text fills to some extent, and a shared script comes last.
    """
    if len(counts) < _MIN_WORDS:
        return None
    narrow = (c for c in _NARROW if _names(c, counts))
    wide = (c for c in _WIDE if _names(c, counts))
    return next(narrow, None) or find_ending(counts) or next(wide, None) or _find_script(counts)


def find_narrow_class(counts: Sequence[WordCount], min_share: float) -> WordClass | None:
    """Find the first of the narrow classes that covers a share, with however few words."""
    return next((c for c in _NARROW if cover(c, counts) >= min_share), None)


def find_ending(counts: Sequence[WordCount]) -> WordClass | None:
    """Find the longest ending that most words share, as `-tion`; two letters need more of them."""
    words = [count for count in counts if count.word.isalpha()]
    for length in _ENDING_LENGTHS:
        enough = _SHORT_ENDING_SHARE if length == 2 else _LONG_ENDING_SHARE
        endings = dict.fromkeys(
            normalise(count.word)[-length:] for count in words if len(count.word) > length + 1
        )
        for ending in endings:
            found = _ending_class(ending)
            members = sum(found.contains(count.word) for count in words)
            if members >= _MIN_WORDS and cover(found, counts) >= enough:
                return found
    return None


def cover(word_class: WordClass, counts: Sequence[WordCount]) -> float:
    """Return the share of activation that members of a class hold."""
    return math.fsum(count.share for count in counts if word_class.contains(count.word))


def _names(word_class: WordClass, counts: Sequence[WordCount]) -> bool:
    members = [count.share for count in counts if word_class.contains(count.word)]
    return len(members) >= word_class.min_words and math.fsum(members) >= CLASS_SHARE


def _ending_class(ending: str) -> WordClass:
    def contains(word: str) -> bool:
        return len(word) > len(ending) + 1 and normalise(word).endswith(ending)

    return WordClass(f"-{ending}", f"-{ending}", contains)


def _find_script(counts: Sequence[WordCount]) -> WordClass | None:
    for script in dict.fromkeys(_script(count.word) for count in counts):
        found = _script_class(script)
        if script not in {"", "LATIN"} and _names(found, counts):
            return found
    return None


def _script_class(script: str) -> WordClass:
    def contains(word: str) -> bool:
        return _script(word) == script

    plural, singular = _SCRIPTS.get(script, (f"{script.title()} words", f"a {script.title()} word"))
    return WordClass(plural, singular, contains, is_wide=True)


@lru_cache(maxsize=65536)
def _script(word: str) -> str:
    letter = next((char for char in word if char.isalpha()), "")
    return unicodedata.name(letter, "").split(" ")[0] if letter else ""


_SCRIPTS = {
    "CJK": ("Chinese characters", "a Chinese character"),
    "HIRAGANA": ("Japanese kana", "a Japanese kana"),
    "KATAKANA": ("Japanese kana", "a Japanese kana"),
}


def _among(words: str) -> Callable[[str], bool]:
    members = frozenset(words.split())
    return lambda word: normalise(word) in members


def _matching(pattern: str) -> Callable[[str], bool]:
    compiled = re.compile(pattern)
    return lambda word: compiled.fullmatch(word) is not None


def _made_of(characters: str) -> Callable[[str], bool]:
    members = frozenset(characters)
    return lambda word: bool(word) and members.issuperset(word.strip() or word)


def _is_capitalised(word: str) -> bool:
    return len(word) > 1 and word[0].isupper() and not word.isupper()


def _is_latin_letter(word: str) -> bool:
    return len(word) == 1 and word.isascii() and word.isalpha()


def _is_all_caps(word: str) -> bool:
    return len(word) > 1 and word.isalpha() and word.isupper()


def _is_emoji(word: str) -> bool:
    return any(ord(char) >= 0x1F000 or 0x2600 <= ord(char) <= 0x27BF for char in word)


_PREPOSITION_WORDS = (
    "about above across after against along among around as at before behind below beneath beside "
    "between beyond by down during for from in inside into near of off on onto out outside over "
    "past per since than through throughout to toward towards under until up upon via with within "
    "without"
)
_PRONOUN_WORDS = (
    "i you he she it we they me him her us them my your his its our their mine yours hers ours "
    "theirs myself yourself himself herself itself ourselves themselves who whom whose"
)
_ARTICLE_WORDS = "a an the"
_CONJUNCTION_WORDS = "and or but nor yet so because although while if that"
_ORDINAL_WORDS = (
    "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth "
    "fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth twentieth hundredth"
)
_AUXILIARY_WORDS = (
    "am is are was were be been being has have had having do does did can could may might must "
    "shall should will would"
)

# Few forms of one function word, as `is / was / are`, say more when they are listed.
PREPOSITIONS = WordClass("prepositions", "a preposition", _among(_PREPOSITION_WORDS), min_words=4)
ARTICLES = WordClass("articles", "an article", _among(_ARTICLE_WORDS), min_words=4)
PRONOUNS = WordClass("pronouns", "a pronoun", _among(_PRONOUN_WORDS), min_words=4)
AUXILIARIES = WordClass(
    "auxiliary verbs", "an auxiliary verb", _among(_AUXILIARY_WORDS), min_words=4
)
CONJUNCTIONS = WordClass("conjunctions", "a conjunction", _among(_CONJUNCTION_WORDS), min_words=4)
NAMES = WordClass("capitalised names", "a capitalised name", _is_capitalised, is_wide=True)

_ordinal = _among(_ORDINAL_WORDS)
_ordinal_figure = _matching(r"(?i)\d+(?:st|nd|rd|th)")

_NARROW = (
    WordClass("digits", "a digit", _matching(r"\d")),
    WordClass("years", "a year", _matching(r"1[0-9]\d\d|20\d\d")),
    WordClass("numbers", "a number", _matching(r"\d+")),
    WordClass("ordinals", "an ordinal", lambda w: _ordinal(w) or _ordinal_figure(w)),
    WordClass(
        "months",
        "a month",
        _among(
            "january february march april may june july august september october november december "
            "jan feb mar apr jun jul aug sep sept oct nov dec"
        ),
    ),
    WordClass(
        "weekdays",
        "a weekday",
        _among("monday tuesday wednesday thursday friday saturday sunday mon tue wed thu fri sat"),
    ),
    WordClass(
        "number words",
        "a number word",
        _among(
            "one two three four five six seven eight nine ten eleven twelve twenty thirty forty "
            "fifty sixty seventy eighty ninety hundred thousand million billion"
        ),
    ),
    ARTICLES,
    PREPOSITIONS,
    PRONOUNS,
    AUXILIARIES,
    CONJUNCTIONS,
    WordClass("white space", "white space", str.isspace),
    WordClass("brackets", "a bracket", _made_of("()[]{}")),
    WordClass("quote marks", "a quote mark", _made_of("'\"“”‘’«»„`")),
    WordClass("emoji", "an emoji", _is_emoji),
    WordClass("punctuation", "a punctuation mark", _made_of(".,:;!?…-–—'\"“”‘’()，。、：；！？")),
    WordClass("symbols", "a symbol", is_mark),
)
_WIDE = (
    WordClass("single letters", "a letter", _is_latin_letter, is_wide=True),
    WordClass("words in capitals", "a word in capitals", _is_all_caps, is_wide=True),
    NAMES,
)
CLASSES = (*_NARROW, *_WIDE)
"""Every class but endings and scripts, which are made as words come."""


_FUNCTION_WORDS = frozenset(
    f"{_ARTICLE_WORDS} {_PREPOSITION_WORDS} {_PRONOUN_WORDS} {_AUXILIARY_WORDS} "
    f"{_CONJUNCTION_WORDS}".split()
)


def is_function_word(word: str) -> bool:
    """Say whether an English word is found in any text, whatever it is about."""
    return normalise(word) in _FUNCTION_WORDS
