"""The decision about one feature, with all that it rests on."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from clerp.correlation import Score
from clerp.feature import FeatureId
from clerp.labels import Confidence

Role = Literal["input", "output", "cross", "obscure", "artefact"]
Tier = Literal[1, 2, 3]

TIERS: Mapping[Role, Tier] = {"input": 1, "output": 1, "cross": 2, "obscure": 3, "artefact": 3}
"""The tier that labels a role where nothing escalates it."""


@dataclass(frozen=True, slots=True)
class Route:
    """The decision about one feature, with all that it rests on."""

    feature: FeatureId
    role: Role
    tier: Tier
    scores: Mapping[str, Score]
    """By channel; which channels there are is the rule's affair."""
    confidence: Confidence
    n_examples: int
    reason: str
    """One readable sentence. For an artefact it starts with `sequence start`, `dense` or
    `too few examples`."""
    escalated_from: Tier | None = None
    steps: tuple[str, ...] = ()
    """What the rule asked, in order, and what it found; the last one decided. Empty where the
    reason is all there is."""
    runner_up: Role | None = None
    """The role that comes next, where the rule tells."""
    margin: float | None = None
    """How far it is behind, in log odds."""
