"""Places that open labelled graphs, and what each asks of them."""

from clerp.targets.known import find_target
from clerp.targets.target import Target

__all__ = ["Target", "find_target"]
