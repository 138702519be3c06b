"""What a grouper proposed, beside the groups that people made before."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from clerp.grouping.label_form import Side
from clerp.grouping.naming import choose_name
from clerp.grouping.supernode import Member, Supernode

MIN_MEMBERS = 2
"""Frontends drop a group when fewer of its members are pinned."""

_KNOWN: tuple[Side, ...] = ("input", "output", "suppression")


@dataclass(frozen=True, slots=True)
class Settled:
    """Groups that do not overlap, each of one side."""

    groups: tuple[Supernode, ...]
    left_out: Mapping[str, str]
    """Why a node that was proposed is in no group, by node id."""


def join_people(
    proposals: Sequence[Supernode], people: Sequence[Supernode], sides: Mapping[str, Side]
) -> tuple[Supernode, ...]:
    """Add to people's groups what belongs with most of their nodes.

    Where a proposal has at least half of its nodes in one of them, and none in another, the rest of
    the same side is added to that one.

    Args:
        proposals: Disjoint groups of feature nodes.
        people: Kept; members may be added at the end.
        sides: Of every feature node.
    """
    owners = {i: number for number, group in enumerate(people) for i in group.node_ids}
    hosts = [{sides.get(node_id, "") for node_id in group.node_ids} - {""} for group in people]
    added: defaultdict[int, list[Member]] = defaultdict(list)
    for proposal in sorted(proposals, key=lambda group: sorted(group.node_ids)):
        owned = Counter(owners[i] for i in proposal.node_ids if i in owners)
        free = [member for member in proposal.members if member.node_id not in owners]
        host = next(iter(owned)) if len(owned) == 1 else None
        if host is None or owned[host] < len(free):
            continue
        for side, members in _split(free, sides).items():
            if not side or hosts[host] <= {side}:
                hosts[host] |= {side} - {""}
                added[host] += members
    return tuple(
        replace(group, members=(*group.members, *added[number]))
        for number, group in enumerate(people)
    )


def part_sides(
    proposals: Sequence[Supernode], sides: Mapping[str, Side], texts: Mapping[str, str]
) -> Settled:
    """Keep nodes of different sides out of one group.

    Args:
        proposals: Disjoint groups of feature nodes.
        sides: Of every feature node.
        texts: Labels, after which the parts of a group are named, by node id.
    """
    groups: list[Supernode] = []
    left_out: dict[str, str] = {}
    for proposal in sorted(proposals, key=lambda group: sorted(group.node_ids)):
        parts = _split(proposal.members, sides).values()
        for members in parts:
            if len(members) < MIN_MEMBERS:
                why = (
                    f"alone once other sides and people's groups are taken out of {proposal.name!r}"
                )
                left_out |= {member.node_id: why for member in members}
                continue
            own = choose_name(texts[member.node_id] for member in members)
            name = own if len(parts) > 1 and own else proposal.name
            groups.append(replace(proposal, name=name, members=members, origin="clerp"))
    return Settled(tuple(groups), left_out)


def _split(members: Sequence[Member], sides: Mapping[str, Side]) -> dict[Side, tuple[Member, ...]]:
    """Divide members by side; those of no known side stay with the most."""
    counts = Counter(sides[member.node_id] for member in members)
    main = max(_KNOWN, key=counts.__getitem__)
    if not counts[main]:
        return {"": tuple(members)}
    parts: defaultdict[Side, list[Member]] = defaultdict(list)
    for member in members:
        parts[sides[member.node_id] or main].append(member)
    return {side: tuple(part) for side, part in parts.items()}
