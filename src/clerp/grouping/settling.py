"""What a grouper proposed, beside the groups that people made before."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from clerp.grouping.label_form import Side
from clerp.grouping.supernode import Member, Supernode

MIN_MEMBERS = 2
"""Frontends drop a group when fewer of its members are pinned."""

_KNOWN: tuple[Side, ...] = ("input", "output", "suppression")


@dataclass(frozen=True, slots=True)
class Settled:
    """Groups that do not overlap, beside people's."""

    people: tuple[Supernode, ...]
    groups: tuple[Supernode, ...]
    """The grouper's, each of one side."""
    left_out: Mapping[str, str]
    """Why a node that was proposed is in no group, by node id."""


@dataclass(frozen=True, slots=True)
class _Part:
    """Members of one proposal that may share a group."""

    proposal: Supernode
    members: tuple[Member, ...]
    side: Side
    host: int | None
    """The person's group that most of the proposal is in."""


def settle(
    proposals: Sequence[Supernode], people: Sequence[Supernode], sides: Mapping[str, Side]
) -> Settled:
    """Let people's groups come before proposals, and keep sides apart.

    Args:
        proposals: Disjoint groups of feature nodes.
        people: Kept; members may be added at the end.
        sides: Of every feature node.
    """
    hosts = [{sides.get(node_id, "") for node_id in group.node_ids} - {""} for group in people]
    added: defaultdict[int, list[Member]] = defaultdict(list)
    groups: list[Supernode] = []
    left_out: dict[str, str] = {}
    for part in _list_parts(proposals, people, sides):
        if part.host is not None and (not part.side or hosts[part.host] <= {part.side}):
            hosts[part.host] |= {part.side} - {""}
            added[part.host] += part.members
        elif len(part.members) >= MIN_MEMBERS:
            groups.append(replace(part.proposal, members=part.members, origin="clerp"))
        else:
            left_out |= {member.node_id: _say_why(part) for member in part.members}
    kept = [
        replace(group, members=(*group.members, *added[number]))
        for number, group in enumerate(people)
    ]
    return Settled(tuple(kept), tuple(groups), left_out)


def _list_parts(
    proposals: Sequence[Supernode], people: Sequence[Supernode], sides: Mapping[str, Side]
) -> list[_Part]:
    owners = {i: number for number, group in enumerate(people) for i in group.node_ids}
    parts: list[_Part] = []
    for proposal in sorted(proposals, key=lambda group: sorted(group.node_ids)):
        owned = Counter(owners[i] for i in proposal.node_ids if i in owners)
        free = [member for member in proposal.members if member.node_id not in owners]
        host = next(iter(owned)) if len(owned) == 1 else None
        if host is not None and owned[host] < len(free):
            host = None
        parts += [
            _Part(proposal, members, side, host) for side, members in _split(free, sides).items()
        ]
    return parts


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


def _say_why(part: _Part) -> str:
    return f"alone once other sides and people's groups are taken out of {part.proposal.name!r}"
