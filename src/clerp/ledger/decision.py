"""What people decide about features, and what their decisions come to.

Decisions are only ever added. Where one person stands (`Standing`) and what all of them come to
(`Verdict`) follow from them, so that either can be worked out again.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Literal

from clerp.ledger.record import FeatureKey
from clerp.router import Role

Act = Literal["accept", "edit", "reject", "role", "skip", "flag", "comment", "undo", "redo"]
"""`accept` takes the label that was proposed, `edit` gives another one, `reject` says that no name
fits; `role` gives a role; `skip` puts the feature off and `flag` marks it, with or without a
comment; `undo` and `redo` take back a decision and an `undo`."""
Judgement = Literal["", "accept", "edit", "reject"]
GivenRole = Role | Literal[""]
"""Empty where none is given."""
JUDGEMENTS: tuple[Act, ...] = ("accept", "edit", "reject")
VerdictState = Literal["agreed", "disputed"]


class _Disputed(Enum):
    DISPUTED = "disputed"


_DISPUTED = _Disputed.DISPUTED


@dataclass(frozen=True, slots=True)
class Decision:
    """One act of one person about one feature."""

    uid: str
    """By which it is known in every ledger that holds it."""
    key: FeatureKey
    annotator: str
    act: Act
    made_at: datetime
    """In UTC, without a zone."""
    label: str = ""
    """The name that is accepted or given; empty for the other acts."""
    role: GivenRole = ""
    """The role that is given with it, if one is."""
    comment: str = ""
    target: str = ""
    """The `uid` that an `undo` or `redo` takes back."""
    proposal: str = ""
    """What clerp proposed."""
    is_blind: bool = False
    """Whether it was made before the proposal was shown."""
    is_settling: bool = False
    """Whether it was made in sight of what others had decided, to settle it."""
    seconds: float | None = None
    """From when the feature was shown."""
    number: int = 0
    """Place among the decisions about the feature, from 1; 0 before it is recorded."""

    @property
    def is_judgement(self) -> bool:
        """Whether it says what the feature's label is."""
        return self.act in JUDGEMENTS


@dataclass(frozen=True, slots=True)
class Standing:
    """Where one person stands on one feature."""

    annotator: str
    judgement: Judgement = ""
    label: str = ""
    role: GivenRole = ""
    is_skipped: bool = False
    is_flagged: bool = False
    comments: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """What all decisions about a feature come to. Where they agree, the label is locked."""

    state: VerdictState
    label: str | None
    """Empty where no name fits; None where nobody judged it, or where people disagree."""
    role: GivenRole
    """Empty where nobody gave one, or where people disagree."""
    annotators: tuple[str, ...]
    """On whose decisions it rests, sorted."""


def drop_undone(decisions: Sequence[Decision]) -> list[Decision]:
    """Return the decisions that hold, in order.

    Args:
        decisions: In the order in which they were made.
    """
    gone: set[str] = set()
    # An undo that was taken back itself takes nothing back.
    for decision in reversed(decisions):
        if decision.act in ("undo", "redo") and decision.uid not in gone:
            gone.add(decision.target)
    return [d for d in decisions if d.uid not in gone and d.act not in ("undo", "redo")]


def find_standing(annotator: str, decisions: Iterable[Decision]) -> Standing:
    """Say where a person stands after decisions of hers that hold, in order."""
    judgement: Decision | None = None
    role: GivenRole = ""
    is_skipped = is_flagged = False
    comments: list[str] = []
    for decision in decisions:
        if decision.is_judgement:
            judgement, is_skipped = decision, False
        if decision.act == "role":
            is_skipped = False
        role = decision.role or role
        is_skipped = is_skipped or decision.act == "skip"
        is_flagged = is_flagged or decision.act == "flag"
        if decision.comment:
            comments.append(decision.comment)
    return Standing(
        annotator=annotator,
        judgement=_name_judgement(judgement),
        label=judgement.label if judgement else "",
        role=role,
        is_skipped=is_skipped,
        is_flagged=is_flagged,
        comments=tuple(comments),
    )


def find_standings(decisions: Sequence[Decision]) -> tuple[Standing, ...]:
    """Say where everybody stands on one feature, by name.

    Args:
        decisions: Of everybody, in the order in which they were made.
    """
    holding = drop_undone(decisions)
    people = sorted({decision.annotator for decision in holding})
    return tuple(
        find_standing(person, [d for d in holding if d.annotator == person]) for person in people
    )


def find_verdict(decisions: Sequence[Decision]) -> Verdict | None:
    """Say what the decisions about one feature come to; None while nobody has judged.

    Who settles, in sight of what the others decided, has the last word. Otherwise people agree on
    a name where all give the same, in whatever case, or all say that none fits, and on a role
    where no two give different ones.

    Args:
        decisions: Of everybody, in the order in which they were made.
    """
    holding = drop_undone(decisions)
    standings = [s for s in find_standings(decisions) if s.judgement or s.role]
    if not standings:
        return None
    settling = [d for d in holding if d.is_settling]
    label = _agree_on_label(standings, settling)
    role = _agree_on_role(standings, settling)
    annotators = tuple(sorted(standing.annotator for standing in standings))
    if label is _DISPUTED or role is _DISPUTED:
        return Verdict("disputed", None, "", annotators)
    return Verdict("agreed", label, role, annotators)


def _agree_on_label(
    standings: Sequence[Standing], settling: Sequence[Decision]
) -> "str | _Disputed | None":
    if last := [d for d in settling if d.is_judgement]:
        return last[-1].label
    given = [standing.label for standing in standings if standing.judgement]
    if len({label.casefold() for label in given}) > 1:
        return _DISPUTED
    return given[0] if given else None


def _agree_on_role(
    standings: Sequence[Standing], settling: Sequence[Decision]
) -> "GivenRole | _Disputed":
    settled: list[GivenRole] = [d.role for d in settling if d.role]
    if settled:
        return settled[-1]
    given: list[GivenRole] = [standing.role for standing in standings if standing.role]
    if len(set(given)) > 1:
        return _DISPUTED
    return given[0] if given else ""


def _name_judgement(decision: Decision | None) -> Judgement:
    if decision is None or decision.act not in ("accept", "edit", "reject"):
        return ""
    return decision.act
