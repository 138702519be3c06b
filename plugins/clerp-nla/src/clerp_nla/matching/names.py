"""Names of one model that differ in spelling only."""

import re
from dataclasses import dataclass

_ON_HUB = re.compile(r"(?P<owner>[\w.-]+)/(?P<name>[\w.-]+)")
_BORDER = re.compile(r"[-_\s]+|(?<=[a-z])(?=\d)")
# `Base` is none of these: Qwen 3 means another model by it.
_SYNONYMS = {"instruct": "it"}
_SAYS_NOTHING = {"pt"}


@dataclass(frozen=True, slots=True)
class _Name:
    owner: str
    words: tuple[str, ...]


def is_same_model(one: str, other: str) -> bool:
    """Say whether two names can be those of one model.

    Case, hyphens beside letters, `Instruct` for `it`, and an owner that only one of them names make
    no difference. Families, versions, sizes, and instruct models beside base models do.
    """
    ours, theirs = _read(one), _read(other)
    if not ours.words or ours.words != theirs.words:
        return False
    return not (ours.owner and theirs.owner) or ours.owner == theirs.owner


def _read(name: str) -> _Name:
    plain = name.strip().lower().partition("@")[0].rstrip("/")
    match = _ON_HUB.fullmatch(plain)
    last = plain.rpartition("/")[2]
    words = [_SYNONYMS.get(word, word) for word in _BORDER.split(last) if word]
    kept = [word for word in words if word not in _SAYS_NOTHING]
    if kept[:2] == ["meta", "llama"]:
        kept = kept[1:]
    return _Name(match["owner"] if match else "", tuple(kept))
