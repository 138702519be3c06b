"""Keys of the page: what the cheat-sheet says is what the scripts do."""

from dataclasses import dataclass

from clerp.review.session import Task
from clerp.router import Role


@dataclass(frozen=True, slots=True)
class Key:
    """A key and what it does."""

    name: str
    does: str


@dataclass(frozen=True, slots=True)
class RoleKey:
    """A role and its key."""

    name: str
    role: Role
    means: str


ROLE_KEYS = (
    RoleKey("1", "input", "fires on a word or class of words"),
    RoleKey("2", "output", "fires before what it makes the model say"),
    RoleKey("3", "cross", "fires on a theme or construction"),
    RoleKey("4", "obscure", "no pattern to be seen"),
    RoleKey("5", "artefact", "sequence start, dense, too few examples"),
)
_NAMING = (
    Key("a", "accept the proposed label"),
    Key("e or Enter", "write a label; Enter saves, Esc leaves"),
    Key("x", "reject: no name fits"),
    Key("1 – 5", "give a role with the label"),
)
_ROLES = (Key("1 – 5", "give the role and go on"),)
_DECIDING = (
    Key("s", "skip for now"),
    Key("f", "flag, with the comment if there is one"),
    Key("c", "comment; Enter saves, Esc leaves"),
    Key("u", "undo"),
    Key("r", "redo"),
)
_MOVING = (
    Key("j", "next feature"),
    Key("k", "previous feature"),
    Key("l", "list of the queue"),
    Key("o", "open or close all contexts"),
    Key("h", "hide or show the sidebar"),
    Key("g", "guideline"),
    Key("t", "light or dark"),
    Key("?", "these keys"),
)


def list_keys(task: Task) -> tuple[Key, ...]:
    """List what keys do, for the cheat-sheet."""
    return (*(_NAMING if task == "labels" else _ROLES), *_DECIDING, *_MOVING)
