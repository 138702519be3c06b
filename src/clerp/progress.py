"""How far a run is, for a progress bar or a benchmark."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Stage = Literal["read", "evidence", "score", "label", "verbalize"]


@dataclass(frozen=True, slots=True)
class Progress:
    """A stage and how much of it is done; every stage says 0 first and ends with its total."""

    stage: Stage
    done: int
    total: int
    """Graphs to read, features for every other stage."""
    note: str = ""
    """What a person should know at once: which server is about to be asked, and why."""


ReportProgress = Callable[[Progress], None]


def ignore_progress(_: Progress) -> None:
    """Report to nobody."""
