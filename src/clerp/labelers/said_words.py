"""Names of output features: what follows the peaks, what is promoted, what graphs show."""

from collections.abc import Sequence
from dataclasses import dataclass

from clerp.evidence import FeatureEvidence
from clerp.graph import LogitEdge
from clerp.labelers.agreement import METHOD, WINNER_SHARE, Agreement, measure
from clerp.labelers.witnesses import (
    Follower,
    SaidWord,
    Witness,
    count_tokens,
    distinct_tokens,
    gather,
    is_same_word,
    read_followers,
    say_token,
    shown_tokens,
)
from clerp.labels import MAX_LABEL_CHARS, Abstention, Confidence, Label, clean_label
from clerp.word_classes import WordClass, cover, find_class, is_function_word
from clerp.word_counts import PeakContext, WordCount, read_peaks
from clerp.word_names import is_mark, join_names

_N_LISTED = 3
_MIN_AGREED_SHARE = 0.1
_MIN_COMMON_SHARE = 0.25
"""A word that any text holds must follow at least this often."""
_MIN_FOLLOWING_SHARE = 0.25
_SECONDED_SHARE = 0.4
_NEAR_STRONGEST = 0.5
_N_STRONGEST = 3
_MIN_CLASS_WORDS = 3
_MIN_WIDE_CLASS_WORDS = 4
_MIN_SECONDING_WORDS = 2
_TOKENS = frozenset({Witness.PROMOTED, Witness.EDGES})


@dataclass(frozen=True, slots=True)
class _Testimony:
    contexts: tuple[PeakContext, ...]
    lower: tuple[PeakContext, ...]
    followers: tuple[Follower, ...]
    promoted: tuple[str, ...]
    edges: tuple[str, ...]
    promoted_from: str

    def count(self, witness: Witness) -> tuple[WordCount, ...]:
        """Count the words that a witness names."""
        match witness:
            case Witness.EXAMPLES:
                return tuple(WordCount(f.word, f.share, ()) for f in self.followers)
            case Witness.PROMOTED:
                return count_tokens(self.promoted)
            case Witness.EDGES:
                return count_tokens(self.edges)


@dataclass(frozen=True, slots=True)
class _Saying:
    """What is said, the witnesses of it, and how far they are trusted."""

    said: str
    subject: str
    """The same in an explanation: `'Austin'`."""
    words: tuple[SaidWord, ...]
    word_class: WordClass | None
    witnesses: tuple[Witness, ...]
    rule: str

    def covers(self, context: PeakContext) -> bool:
        if self.word_class is not None:
            return self.word_class.contains(context.following)
        return any(word.follows(context) for word in self.words)


def name_output(evidence: FeatureEvidence, logit_edges: Sequence[LogitEdge]) -> Label | Abstention:
    """Name what a feature makes the model say, or avoid.

    A word or class for which two of three speak - what follows in the examples, the promoted
    tokens, one of the three strongest direct edges to logits, if it is positive - is the name.
    Where the strongest edges are negative and a suppressed token agrees, it is `avoid` and that
    word. One witness alone still gives a name, of low confidence.
    """
    testimony = _hear(evidence, logit_edges)
    said = gather(testimony.followers, testimony.promoted, testimony.edges)
    saying = _say_agreed(said) or _say_shared_class(testimony)
    if saying is not None:
        return _to_label(saying, testimony)
    avoided = _name_avoided(evidence, logit_edges)
    if avoided is not None:
        return avoided
    saying = _say_single(testimony)
    if saying is None:
        return Abstention(METHOD, "no word recurs after the peak, and no token is promoted")
    return _to_label(saying, testimony)


def _hear(evidence: FeatureEvidence, logit_edges: Sequence[LogitEdge]) -> _Testimony:
    contexts = read_peaks(evidence.top)
    return _Testimony(
        contexts=contexts,
        lower=read_peaks(evidence.lower),
        followers=read_followers(evidence.top, contexts),
        promoted=shown_tokens(evidence.promoted),
        edges=shown_tokens(edge.token for edge in _leading(logit_edges) if edge.weight > 0),
        promoted_from=evidence.promoted_from,
    )


def _leading(edges: Sequence[LogitEdge]) -> list[LogitEdge]:
    # A feature reaches nearly every logit a little; only its strongest edges say something.
    of_token: dict[str, LogitEdge] = {}
    for edge in sorted(edges, key=lambda edge: -abs(edge.weight)):
        of_token.setdefault(edge.token, edge)
    leading = list(of_token.values())[:_N_STRONGEST]
    least = _NEAR_STRONGEST * abs(leading[0].weight) if leading else 0.0
    return [edge for edge in leading if abs(edge.weight) >= least > 0]


def _say_agreed(said: Sequence[SaidWord]) -> _Saying | None:
    agreed = [word for word in said if _is_agreed(word)]
    # Among ten promoted tokens some word of a text is found by chance.
    if sum(word.share for word in agreed) < _MIN_AGREED_SHARE:
        agreed = [word for word in agreed if {*word.witnesses} >= _TOKENS]
    if not agreed:
        return None
    found = _class_of(agreed)
    if found is not None:
        return _saying_class(found, tuple(dict.fromkeys(w for s in agreed for w in s.witnesses)))
    # A word with all three witnesses is not listed with words that have two.
    first = [word for word in agreed if len(word.witnesses) == len(agreed[0].witnesses)]
    return _saying_words(first, first[0].witnesses)


def _is_agreed(word: SaidWord) -> bool:
    if len(word.witnesses) < 2:
        return False
    found_anywhere = is_mark(word.text) or is_function_word(word.text)
    return {*word.witnesses} >= _TOKENS or not found_anywhere or word.share >= _MIN_COMMON_SHARE


def _class_of(agreed: Sequence[SaidWord]) -> WordClass | None:
    counts = [WordCount(word.text, 1 / len(agreed), ()) for word in agreed]
    found = find_class(counts)
    enough = _MIN_WIDE_CLASS_WORDS if found and found.is_wide else _MIN_CLASS_WORDS
    return found if len(agreed) >= enough else None


def _say_shared_class(testimony: _Testimony) -> _Saying | None:
    for witness in Witness:
        found = _find_class_of(witness, testimony)
        if found is None:
            continue
        others = [w for w in Witness if w != witness and _seconds(w, found, testimony)]
        if others:
            return _saying_class(found, (witness, *others))
    return None


def _find_class_of(witness: Witness, testimony: _Testimony) -> WordClass | None:
    found = find_class(testimony.count(witness))
    return found if found is not None and _may_speak(witness, found) else None


def _may_speak(witness: Witness, found: WordClass) -> bool:
    # A graph has few logits: often most are capitalised, wherever an edge leads.
    return witness != Witness.EDGES or not found.is_wide


def _seconds(witness: Witness, found: WordClass, testimony: _Testimony) -> bool:
    if not _may_speak(witness, found):
        return False
    counts = testimony.count(witness)
    members = sum(found.contains(count.word) for count in counts)
    return members >= _MIN_SECONDING_WORDS and cover(found, counts) >= _SECONDED_SHARE


def _say_single(testimony: _Testimony) -> _Saying | None:
    """Let the examples speak where one word or class follows, else the tokens, else the edges."""
    strong = _say_following(testimony, WINNER_SHARE)
    if strong is not None:
        return strong
    for witness, tokens in (
        (Witness.PROMOTED, testimony.promoted),
        (Witness.EDGES, testimony.edges),
    ):
        if tokens:
            found = _find_class_of(witness, testimony)
            if found is not None:
                return _saying_class(found, (witness,))
            first = distinct_tokens(tokens)[:2]
            return _saying_words([say_token(token, witness) for token in first], (witness,))
    return _say_following(testimony, _MIN_FOLLOWING_SHARE)


def _say_following(testimony: _Testimony, min_share: float) -> _Saying | None:
    witnesses = (Witness.EXAMPLES,)
    if testimony.followers and testimony.followers[0].share >= min_share:
        (first, *_) = gather(testimony.followers[:1], (), ())
        return _saying_words([first], witnesses)
    found = _find_class_of(Witness.EXAMPLES, testimony)
    return _saying_class(found, witnesses) if found is not None else None


def _saying_words(words: Sequence[SaidWord], witnesses: tuple[Witness, ...]) -> _Saying:
    names = [word.name for word in words[:_N_LISTED]]
    said = join_names(names, MAX_LABEL_CHARS - len("avoid "))
    shown = said.split(" / ")
    subject = " or ".join(f"'{name}'" for name in shown)
    kept = tuple(word for word in words[:_N_LISTED] if word.name in shown)
    return _Saying(said, subject, kept, None, witnesses, "words")


def _saying_class(found: WordClass, witnesses: tuple[Witness, ...]) -> _Saying:
    subject = f"a word in {found.singular}" if found.is_ending else found.singular
    return _Saying(found.singular, subject, (), found, witnesses, "class")


def _to_label(saying: _Saying, testimony: _Testimony) -> Label:
    agreement = measure(saying.covers, testimony.contexts, testimony.lower)
    return Label(
        text=clean_label(f"say {saying.said}"),
        method=METHOD,
        confidence=_trust(saying.witnesses, agreement),
        explanation=_explain(saying, agreement),
        evidence=agreement.examples,
        details={
            "rule": f"said {saying.rule}",
            **agreement.details,
            "witnesses": ", ".join(saying.witnesses),
            "promoted_from": testimony.promoted_from,
        },
    )


def _trust(witnesses: Sequence[Witness], agreement: Agreement) -> Confidence:
    """All three: at least medium. Two: what the examples bear out. One: low."""
    if len(witnesses) == 1:
        return "low"
    if len(witnesses) > 2:
        return "high" if agreement.confidence == "high" else "medium"
    return "medium" if Witness.EXAMPLES not in witnesses else agreement.confidence


def _explain(saying: _Saying, agreement: Agreement) -> str:
    follows = f"{saying.subject} follows the peak in {agreement.counts}"
    if len(saying.witnesses) == 1:
        return f"only {saying.witnesses[0]} speak for {saying.subject}; {follows}"
    speakers = " and ".join(saying.witnesses)
    return f"{speakers} speak for {saying.subject}; {follows}"


def _name_avoided(evidence: FeatureEvidence, edges: Sequence[LogitEdge]) -> Label | None:
    leading = _leading(edges)
    if not leading or any(edge.weight >= 0 for edge in leading):
        return None
    suppressed = shown_tokens(evidence.suppressed)
    agreed = [
        say_token(token, Witness.EDGES)
        for token in distinct_tokens(edge.token for edge in leading)
        if any(is_same_word(token, other) for other in suppressed)
    ]
    if not agreed:
        return None
    saying = _saying_words(agreed, (Witness.EDGES,))
    return Label(
        text=clean_label(f"avoid {saying.said}"),
        method=METHOD,
        confidence="medium",
        explanation=(
            f"{saying.subject} is suppressed, and the strongest of {len(edges)} direct edges to "
            "logits are negative and lead there"
        ),
        details={"rule": "avoided words", "promoted_from": evidence.promoted_from},
    )
