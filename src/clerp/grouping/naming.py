"""Names of groups: taken from members, short, unique, and fit for every frontend."""

import re
from collections import Counter
from collections.abc import Iterable

from clerp.grouping.label_form import fold, read_form
from clerp.labels import MAX_LABEL_CHARS, clean_label

# circuit-tracer's frontend takes a node whose name holds this for a box of its own making.
_RESERVED = re.compile("supernode-", re.IGNORECASE)
_NAMELESS = "group"


def choose_name(texts: Iterable[str]) -> str:
    """Choose the label that most members have, "" of none.

    Of several the shortest that says something; names of function words say nothing.
    """
    counts = Counter(text for text in texts if text)
    folded = Counter[str]()
    for text, n in counts.items():
        folded[fold(text)] += n
    return min(
        counts,
        key=lambda text: (-folded[fold(text)], not read_form(text).words, len(text), text),
        default="",
    )


def clean_name(name: str) -> str:
    """Return a name as every frontend shows it; never empty."""
    return _RESERVED.sub("supernode ", clean_label(name)) or _NAMELESS


def make_unique(name: str, distinction: str, taken: set[str]) -> str:
    """Make a name that no other group has, and add it to those that are taken.

    Args:
        name: What the grouper calls the group.
        distinction: What tells it from a group of the same name, as `at 5`.
        taken: Folded names, changed in place.
    """
    clean = clean_name(name)
    numbers = (f" {distinction} ({number})" for number in range(2, len(taken) + 3))
    endings = ("", f" {distinction}", *numbers)
    unique = next(full for end in endings if fold(full := _append(clean, end)) not in taken)
    taken.add(fold(unique))
    return unique


def _append(name: str, ending: str) -> str:
    room = MAX_LABEL_CHARS - len(ending)
    return (name if len(name) <= room else f"{name[: room - 1].rstrip()}…") + ending
