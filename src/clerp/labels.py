"""What a labeler may answer, and the hygiene that every label passes through."""

import re
import unicodedata
from dataclasses import dataclass, field
from typing import Literal

from clerp.errors import UsageError

MAX_LABEL_CHARS = 40

Confidence = Literal["high", "medium", "low"]
Style = Literal["plain", "bracket", "paren"]

_PLACEHOLDER = re.compile(r"F\d+")
_SUPERNODE_PREFIX = "[supernode]"
# Frontends interpret these: tooltips as HTML, addresses decoded twice (formats: circuit-tracer's
# util-cg.js and decode_url_features, Neuronpedia's graph page).
_SPELLED_OUT = {
    "<": "less-than",
    ">": "greater-than",
    "&": "and",
    "#": "hash",
    "%": "percent",
    "+": "plus",
    '"': "quote",
}
# Spreadsheets run a cell that starts with one of these, of either width, and has more in it.
_FORMULA_STARTS = {
    "=": "equals",
    "@": "at",
    "-": "hyphen",
    "＝": "equals",
    "＠": "at",
    "－": "hyphen",
    "＋": "plus",
}
# Stem forms, negative numbers and rows of hyphens are no formulas.
_HARMLESS_STARTS = re.compile(r"-(?:[^\W\d_]+(?:[ /,’'-]+[^\W\d_]+)*[ /,’'-]*|\d+(?:\.\d*)?|-*)…?")
# Letters and symbols without ink, which no category tells.
BLANK = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")


@dataclass(frozen=True, slots=True)
class Label:
    """A name for a feature and what it rests on."""

    text: str
    """The name, clean and in the form of its role (`say Austin`, `digits`)."""
    method: str
    """The labeler that made it, for example `token-frequency`."""
    confidence: Confidence
    explanation: str
    """One sentence: why this name."""
    evidence: tuple[str, ...] = ()
    """Ids of the activation examples that it rests on."""
    details: dict[str, str | float | int | None] = field(
        default_factory=dict[str, str | float | int | None]
    )
    """What else belongs on record: model as returned, prompt hash, cost, `promoted_from`."""


@dataclass(frozen=True, slots=True)
class Abstention:
    """A labeler looked and declined; `reason` is never shown as a label."""

    method: str
    reason: str
    details: dict[str, str | float | int | None] = field(
        default_factory=dict[str, str | float | int | None]
    )


def clean_comment(text: str) -> str:
    """Drop what no reader sees from what a person writes; lines stay lines."""
    lines = ("".join(c for c in line if not _is_invisible(c)) for line in text.splitlines())
    return "\n".join(" ".join(line.split()) for line in lines).strip()


def clean_label(text: str) -> str:
    """Make one short line that every frontend shows as written.

    Control and bidirectional characters go, white space is folded, characters that frontends
    interpret are spelled out when they stand alone and dropped inside a word, a leading `[` goes
    (it marks supernodes), so does what starts a formula in spreadsheets (stem forms keep their
    hyphen), and a name that looks like a placeholder (`F123`) gets a space.
    """
    visible = "".join(c for c in text if not _is_invisible(c))
    words = [_spell_out(word) for word in visible.split()]
    line = _strip_start(" ".join(word for word in words if word))
    return _shorten(f"{line[0]} {line[1:]}" if _PLACEHOLDER.fullmatch(line) else line)


def check_label(text: str) -> str:
    """Return a label that a person wrote, which is never changed without a word.

    Raises:
        UsageError: Frontends would not show it as written.
    """
    cleaned = clean_label(text)
    if cleaned and cleaned != " ".join(text.split()):
        raise UsageError(
            f"of this label frontends would show {cleaned!r}",
            remedy=f"Write it so, or in other words: at most {MAX_LABEL_CHARS} characters, "
            f"without {' '.join(_SPELLED_OUT)} inside a word, none of = @ - [ in front, and none "
            "that cannot be seen",
        )
    if not cleaned:
        raise UsageError("nothing is left of the label", remedy="Write a name of 1 to 6 words")
    return cleaned


def is_placeholder(text: str) -> bool:
    """Say whether a node's text is no label: empty, or `F` and a number (Neuronpedia's CRM)."""
    stripped = text.strip()
    return not stripped or _PLACEHOLDER.fullmatch(stripped) is not None


def names_supernode(text: str) -> bool:
    """Say whether a person gave this text: Neuronpedia prefixes the labels of supernodes."""
    return text.strip().startswith(_SUPERNODE_PREFIX)


def in_style(text: str, style: Style) -> str:
    """Show a stored label as `say Austin`, `[say Austin]` or `(say Austin)`."""
    match style:
        case "plain":
            return text
        case "bracket":
            return f"[{text}]"
        case "paren":
            return f"({text})"


def _is_invisible(char: str) -> bool:
    if char in BLANK:
        return True
    return unicodedata.category(char) in {"Cc", "Cf", "Cs", "Co", "Cn"} and not char.isspace()


def _strip_start(line: str) -> str:
    line = line.lstrip("[ ")
    if line[:1] not in _FORMULA_STARTS or _HARMLESS_STARTS.fullmatch(line):
        return line
    first, _, rest = line.partition(" ")
    named = first.lstrip("".join(_FORMULA_STARTS)) or _FORMULA_STARTS[first[0]]
    return _strip_start(f"{named} {rest}".rstrip())


def _spell_out(word: str) -> str:
    if len(word) == 1:
        return _SPELLED_OUT.get(word, word)
    return "".join(c for c in word if c not in _SPELLED_OUT)


def _shorten(line: str) -> str:
    if len(line) <= MAX_LABEL_CHARS:
        return line
    cut = line[: MAX_LABEL_CHARS - 1]
    return cut.rsplit(" ", 1)[0].rstrip(" ,/·") + "…" if " " in cut else cut + "…"
