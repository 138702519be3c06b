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
    role: Role | None
    """None for all of them together."""
    n: int
    """Features that both gave a role."""
    n_given: tuple[int, int]
    """To how many of those each gave this role; all of them without one."""
    kappa: float | None
    """Cohen's; None where nobody gave the role, or both gave it to every feature."""


def measure_agreement(decisions: Iterable[Decision]) -> list[RoleAgreement]:
    """Compare the roles that each two people gave, without what they settled in sight of others.

    Args:
        decisions: Of all features, those of one feature together, first to last.
    """
    given = _read_roles(decisions)
    people = sorted({person for roles in given.values() for person in roles})
    return [
        agreement
        for pair in combinations(people, 2)
        for agreement in _compare(pair, [r for r in given.values() if r.keys() >= set(pair)])
    ]


def _read_roles(decisions: Iterable[Decision]) -> dict[FeatureKey, dict[str, Role]]:
    given: dict[FeatureKey, dict[str, Role]] = {}
    for key, made in groupby(decisions, key=lambda d: d.key):
        for decision in drop_undone(list(made)):
            if decision.role and not decision.is_settling:
                given.setdefault(key, {})[decision.annotator] = decision.role
    return given


def _compare(pair: tuple[str, str], both: Sequence[Mapping[str, Role]]) -> list[RoleAgreement]:
    if not both:
        return []
    confusion = np.zeros((len(_ROLES), len(_ROLES)))
    for roles in both:
        confusion[_ROLES.index(roles[pair[0]]), _ROLES.index(roles[pair[1]])] += 1
    n = len(both)
    return [
        RoleAgreement(pair, None, n, (n, n), _find_kappa(confusion)),
        *(_compare_role(pair, confusion, place) for place in range(len(_ROLES))),
    ]


def _compare_role(pair: tuple[str, str], confusion: np.ndarray, place: int) -> RoleAgreement:
    both = confusion[place, place]
    first, second = confusion[place].sum(), confusion[:, place].sum()
    neither = confusion.sum() - first - second + both
    folded = np.array([[both, first - both], [second - both, neither]])
    return RoleAgreement(
        annotators=pair,
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
