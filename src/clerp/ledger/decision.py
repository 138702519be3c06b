"""What people decide about features, and what their decisions come to.

Decisions are only ever added. Where one person stands (`Standing`) and what all of them come to
(`Verdict`) follow from them, so that either can be worked out again.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
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
SAYING: tuple[Act, ...] = (*JUDGEMENTS, "role", "undo", "redo")
"""Acts that say something of a feature's label or role, or take such a thing back."""
VerdictState = Literal["agreed", "disputed"]
Subject = Literal["name", "role"]
"""What people may disagree about."""


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
    n_wanted: int = 1
    """How many people were to judge the feature, as was agreed when this was decided."""

    @property
    def is_judgement(self) -> bool:
        """Whether it says what the feature's label is."""
        return self.act in JUDGEMENTS

    @property
    def is_said(self) -> bool:
        """Whether it says something of the feature's label or role, or takes such a thing back."""
        return self.act in SAYING


@dataclass(frozen=True, slots=True)
class Standing:
    """Where one person stands on one feature."""

    annotator: str
    judgement: Judgement = ""
    label: str = ""
    role: GivenRole = ""
    is_skipped: bool = False
    is_flagged: bool = False
    has_judged: bool = False
    """Whether she ever judged it, or gave it a role, also where she took that back: from then on
    nothing is held back from her."""
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

    An `undo` takes back a decision that its own author made before it, a `redo` such an `undo`;
    whatever else they name, they take nothing back.

    Args:
        decisions: In the order in which they were made.
    """
    places = {decision.uid: place for place, decision in enumerate(decisions)}
    gone: set[str] = set()
    # An undo that was taken back itself takes nothing back.
    for place, decision in reversed(list(enumerate(decisions))):
        if decision.act not in ("undo", "redo") or decision.uid in gone:
            continue
        target = places.get(decision.target, place)
        if target < place and _may_take_back(decision, decisions[target]):
            gone.add(decision.target)
    return [d for d in decisions if d.uid not in gone and d.act not in ("undo", "redo")]


def _may_take_back(taking: Decision, target: Decision) -> bool:
    if taking.annotator != target.annotator:
        return False
    return target.act == "undo" if taking.act == "redo" else target.act not in ("undo", "redo")


def find_standings(decisions: Sequence[Decision]) -> tuple[Standing, ...]:
    """Say where everybody stands on one feature, by name.

    Args:
        decisions: Of everybody, in the order in which they were made.
    """
    holding = drop_undone(decisions)
    judges = {d.annotator for d in decisions if d.is_judgement or d.role}
    return tuple(
        _find_standing(person, [d for d in holding if d.annotator == person], person in judges)
        for person in sorted({decision.annotator for decision in decisions})
    )


def _find_standing(person: str, holding: Iterable[Decision], has_judged: bool) -> Standing:
    judgement: Decision | None = None
    role: GivenRole = ""
    is_skipped = is_flagged = False
    comments: list[str] = []
    for decision in holding:
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
        annotator=person,
        judgement=_name_judgement(judgement),
        label=judgement.label if judgement else "",
        role=role,
        is_skipped=is_skipped,
        is_flagged=is_flagged,
        has_judged=has_judged,
        comments=tuple(comments),
    )


def find_verdict(decisions: Sequence[Decision]) -> Verdict | None:
    """Say what the decisions about one feature come to; None while too few have judged.

    A name and a role each count once as many people gave one as were to judge the feature when it
    was last given. Who settles, in sight of what the others decided, has the last word about what
    was said until then. Otherwise people agree on a name where all give the same, in whatever case,
    or all say that none fits, and on a role where no two give different ones.

    Args:
        decisions: Of everybody, in the order in which they were recorded.
    """
    labels, roles = _find_counted(decisions)
    if not labels and not roles:
        return None
    annotators = tuple(sorted(labels.keys() | roles.keys()))
    if list_disputed(decisions):
        return Verdict("disputed", None, "", annotators)
    label = next((d.label for d in labels.values()), None)
    given: list[GivenRole] = [*(d.role for d in roles.values()), ""]
    return Verdict("agreed", label, given[0], annotators)


def list_disputed(decisions: Sequence[Decision]) -> tuple[Subject, ...]:
    """Say on what people disagree about one feature, as `find_verdict` counts what they said."""
    labels, roles = _find_counted(decisions)
    given: Mapping[Subject, set[str]] = {
        "name": {d.label.casefold() for d in labels.values()},
        "role": {d.role for d in roles.values()},
    }
    return tuple(subject for subject, said in given.items() if len(said) > 1)


def _find_counted(
    decisions: Sequence[Decision],
) -> tuple[Mapping[str, Decision], Mapping[str, Decision]]:
    """Return what counts of each person for the name, and for the role."""
    # Ledgers that exchange decisions record them in different orders.
    holding = sorted(drop_undone(decisions), key=lambda d: d.made_at)
    labels = _find_said([d for d in holding if d.is_judgement])
    roles = _find_said([d for d in holding if d.role])
    return labels if _suffices(labels) else {}, roles if _suffices(roles) else {}


def _find_said(made: Sequence[Decision]) -> dict[str, Decision]:
    """Return what stands of each person: all that was said since it was last settled."""
    said: dict[str, Decision] = {}
    for decision in made:
        if decision.is_settling:
            said.clear()
        # The last one stands last.
        said.pop(decision.annotator, None)
        said[decision.annotator] = decision
    return said


def _suffices(said: Mapping[str, Decision]) -> bool:
    if not said:
        return False
    last = list(said.values())[-1]
    return len(said) >= last.n_wanted or any(d.is_settling for d in said.values())


def _name_judgement(decision: Decision | None) -> Judgement:
    if decision is None or decision.act not in ("accept", "edit", "reject"):
        return ""
    return decision.act
