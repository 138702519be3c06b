"""How far people agree on the roles of features."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, groupby
from typing import get_args

import numpy as np

from clerp.kappa import measure_kappa
from clerp.ledger import FeatureKey
from clerp.ledger.decision import Decision, drop_undone
from clerp.router import Role

_ROLES: tuple[Role, ...] = get_args(Role)


@dataclass(frozen=True, slots=True)
class RoleAgreement:
    """How far two people agree, on all roles or on one against all others."""

    annotators: tuple[str, str]
    is_blind: bool
    """Whether it is on features that both judged before they saw what clerp proposes; else on
    those that one of them, at least, judged afterwards."""
    role: Role | None
    """None for all of them together."""
    n: int
    """Features that both gave a role."""
    n_given: tuple[int, int]
    """To how many of those each gave this role; all of them without one."""
    kappa: float | None
    """Cohen's; None where nobody gave the role, or both gave it to every feature."""


@dataclass(frozen=True, slots=True)
class _Both:
    """What two people gave, on features of one kind."""

    annotators: tuple[str, str]
    is_blind: bool
    decisions: Sequence[tuple[Decision, Decision]]


def measure_agreement(decisions: Iterable[Decision]) -> list[RoleAgreement]:
    """Compare the roles that each two people gave, without what they settled in sight of others.

    Two who see what clerp proposes may agree for that alone, so that what both gave without it
    stands apart. Of each person counts the last role that she gave blind, where there is one: what
    she revised in sight of the proposal is no judgement of her own any more.

    Args:
        decisions: Of all features, those of one feature together, first to last.
    """
    given = _read_roles(decisions)
    people = sorted({person for roles in given.values() for person in roles})
    return [
        agreement
        for pair in combinations(people, 2)
        for is_blind in (True, False)
        for agreement in _compare(_pair_up(pair, given.values(), is_blind=is_blind))
    ]


def _read_roles(decisions: Iterable[Decision]) -> dict[FeatureKey, dict[str, Decision]]:
    given: dict[FeatureKey, dict[str, Decision]] = {}
    for key, made in groupby(decisions, key=lambda d: d.key):
        for decision in drop_undone(list(made)):
            if not decision.role or decision.is_settling:
                continue
            roles = given.setdefault(key, {})
            before = roles.get(decision.annotator)
            if decision.is_blind or before is None or not before.is_blind:
                roles[decision.annotator] = decision
    return given


def _pair_up(
    pair: tuple[str, str], given: Iterable[Mapping[str, Decision]], *, is_blind: bool
) -> _Both:
    both = [(made[pair[0]], made[pair[1]]) for made in given if made.keys() >= set(pair)]
    return _Both(pair, is_blind, [two for two in both if all(d.is_blind for d in two) is is_blind])


def _compare(both: _Both) -> list[RoleAgreement]:
    n = len(both.decisions)
    if not n:
        return []
    confusion = np.zeros((len(_ROLES), len(_ROLES)))
    for one, other in both.decisions:
        confusion[_ROLES.index(one.role), _ROLES.index(other.role)] += 1
    return [
        RoleAgreement(both.annotators, both.is_blind, None, n, (n, n), _find_kappa(confusion)),
        *(_compare_role(both, confusion, place) for place in range(len(_ROLES))),
    ]


def _compare_role(both: _Both, confusion: np.ndarray, place: int) -> RoleAgreement:
    shared = confusion[place, place]
    first, second = confusion[place].sum(), confusion[:, place].sum()
    neither = confusion.sum() - first - second + shared
    folded = np.array([[shared, first - shared], [second - shared, neither]])
    return RoleAgreement(
        annotators=both.annotators,
        is_blind=both.is_blind,
        role=_ROLES[place],
        n=int(confusion.sum()),
        n_given=(int(first), int(second)),
        kappa=_find_kappa(folded),
    )


def _find_kappa(confusion: np.ndarray) -> float | None:
    # Where both give one and the same class to all, chance explains everything and tells nothing.
    if max(confusion.sum(axis=0).max(), confusion.sum(axis=1).max()) == confusion.sum() and (
        np.trace(confusion) == confusion.sum()
    ):
        return None
    return float(measure_kappa(confusion[None])[0])
