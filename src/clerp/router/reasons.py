"""What a calibrated role rests on, in words."""

from collections.abc import Iterator, Mapping

from clerp.router.breadth import ALIKE
from clerp.router.route import Role, Tier
from clerp.router.signals import Membership, Recurrence, Signals
from clerp.router.weights import ROLES

_SHOWN = 24
"""Characters of a word in a sentence."""


def describe(role: Role, signals: Signals) -> str:
    """Say what a role rests on, with the words that decided."""
    if role == "input":
        peak_class = _name_class(signals.peak_class)
        kind = _name_kind(signals.peak_coherence)
        peaks = _list_words(signals.at_peak)
        return f"the words up to the peak explain it: peaks {peaks}{peak_class}{kind}"
    if role == "output":
        next_class = _name_class(signals.after_class)
        kind = _name_kind(max(signals.after_coherence, signals.content_coherence))
        nexts = _list_words(signals.after)
        return (
            f"what follows explains it, beyond what such peaks have: next {nexts}{next_class}{kind}"
        )
    peaks = _list_words(signals.at_peak)
    topic = f"contexts alike beyond their peak words by z {signals.context:.1f}"
    if role == "cross":
        themes = _list_words(signals.themes)
        return f"only the whole context explains it: {topic}, around {themes}; peaks {peaks}"
    nexts = _list_words(signals.after)
    return f"nothing explains enough of it: peaks {peaks}, next {nexts}, {topic}"


def _name_kind(coherence: float) -> str:
    return f", words of one kind (z {coherence:.1f})" if coherence >= ALIKE else ""


def _list_words(found: Recurrence) -> str:
    if not found.words:
        return "without a recurring word"
    shown = ", ".join(f"'{_show(word)}'" for word in found.words)
    return f"{shown} in {found.share:.0%}"


def _show(word: str) -> str:
    """Write a word of unknown origin on one line, whatever it holds."""
    visible = "".join(c if c.isprintable() else "⏎" if c == "\n" else "�" for c in word)
    return visible if len(visible) <= _SHOWN else f"{visible[:_SHOWN]}…"


def _name_class(found: Membership) -> str:
    return f", {found.name} in {found.share:.0%}" if found.name else ""


def list_steps(
    role: Role, tier: Tier, odds: Mapping[Role, float], cutoff: float, signals: Signals
) -> Iterator[str]:
    """List what the rule asked, in order, and what it found."""
    yield "not an artefact"
    for candidate in ROLES:
        yield f"{candidate} {odds[candidate]:.1f}: {describe(candidate, signals)}"
    if cutoff > 0:
        yield (
            f"a role must lead obscure by {cutoff:.1f}: features about nothing with as few "
            "examples rarely lead by more"
        )
    yield f"so the role is {role}, tier {tier}"
