"""Words that are forms of one word, and pieces that many words share."""

import re
from collections.abc import Sequence
from itertools import takewhile

from clerp.word_counts import WordCount, normalise
from clerp.word_names import join_names, name_word

_MIN_STEM = 3
_MIN_LONG_STEM = 4
# What English adds to a stem. Other languages are left to the length of the common part.
_CASE_AND_NUMBER = frozenset({"", "s", "es", "'s", "’s"})
_SHORT_STEM_ENDINGS = _CASE_AND_NUMBER | {"ed", "er", "ers", "ing", "ings"}
_ENDINGS = _SHORT_STEM_ENDINGS | {
    *("d", "e", "est", "y", "ly", "n", "en", "r", "rs", "ness", "ment", "al"),
    *("ion", "ions", "able", "or", "ors"),
}
_SAME_PART = 0.7
_N_FORMS = 3


def are_related(one: str, other: str) -> bool:
    """Say whether two words are forms of one: `run` and `running`, `city` and `cities`."""
    a, b = _fold(one), _fold(other)
    if a == b:
        return True
    if a[:1] != b[:1] or not (_is_word(a) and _is_word(b)):
        return False
    stem = common_start(a, b)
    if len(stem) < _MIN_STEM:
        return False
    if _inflects(stem, a) and _inflects(stem, b):
        return True
    return len(stem) >= _MIN_LONG_STEM and len(stem) >= _SAME_PART * max(len(a), len(b))


def find_family(counts: Sequence[WordCount]) -> tuple[WordCount, ...]:
    """Collect the forms of the commonest word, itself first; fewer than two are no family."""
    if not counts:
        return ()
    family = tuple(count for count in counts if are_related(counts[0].word, count.word))
    return family if len(family) > 1 else ()


def name_family(family: Sequence[WordCount]) -> str:
    """Name a family by the form that all others begin with, `run`; without it by its forms.

    A name is spelled as its form mostly is: `Eritrea`, `symbolizes / symbolized`.
    """
    stem = common_start(*(_fold(count.word) for count in family))
    written = next((count.word for count in family if _fold(count.word) == stem), "")
    return written or join_names([name_word(count.word) for count in family[:_N_FORMS]])


def common_start(*words: str) -> str:
    """Return the longest beginning that all words share."""
    same = takewhile(lambda letters: len(set(letters)) == 1, zip(*words, strict=False))
    return "".join(letters[0] for letters in same)


def _fold(word: str) -> str:
    # With `citys` for `cities` the y stays in the stem.
    key = normalise(word)
    return re.sub("ie(?=[sd]$)", "y", key) if len(key) > _MIN_LONG_STEM else key


def _is_word(text: str) -> bool:
    return text.replace("'", "").replace("’", "").isalpha()


def _inflects(stem: str, word: str) -> bool:
    ending = word[len(stem) :]
    doubled = ending[1:] if ending[:1] == stem[-1] else ending
    known = _SHORT_STEM_ENDINGS if len(stem) < _MIN_LONG_STEM else _ENDINGS
    return ending in known or doubled in known
