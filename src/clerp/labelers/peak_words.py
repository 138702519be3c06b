"""Names of input features: what the words at the peaks have in common."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from clerp.evidence import FeatureEvidence
from clerp.labelers.agreement import METHOD, WINNER_SHARE, Agreement, at_most, measure
from clerp.labelers.word_families import are_related, find_family, name_family
from clerp.labels import MAX_LABEL_CHARS, Abstention, Confidence, Label, clean_label
from clerp.word_classes import (
    ARTICLES,
    NAMES,
    WordClass,
    find_class,
    find_narrow_class,
    is_function_word,
)
from clerp.word_counts import (
    PeakContext,
    Place,
    WordCount,
    count_words,
    normalise,
    read_peaks,
    read_word,
)
from clerp.word_names import is_mark, join_names, name_word, name_words, write_phrase

_RIVAL_SHARE = 0.15
"""From here on a second word belongs into the name."""
_FIXED_BEFORE_SHARE = 0.75
_CLASS_BEFORE_SHARE = 0.9
_MIN_PIECE_WORDS = 3
_WHOLE_PIECE_SHARE = 0.5
_MIN_PHRASE_EXAMPLES = 3
_LISTED_SHARE = 0.1
_MIN_LIST_SHARE = 0.25
_LEADING_SHARE = 0.5
"""From here on the first word of a list is more than one of many."""
_N_LISTED = 3
_SENTENCE_ENDS = frozenset({"", ".", "!", "?", '"', "“", ":", "\n"})


@dataclass(frozen=True, slots=True)
class Naming:
    """A name, what it says of a peak, and of which peaks it is true."""

    text: str
    finding: str
    """`the peak word is 'Texas'`; the counts follow it."""
    covers: Callable[[PeakContext], bool]
    rule: str
    limit: Confidence = "high"
    """The most that this rule is trusted with."""


def name_input(evidence: FeatureEvidence) -> Label | Abstention:
    """Name what the peaks of a feature have in common.

    The first rule that holds decides: one word, as the end of a phrase where the words before it
    recur; forms of one word; a piece of words; a class or ending; up to three words.
    """
    contexts = read_peaks(evidence.top)
    counts = count_words(contexts, read_word)
    namings = (rule(contexts, counts) for rule in _RULES)
    naming = next((naming for naming in namings if naming is not None), None)
    if naming is None:
        return Abstention(METHOD, _why_nothing(contexts, counts))
    return _to_label(naming, measure(naming.covers, contexts, read_peaks(evidence.lower)))


def _to_label(naming: Naming, agreement: Agreement) -> Label:
    return Label(
        text=clean_label(naming.text),
        method=METHOD,
        confidence=at_most(naming.limit, agreement.confidence),
        explanation=f"{naming.finding} in {agreement.counts}",
        evidence=agreement.examples,
        details={"rule": naming.rule, **agreement.details},
    )


def _name_one_word(contexts: Sequence[PeakContext], counts: Sequence[WordCount]) -> Naming | None:
    rival = counts[1].share if len(counts) > 1 else 0.0
    if not counts or counts[0].share < WINNER_SHARE or rival >= _RIVAL_SHARE:
        return None
    word = counts[0].word
    holders = [c for c in contexts if normalise(c.word) == normalise(word)]
    phrase = _name_phrase(word, holders)
    if phrase is not None and measure(phrase.covers, contexts, ()).share >= WINNER_SHARE:
        return phrase
    return _name_word_alone(word, _tell_before(word, holders))


def _name_word_alone(word: str, before: str) -> Naming:
    key = normalise(word)
    return Naming(
        name_words(word),
        f"the peak word is '{name_word(word)}'{before}",
        lambda context: normalise(context.word) == key,
        "one word",
    )


def _name_phrase(word: str, holders: Sequence[PeakContext]) -> Naming | None:
    before = _trim(_fixed_before(holders), word)
    phrase = write_phrase((*before, word))
    if not before or phrase is None:
        return None
    keys = [*map(normalise, before), normalise(word)]

    def covers(context: PeakContext) -> bool:
        return [normalise(w) for w in (*context.before, context.word)][-len(keys) :] == keys

    return Naming(phrase, f"the peak ends '{phrase}'", covers, "phrase")


def _fixed_before(holders: Sequence[PeakContext]) -> tuple[str, ...]:
    fixed: tuple[str, ...] = ()
    while len(holders) >= _MIN_PHRASE_EXAMPLES:
        counts = _count_before(holders, len(fixed) + 1)
        if not counts or counts[0].share < _FIXED_BEFORE_SHARE:
            break
        if fixed and is_mark(counts[0].word):
            break
        fixed = (counts[0].word, *fixed)
        if is_mark(counts[0].word):
            break
    return fixed


def _trim(before: tuple[str, ...], word: str) -> tuple[str, ...]:
    if before and write_phrase(before[:1]) is None:
        before = before[1:]
    # What goes before a word in any text says nothing: `in Texas`, `the capital of`.
    if len(before) > 1 and ARTICLES.contains(before[0]):
        before = before[1:]
    found_anywhere = is_mark(word) or is_function_word(word)
    if len(before) == 1 and is_function_word(before[0]) and not found_anywhere:
        return ()
    return before


def _count_before(holders: Sequence[PeakContext], depth: int) -> tuple[WordCount, ...]:
    return count_words(holders, lambda c: c.before[-depth] if len(c.before) >= depth else "")


def _tell_before(word: str, holders: Sequence[PeakContext]) -> str:
    """Say what goes before a word nearly always, where the word alone is the name."""
    counts = _count_before(holders, 1)
    if len(holders) < _MIN_PHRASE_EXAMPLES or not counts:
        return ""
    # Words of meaning are what a feature is about; only for words found in any text does it tell
    # something that a preposition or a year goes before.
    found_anywhere = is_mark(word) or is_function_word(word)
    before = counts[0]
    if before.share >= _FIXED_BEFORE_SHARE and (
        found_anywhere or not is_function_word(before.word)
    ):
        return f", mostly after '{name_word(before.word)}',"
    found = find_narrow_class(counts, _CLASS_BEFORE_SHARE) if found_anywhere else None
    return f", mostly after {found.singular}," if found is not None else ""


def _read_before(context: PeakContext) -> str:
    return context.before[-1] if context.before else ""


def _name_forms(contexts: Sequence[PeakContext], counts: Sequence[WordCount]) -> Naming | None:
    family = find_family(counts)
    if sum(count.share for count in family) < WINNER_SHARE:
        return None
    keys = {normalise(count.word) for count in family}
    forms = ", ".join(name_word(count.word) for count in family[:_N_LISTED])
    return Naming(
        clean_label(name_family(family)),
        f"the peak word is a form of one word ({forms})",
        lambda context: normalise(context.word) in keys,
        "forms of one word",
    )


def _name_piece(contexts: Sequence[PeakContext], counts: Sequence[WordCount]) -> Naming | None:
    pieces = count_words(contexts, lambda context: context.piece)
    if not pieces or pieces[0].share < WINNER_SHARE or not _is_nameable_piece(pieces[0].word):
        return None
    key = normalise(pieces[0].word)
    holders = [context for context in contexts if normalise(context.piece) == key]
    words = count_words(holders, read_word)
    if len(words) < _MIN_PIECE_WORDS:
        return None
    name = name_word(pieces[0].word)
    shown = ", ".join(name_word(count.word) for count in words[:_N_LISTED])
    return Naming(
        _write_piece(name, count_words(holders, lambda context: context.place)),
        f"the peak token is '{name}', of {len(words)} different words ({shown}),",
        lambda context: normalise(context.piece) == key,
        "piece of words",
    )


def _is_nameable_piece(piece: str) -> bool:
    return any(char.isalpha() for char in piece)


def _write_piece(name: str, places: Sequence[WordCount]) -> str:
    shares: dict[str, float] = {count.word: count.share for count in places}
    if shares.get("whole", 0.0) >= _WHOLE_PIECE_SHARE or name.startswith(("'", "’")):
        return name
    forms: dict[Place, str] = {"start": f"{name}-", "inside": f"-{name}-", "end": f"-{name}"}
    return max(forms.items(), key=lambda form: shares.get(form[0], 0.0))[1]


def _name_class(contexts: Sequence[PeakContext], counts: Sequence[WordCount]) -> Naming | None:
    found = find_class(counts)
    if found is None:
        return None
    plural = _name_capitalised(contexts) if found is NAMES else found.plural
    members = [name_word(count.word) for count in counts if found.contains(count.word)]
    return Naming(
        _with_members(plural, members, found),
        f"the peak word is one of the {plural} ({', '.join(members[:_N_LISTED])})",
        lambda context: found.contains(context.word),
        "class",
        limit="medium" if found.is_wide else "high",
    )


def _name_capitalised(contexts: Sequence[PeakContext]) -> str:
    # At the start of a sentence or line a capital does not make a name.
    first = sum(c.weight for c in contexts if _read_before(c)[:1] in _SENTENCE_ENDS)
    inside = sum(c.weight for c in contexts) - first
    return NAMES.plural if inside >= first else "capitalised words"


def _with_members(plural: str, members: Sequence[str], found: WordClass) -> str:
    if found.is_ending:
        return plural
    for n in (2, 1):
        text = f"{plural}: {', '.join(dict.fromkeys(members[:n]))}"
        if len(text) <= MAX_LABEL_CHARS:
            return text
    return plural


def _name_top_words(contexts: Sequence[PeakContext], counts: Sequence[WordCount]) -> Naming | None:
    listed = _list_unrelated(counts)

    def covers(context: PeakContext) -> bool:
        return any(are_related(count.word, context.word) for count in listed)

    recurs = len(contexts) <= _N_LISTED or any(len(count.examples) > 1 for count in listed)
    if not recurs or measure(covers, contexts, ()).share < _MIN_LIST_SHARE:
        return None
    names = list(dict.fromkeys(name_words(count.word) for count in listed))
    quoted = " or ".join(f"'{name}'" for name in names)
    return Naming(
        join_names(names),
        f"the peak word is {quoted}",
        covers,
        "commonest words",
        limit="medium" if listed[0].share >= _LEADING_SHARE else "low",
    )


def _list_unrelated(counts: Sequence[WordCount]) -> list[WordCount]:
    listed: list[WordCount] = []
    for count in counts:
        if count.share < _LISTED_SHARE or len(listed) == _N_LISTED:
            break
        if not any(are_related(other.word, count.word) for other in listed):
            listed.append(count)
    return listed


def _why_nothing(contexts: Sequence[PeakContext], counts: Sequence[WordCount]) -> str:
    if not counts:
        return "no example has a word at its peak"
    return (
        f"nothing recurs at the peak: {len(counts)} different words in {len(contexts)} examples,"
        " of no common form or class"
    )


_RULES = (_name_one_word, _name_forms, _name_piece, _name_class, _name_top_words)
