"""Labels that are no names: echoes, refusals, markup, and what an example dictates.

A corpus holds texts that address whoever reads them, and a model may obey. Nobody can tell all such
texts apart from others, so the rule looks at the label: a name is shared by examples, while what
one text orders stands in that text alone. A label that the examples spell fails

- if one of several examples spells it and no other does, and that one does not peak on it (`say X`
  passes: it rests on promoted tokens too), or
- if it stands close to an order, and no two examples without an order spell it,

unless it is what at least half of the examples peak on. An order that spells its label otherwise
(encoded, translated, in parts) is not seen; `clean_label` sees to it that no label does more than
mislead.
"""

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache

from clerp.evidence import ActivationExample

NEAR_CHARS = 160
"""Characters on either side of an order within which it may spell its label."""
MIN_SUPPORT = 2
"""Examples without an order that hold a label, from which on it is theirs."""
REACH, MAX_SIDE_CHARS = 24, 400
"""Tokens and characters on either side of the peak that are read."""
MIN_OTHERS = 3
"""Examples beside the one that spells a label, from which on its being alone means something."""
PEAK_REACH, PHRASE_REACH = 1, 3
"""Tokens on either side of the peak that an example peaks on: a word, and a phrase."""
MIN_ECHO_WORDS = 4
"""Words in a row of the instructions that make a label an echo; names of its lists are shorter."""

_MARKUP = re.compile(
    # HTML: tags and entities.
    r"</?[a-z!][^<>]*>|&(?:\#\w+|[a-z]+\d*);|(?:java|vb)script:"
    # Markdown: links, emphasis and code; addresses.
    r"|\]\(|\*\*\w|`[^`]+`|://\w"
    # Escapes that a terminal would act on, spelled out.
    r"|\\(?:x1b|u001b|033)"
    # Spreadsheets.
    r"|^\s*[=@＝＠+＋-].*[(|!]",
    re.IGNORECASE | re.DOTALL,
)
# Of the line between which data stands in a prompt.
_MARKER = re.compile(r"\bdata-[0-9a-f]{12}\b", re.IGNORECASE)
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f]")
_REFUSAL = re.compile(
    r"(?:(?:i'?m|i am|we are|we're) (?:not able|unable|sorry|afraid)"
    r"|(?:i|we) (?:can ?not|can'?t|could not|couldn'?t|won'?t|will not|do not|don'?t|must|refuse"
    r"|decline|apologi[sz]e)"
    r"|as an? (?:ai|language model|assistant)"
    r"|(?:sorry|apologies)(?:[,.!] \w+| but| i)"
    r"|(?:unable|not able|impossible) to"
    r"|can ?not (?:determine|identify|help|comply|name|assist|say)"
    r"|no (?:clear |common |shared |single |obvious |consistent |coherent |specific )+"
    r"(?:pattern|theme|label|feature|meaning|name|topic|thread)"
    r"|(?:not enough|insufficient) (?:data|information|evidence|context|examples))\b"
)
_ORDER = re.compile(
    r"""
    # Away with what was said before.
    \b(?:ignor|disregard|forget|overrid|overrul|bypass|discard|drop|neglect|skip|cancel|void)\w*
        \W+(?:\w+\W+){0,6}?
        (?:instruct|prompt|rule|text|example|above|before|previous|prior|everything|context
        |guideline|data|message|direction|order|evidence|task|peak|system)

    # How to answer.
    | \b(?:the|this|your|correct|right|only|true|real|final|valid|proper|best|expected|official)
        \W+(?:\w+\W+){0,3}?
        (?:label|answer|name|output|response|explanation|category|title)s?
        \W+(?:\w+\W+){0,5}?(?:is|are|must|should|shall|be|as|to|reads?|equals)\b
    | \b(?:label|answer|name|output|response|explanation|category)\W{0,2}\s*[:=]
    | \b(?:label|name|call|describe|classify|tag|title|mark|rename|entitle)
        \W+(?:this|it|the|every|all|each|these|that|any|them|everything)\b
    | \b(?:answer|respond|reply|output|print|write|return|emit|repeat|set|put|produce)
        \W+(?:\w+\W+){0,2}?
        (?:only|just|with|exactly|following|nothing|verbatim|label|name|json|words?|this|as|to)\b
    | \babstain

    # Who is spoken to, and who claims to speak.
    | \byou\W+(?:\w+\W+){0,2}?
        (?:must|should|will|shall|are\ now|have\ to|need\ to|are\ to|are\ required)\b
    | \b(?:ai|llm|language\ model|assistant|annotator|label+er|chatbot|chatgpt|gpt|claude|model
        |bot|grader|judge|system|developer|admin|administrator|operator|user|human|root)s?
        \W{0,3}[:\]>,]
    | \b(?:new|updated|real|actual|important|urgent|attention|secret|hidden|special|additional)
        \W+(?:\w+\W+)?
        (?:instruction|task|prompt|rule|message|order|notice|override|note|mode|policy)s?\b
    | \b(?:act|behave|pretend|roleplay|speak|answer)\ as\b
    | \b(?:developer|debug|admin|god|dan)\ mode\b
    | \bsystem\ (?:prompt|message|override|notice|note)

    # What chat templates and prompts are made of.
    | <\|?/?\w*(?:im_|start|end|system|user|assistant|inst|data|prompt|label)\w*\|?>
    | \[/?(?:inst|system|assistant|user|data)\b
    | \#{2,}\W*(?:instruct|system|response|task|new|end)
    | \bdata-[0-9a-f]{12}
    | \b(?:begin|end|start)\ of\ (?:the\ )?(?:data|examples|prompt|instructions|text)
    | -{3,}\W*(?:end|begin|system|new)\b
    """,
    re.VERBOSE,
)
_SAYING = re.compile(r"(?:say|avoid) (?:an? )?")


def find_suspicion(label: str, asked: str, shown: Sequence[ActivationExample]) -> str:
    """Say what is wrong with a label, `""` if nothing is.

    Args:
        label: As the model wrote it.
        asked: The text of the prompt.
        shown: The examples in it.

    Returns:
        The end of a sentence that starts with "the label". It quotes nothing.
    """
    if _MARKUP.search(label) or _CONTROL.search(label):
        return "holds markup, a formula or control characters: write plain words"
    if _is_echo(label, asked):
        return "repeats a line of the prompt"
    if _is_refusal(label, shown):
        return "is a refusal: set abstain to true instead"
    if _is_dictated(label, shown):
        return "repeats what one text says: name what the texts share"
    return ""


def _is_echo(label: str, asked: str) -> bool:
    lines = {line.strip().casefold() for line in asked.splitlines() if line.strip()}
    if label.strip().casefold() in lines or _MARKER.search(label):
        return True
    words = _fold_words(label)
    if len(words.split()) < MIN_ECHO_WORDS:
        return False
    # Data stands in lines of JSON, and a phrase of the examples is a name.
    told = (line for line in asked.splitlines() if not line.startswith(("{", '"')))
    return any(_holds(line, words) for line in told)


def _is_refusal(label: str, shown: Sequence[ActivationExample]) -> bool:
    if _REFUSAL.match(_fold(label)) is None:
        return False
    holding = [example for example in shown if _holds(_read(example), _fold_words(label))]
    return len(holding) < MIN_SUPPORT


def _is_dictated(label: str, shown: Sequence[ActivationExample]) -> bool:
    written = _fold_words(label)
    words = _SAYING.sub("", written, count=1)
    holding = [example for example in shown if words and _holds(_read(example), words)]
    # What is said rests on promoted tokens too, which no text need spell.
    alone = words == written and len(holding) == 1 and len(shown) > MIN_OTHERS
    if alone and not _holds(_read(holding[0], PEAK_REACH), words):
        return True
    ordering = [example for example in holding if _orders(_read(example), words)]
    supported = len(holding) - len(ordering) >= MIN_SUPPORT
    peaking = [example for example in holding if _holds(_read(example, PHRASE_REACH), words)]
    return bool(ordering) and not supported and len(peaking) < max(MIN_SUPPORT, len(shown) / 2)


def _orders(text: str, words: str) -> bool:
    folded = _fold(text)
    return any(
        _holds(folded[max(0, order.start() - NEAR_CHARS) : order.end() + NEAR_CHARS], words)
        for order in _ORDER.finditer(folded)
    )


def _read(example: ActivationExample, reach: int = REACH) -> str:
    # A token may have any length, and prompts show no more than this.
    before = "".join(example.tokens[max(0, example.peak - reach) : example.peak])
    after = "".join(example.tokens[example.peak : example.peak + reach + 1])
    return before[-MAX_SIDE_CHARS:] + after[:MAX_SIDE_CHARS]


def _holds(text: str, words: str) -> bool:
    # Folding takes long, and changes nothing else in ASCII than what `casefold` does.
    if text.isascii() and words.partition(" ")[0] not in text.casefold():
        return False
    held = _fold_words(text)
    # Scripts without spaces have no borders of words to look for.
    return f" {words} " in f" {held} " if words.isascii() else words in held


@lru_cache(maxsize=1024)
def _fold_words(text: str) -> str:
    return " ".join(re.findall(r"\w+", _fold(text)))


@lru_cache(maxsize=1024)
def _fold(text: str) -> str:
    """Write what looks alike alike: case, width, white space, and without invisible characters."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text).replace("’", "'")
        if not text.isprintable():
            text = "".join(c for c in text.casefold() if unicodedata.category(c) != "Cf")
    return " ".join(text.casefold().split())
