"""Supernodes, and what a grouper is told of a feature."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Member:
    """A node in a group, or left out of all."""

    node_id: str
    reason: str
    """Why, in one line."""


@dataclass(frozen=True, slots=True)
class Supernode:
    """A named group of nodes."""

    name: str
    members: tuple[Member, ...]
    origin: Literal["person", "clerp"] = "clerp"
    """A person's group was in the file; its name stays, and so do its members, in their order."""
    warnings: tuple[str, ...] = ()
    """What may mislead: `makes a cycle with say Austin`."""

    @property
    def node_ids(self) -> tuple[str, ...]:
        """`node_id` of every member."""
        return tuple(member.node_id for member in self.members)


@dataclass(frozen=True, slots=True)
class Named:
    """What a grouper is told of a feature."""

    text: str
    """Its label without the brackets of a style; "" where it has none."""
    role: str
    """Its role as clerp found it, or as the form of its label tells; "" where nothing tells."""
