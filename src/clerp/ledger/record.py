"""What a ledger holds."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from clerp.feature import FeatureId
from clerp.router import Role, Tier

QueueStatus = Literal["needs_review", "abstained", "failed", "labeled"]
WAITING: tuple[QueueStatus, ...] = ("needs_review", "abstained", "failed")
"""Those of features that have no label."""


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


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """What the review page shows, written only where the ledger has another one."""

    fingerprint: str
    """Of all that it is made of."""
    write: Callable[[], bytes]


@dataclass(frozen=True, slots=True)
class QueueItem:
    """A feature that a person may look at, and why."""

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
    label: str = ""
    """What clerp calls it; empty where it waits for a name."""
    method: str = ""
    """Who gave or declined the label; empty where nobody was asked."""
    uncertainty: float = 1.0
    """How far the label is in doubt, 0 to 1; 1 without one."""


@dataclass(frozen=True, slots=True)
class Shown:
    """Snapshots for the review page."""

    features: Mapping[FeatureKey, Snapshot] = field(default_factory=dict[FeatureKey, Snapshot])
    occurrences: Mapping[tuple[FeatureKey, str], Snapshot] = field(
        default_factory=dict[tuple[FeatureKey, str], Snapshot]
    )
    """By feature and slug of the graph."""
    graphs: Mapping[str, Snapshot] = field(default_factory=dict[str, Snapshot])
    """By slug."""


NOTHING_SHOWN = Shown()


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
    format: str = ""
    """Form in which it was asked for, one of `clerp.llm.AnswerFormat`. This field and those below
    are empty in answers from before schema 2 of the ledger."""
    request_id: str = ""
    """By which the provider knows the request."""
    seconds: float | None = None
    """From the request to the answer."""
    method: str = ""
    """The method that asked."""
    prompt_hash: str = ""
    """Of what was sent; the key is that of a question, which is sent with other examples where the
    feature fires otherwise."""
    schema_version: str = ""
    """Of the schema that the answer was to fit."""
    parsed: str = ""
    """What was understood of it, as JSON; empty where it could not be used."""
    complaint: str = ""
    """Why it could not be used; empty where it could."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A lease: until it runs out, nobody else is told to ask for this answer."""

    key: str
    owner: str
    until: float
    """Seconds since 1970."""


@dataclass(frozen=True, slots=True)
class Taken:
    """Another one holds the lease."""

    until: float
    """When it runs out at the latest, unless it is renewed; seconds since 1970."""
