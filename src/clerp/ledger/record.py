"""What a ledger holds."""

from dataclasses import dataclass, field
from typing import Literal

from clerp.feature import FeatureId
from clerp.router import Role, Tier

QueueStatus = Literal["needs_review", "abstained", "failed"]


@dataclass(frozen=True, slots=True)
class TranscoderSet:
    """Whose features they are."""

    name: str
    revision: str = ""


@dataclass(frozen=True, slots=True)
class FeatureKey:
    """One feature across graphs and runs."""

    transcoders: TranscoderSet
    feature: FeatureId
    digest: str = ""
    """The evidence digest where the set's name does not identify it (local, `custom-<hash>` or
    empty scans), else empty."""


@dataclass(frozen=True, slots=True)
class QueueItem:
    """A feature that needs a person, and why."""

    key: FeatureKey
    evidence_digest: str
    graphs: tuple[str, ...]
    """Slugs of the graphs that it occurs in, sorted."""
    role: Role
    tier: Tier
    status: QueueStatus
    reason: str
    hint: str
    share: float | None
    """The feature's own share of influence; None where the graph does not say."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model answered, as it came, and what that cost."""

    key: str
    """Hash of all that was asked, of whom and how."""
    text: str
    model: str
    """As returned by the provider."""
    prompt_tokens: int | None
    completion_tokens: int | None
    cost_usd: float | None
    """US dollars; None when the price is not known."""
    finish_reason: str
    parameters: dict[str, str | float | int | None] = field(
        default_factory=dict[str, str | float | int | None]
    )
