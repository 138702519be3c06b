"""The decision about one feature, with all that it rests on."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from clerp.correlation import Score
from clerp.feature import FeatureId
from clerp.labels import Confidence

Role = Literal["input", "output", "cross", "obscure", "artefact"]
Tier = Literal[1, 2, 3]

TIERS: Mapping[Role, Tier] = {"input": 1, "output": 1, "cross": 2, "obscure": 3, "artefact": 3}
"""The tier that labels a role where nothing escalates it."""


@dataclass(frozen=True, slots=True)
class Held:
    """Examples that show a pattern."""

    held: int
    of: int
    """All of them."""


@dataclass(frozen=True, slots=True)
class Breadth:
    """Examples from below the top that show what decided a role."""

    held: int
    of: int
    """All of them."""
    by_quantile: Mapping[str, Held]
    """By the number of the quantile in the record."""


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
    """Those that count; some may nearly repeat others."""
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
    unscored: Mapping[str, str] = field(default_factory=dict[str, str])
    """Why a channel was not scored though it could have been, and why nothing is lost by it."""
    p: float | None = None
    """Chance that a feature planted with nothing leads `obscure` as far, whichever role leads: the
    evidence, where `margin` is the effect."""
    p_direction: float | None = None
    """Part of random directions of the sample's model that lead `obscure` as far."""
    breadth: Breadth | None = None
    """Where the rule tells, and there are examples below the top."""
    overruled: "Route | None" = None
    """What the rule said, where a person gave another role."""
    n_repeats: int = 0
    """Top examples that do not count because they nearly repeat stronger ones."""
