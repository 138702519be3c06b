"""Supernodes: named groups of feature nodes."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Supernode:
    """A named group."""

    name: str
    node_ids: tuple[str, ...]
    reason: str
