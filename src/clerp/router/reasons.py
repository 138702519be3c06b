"""What a calibrated role rests on, in words."""

from collections.abc import Iterator, Mapping, Sequence

from clerp.router.breadth import ALIKE
from clerp.router.route import Role, Tier
from clerp.router.signals import Signals
from clerp.router.weights import ROLES

_SHOWN = 24
"""Characters of a word in a sentence."""


def describe(role: Role, signals: Signals) -> str:
    """Say what a role rests on, with the words that decided."""
    peaks = _list_words(signals.at_peak.words, signals.at_peak.share)
    nexts = _list_words(signals.after.words, signals.after.share)
    peak_class = _name_class(signals.peak_class.name, signals.peak_class.share)
    next_class = _name_class(signals.after_class.name, signals.after_class.share)
    themes = _list_words(signals.themes.words, signals.themes.share)
    topic = f"contexts alike beyond their peak words by z {signals.context:.1f}"
    if role == "input":
        kind = _name_kind(signals.peak_coherence)
        return f"the words up to the peak explain it: peaks {peaks}{peak_class}{kind}"
    if role == "output":
        kind = _name_kind(max(signals.after_coherence, signals.content_coherence))
        return (
            f"what follows explains it, beyond what such peaks have: next {nexts}{next_class}{kind}"
        )
    if role == "cross":
        return f"only the whole context explains it: {topic}, around {themes}; peaks {peaks}"
    return f"nothing explains enough of it: peaks {peaks}, next {nexts}, {topic}"


def _name_kind(coherence: float) -> str:
    return f", words of one kind (z {coherence:.1f})" if coherence >= ALIKE else ""


def _list_words(words: Sequence[str], share: float) -> str:
    if not words:
        return "without a recurring word"
    shown = ", ".join(f"'{_show(word)}'" for word in words)
    return f"{shown} in {share:.0%}"


def _show(word: str) -> str:
    """Write a word of unknown origin on one line, whatever it holds."""
    visible = "".join(c if c.isprintable() else "⏎" if c == "\n" else "�" for c in word)
    return visible if len(visible) <= _SHOWN else f"{visible[:_SHOWN]}…"


def _name_class(name: str, share: float) -> str:
    return f", {name} in {share:.0%}" if name else ""


def list_steps(
    role: Role, tier: Tier, odds: Mapping[Role, float], cutoff: float, signals: Signals
) -> Iterator[str]:
    """List what the rule asked, in order, and what it found."""
    yield "not an artefact"
    for candidate in ROLES:
        yield f"{candidate} {odds[candidate]:.1f}: {describe(candidate, signals)}"
    if cutoff > 0:
        yield f"a role must lead obscure by {cutoff:.1f}, as so few examples of nothing rarely do"
    yield f"so the role is {role}, tier {tier}"
