"""Which side of a feature a label speaks of; nodes of different sides never share a group."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool

from clerp.grouping.label_form import Side, read_form
from clerp.grouping.supernode import Named


def side_of(named: Named) -> Side:
    """Return the side of a feature: as its role tells, else as the wording of its label does."""
    told = read_form(named.text).side
    match named.role:
        case "input":
            return "input"
        case "output":
            return told or "output"
        case _:
            return told


def list_conflicts(sides: Sequence[Side]) -> Bool[np.ndarray, "node node"]:
    """Say of each pair of nodes whether their sides differ; an unknown one differs from none."""
    given = np.array(sides, dtype=str)
    known = given != ""
    return (given[:, None] != given) & known[:, None] & known
