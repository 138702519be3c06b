"""Numbers and judgements as words."""

from collections.abc import Mapping, Sequence

from clerp.ledger.decision import Act, Decision, Standing, Subject, Verdict
from clerp.review.item import Place

_HOUR = 3600.0
_DONE: Mapping[Act, str] = {
    "accept": "accepted",
    "edit": "wrote",
    "reject": "found that no name fits",
    "role": "gave the role",
    "skip": "skipped it",
    "flag": "flagged it",
    "comment": "commented",
    "undo": "undid",
    "redo": "did again",
}


def say_share(share: float | None) -> str:
    """Write a part of a whole as percent, with what digits it needs; empty where none is known."""
    if share is None:
        return ""
    percent = 100 * share
    return f"{percent:.0f} %" if percent >= 10 or percent == 0 else f"{percent:.2g} %"


def say_progress(place: Place) -> str:
    """Write how far a person is: `12 of 431, 83 % of influence named, about 40 min left`."""
    parts = [f"{place.n_judged} of {place.n_items}"]
    if place.share_named is not None:
        parts.append(f"{say_share(place.share_named)} of influence named")
    if place.seconds_left:
        parts.append(f"about {_say_time(place.seconds_left)} left")
    return ", ".join(parts)


def say_decision(decision: Decision) -> str:
    """Write what was done: `accepted say Austin, as output`."""
    if decision.act == "role":
        return f"{_DONE['role']} {decision.role}"
    done = f"{_DONE[decision.act]} {decision.label}".rstrip()
    return f"{done}, as {decision.role}" if decision.role else done


def say_standing(standing: Standing) -> str:
    """Write where a person stands: `say Austin, output, flagged`."""
    parts = [standing.label] if standing.label else []
    if standing.judgement == "reject":
        parts.append("no name fits")
    if standing.role:
        parts.append(standing.role)
    if standing.is_skipped:
        parts.append("skipped")
    if standing.is_flagged:
        parts.append("flagged")
    return ", ".join(parts) or "not judged"


def say_disputed(about: Sequence[Subject]) -> str:
    """Write what people disagree about: `the name and the role`."""
    return " and ".join(f"the {subject}" for subject in about)


def say_verdict(verdict: Verdict, disputed: Sequence[Subject]) -> str:
    """Write what all decisions come to.

    Args:
        verdict: On one feature.
        disputed: What people disagree about, where they do.
    """
    names = ", ".join(verdict.annotators)
    if verdict.state == "disputed":
        return f"Disputed: {names} do not agree on {say_disputed(disputed)}"
    name = "" if verdict.label is None else verdict.label or "no name fits"
    role = f"({verdict.role})" if name and verdict.role else verdict.role
    return f"Locked: {' '.join(filter(None, (name, role)))}, by {names}"


def _say_time(seconds: float) -> str:
    if seconds < 90:
        return "1 min"
    return f"{seconds / 60:.0f} min" if seconds < 1.5 * _HOUR else f"{seconds / _HOUR:.1f} h"
