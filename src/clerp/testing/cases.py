"""What real graphs hold, so that a plugin meets it in a test first."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import get_args

from clerp.evidence import FeatureEvidence
from clerp.feature import FeatureId
from clerp.graph import LogitEdge
from clerp.labelers import LabelRequest
from clerp.router import Side
from clerp.testing.builders import make_evidence, make_request

_ORDINARY = (
    (" in", " Texas", " today"),
    (" from", " Texas", "."),
    (" old", " Texas", " law"),
    (" of", " Texas", "\n"),
    (" is", " Ohio", " near"),
    (" all", " texas", " roads"),
)
_PROMOTED = (" Austin", " Dallas", "")
_HUGE = "a" * 5_000

# Each text peaks at its second token.
NASTY_TEXTS: Mapping[str, Sequence[Sequence[str]]] = MappingProxyType(
    {
        "one example": [(" in", " Texas", " today")],
        "texts of one token": [("Texas",), ("Ohio",), ("Texas",)],
        "special tokens": [("<bos>", "<|im_start|>", "user"), ("</s>", "<|im_start|>", "[INST]")],
        "newlines only": [("\n", "\n\n", "\n"), ("\r\n", "\n\n", "\u2028"), ("\n", "\n\n")],
        "spaces only": [(" ", "  ", "\t"), (" ", "\u3000", " ")],
        "empty tokens": [("", "", ""), ("é", "", " a")],
        "marks": [(" a", ",", " b"), (" c", ",", " d"), (" e", "...", " f")],
        "markup": [("<b>", "<script>alert(1)</script>", "&lt;"), ("#", "%41", '"+"')],
        "names that frontends read": [(" ", "[supernode] F12", " "), (" ", "F123", " ")],
        "Chinese, Thai": [("我", "喜欢", "你"), ("ภา", "ษา", "ไทย"), ("他", "喜欢", "它")],
        "Arabic, Hindi": [("في", " مصر", "."), ("में", " भारत", "।"), ("من", " مصر", "،")],
        "emoji": [(" hi", "👩‍👩‍👧", "👍🏽"), ("!", "🇩🇪", "\ufe0f"), (" so", "👩‍👩‍👧", "!")],
        "control characters": [("\x00", "\x1b[31mred", "\x7f"), ("\u202e", "\u200bab", "\ufeff")],
        "unreadable bytes": [("\ufffd", "\ufffd\ufffd", "\ufffd"), ("\ue000", "\uffff", "\u0378")],
        "huge tokens": [(_HUGE, f" {_HUGE}", _HUGE), (" x", f" {_HUGE}", " y")],
        "a long text": [(" a", " Texas", *[" and"] * 2000), (" b", " Texas", *[" or"] * 2000)],
    }
)


@dataclass(frozen=True, slots=True)
class Case:
    """One request to a labeler."""

    name: str
    request: LabelRequest
    is_ordinary: bool
    """Whether breaking is no way out."""


def make_cases() -> Iterator[Case]:
    """Make each case anew, for every role that goes to a labeler."""
    for number, (name, evidence) in enumerate(_list_evidence().items()):
        for role in (*get_args(Side), "cross"):
            edges = _make_edges(evidence.promoted, number) if role == "output" else ()
            request = make_request(evidence, role, logit_edges=edges)
            yield Case(f"{name}, {role}", request, number == 0)


def _list_evidence() -> dict[str, FeatureEvidence]:
    # A feature of an own for each: labelers may keep what they know of one.
    ordinary = {
        "ordinary": make_evidence(_ORDINARY, promoted=_PROMOTED, suppressed=(" Paris",)),
        "no promoted tokens": make_evidence(_ORDINARY, feature=FeatureId(0, 0)),
        "only lower examples": make_evidence((), lower=_ORDINARY, feature=FeatureId(0, 1)),
        "no example at all": make_evidence((), promoted=_PROMOTED, feature=FeatureId(0, 2)),
    }
    return ordinary | {
        name: make_evidence(
            texts,
            lower=_ORDINARY[:1],
            promoted=[text[-1] for text in texts],
            suppressed=[text[0] for text in texts],
            feature=FeatureId(60, 2_000_000 + number),
        )
        for number, (name, texts) in enumerate(NASTY_TEXTS.items())
    }


def _make_edges(tokens: Sequence[str], number: int) -> tuple[LogitEdge, ...]:
    sign = -1 if number % 2 else 1
    return tuple(LogitEdge(token, sign / (i + 1), None, i) for i, token in enumerate(tokens))
