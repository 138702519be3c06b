"""What `nla:PAIR,MODEL,device=cuda:1,dtype=bfloat16` says."""

import re
from dataclasses import dataclass

import torch

from clerp.errors import UsageError

DTYPES = {"bfloat16": torch.bfloat16, "float32": torch.float32}
_WORD = re.compile(r"(?P<key>\w+)=(?P<value>.*)")
_KNOWN = ("device", "dtype")
_HOW = "Write nla:PAIR,MODEL,device=DEVICE,dtype=DTYPE, of which all but PAIR may be left out"


@dataclass(frozen=True, slots=True)
class Argument:
    """Which pair is to run, of which model, and where; None or empty where nobody says so."""

    pair: str
    model: str = ""
    device: str | None = None
    dtype: torch.dtype | None = None


def read_argument(argument: str) -> Argument:
    """Read what stands after `nla:`.

    Raises:
        UsageError: It names no pair, two models, or a word that nobody knows.
    """
    pair, *others = argument.split(",")
    if not pair:
        raise UsageError(
            "no pair is named",
            where="nla",
            remedy="Write nla:FOLDER, or nla:OWNER/NAME for one on HuggingFace",
        )
    words: dict[str, str] = {}
    for other in filter(None, others):
        found = _WORD.fullmatch(other)
        key, value = (found["key"], found["value"]) if found else ("model", other)
        if found and key not in _KNOWN:
            known = " and ".join(f"{name}=" for name in _KNOWN)
            raise UsageError(
                f"nobody knows the word {key}=", where=other, remedy=f"Known are {known}. {_HOW}"
            )
        if key in words:
            raise UsageError(f"a second {key}, after {words[key]!r}", where=other, remedy=_HOW)
        words[key] = value
    dtype = _read_dtype(words["dtype"]) if "dtype" in words else None
    return Argument(pair, words.get("model", ""), words.get("device"), dtype)


def _read_dtype(name: str) -> torch.dtype:
    if name not in DTYPES:
        raise UsageError(
            f"there is no precision {name!r}", where="dtype", remedy=f"Known: {', '.join(DTYPES)}"
        )
    return DTYPES[name]
