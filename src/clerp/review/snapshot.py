"""What the review page shows of a feature, kept so that a queue outlives its files."""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeVar

import msgspec

from clerp.errors import LedgerError
from clerp.report.verbalized import VerbalizedView
from clerp.router import Role, Tier

VERSION = 2
"""Of these classes and what they are filled with; what another version kept is not read."""

NeighbourKind = Literal["feature", "token", "logit"]


@dataclass(frozen=True, slots=True)
class ScoreView:
    """A correlation score of one channel."""

    raw: float
    z: float | None
    p: float | None
    n: int


@dataclass(frozen=True, slots=True)
class ExampleView:
    """An activation example, cut to the tokens around its peak."""

    id: str
    quantile: int
    """0 for the top examples."""
    tokens: tuple[str, ...]
    activations: tuple[float, ...]
    peak: int


@dataclass(frozen=True, slots=True)
class CandidateView:
    """What somebody else calls the feature."""

    text: str
    method: str
    model: str


@dataclass(frozen=True, slots=True)
class ProposalView:
    """What clerp made of a feature; all that blind judging hides."""

    role: Role
    tier: Tier
    confidence: str
    route_reason: str
    steps: tuple[str, ...]
    scores: Mapping[str, ScoreView]
    margin: float | None
    p: float | None
    status: str
    label: str
    """Empty where it has none."""
    method: str
    model: str
    """As returned, of a label that a model made."""
    reason: str
    """Why the label is what it is, or why there is none."""
    hint: str
    notes: tuple[str, ...]
    candidates: tuple[CandidateView, ...]
    verbalized: VerbalizedView | None = None
    """What an NLA says of it; None where none was asked."""


@dataclass(frozen=True, slots=True)
class FeatureSnapshot:
    """A feature as a run saw it."""

    proposal: ProposalView | None = None
    """None while it is held back."""
    examples: tuple[ExampleView, ...] = ()
    """By quantile, strongest first."""
    set_aside: tuple[tuple[str, int], ...] = ()
    """Why examples of the record are not shown, and how many."""
    promoted: tuple[str, ...] = ()
    suppressed: tuple[str, ...] = ()
    density: float | None = None
    """Share of all tokens on which it fires."""
    act_min: float = 0.0
    act_max: float = 0.0
    histogram: tuple[float, ...] = ()
    """How often it fires how strongly: bars of equal width, which most records mean to reach from
    `act_min` to `act_max`; empty where the record has none."""


@dataclass(frozen=True, slots=True)
class NodeView:
    """One occurrence of a feature in a graph."""

    node_id: str
    position: int
    activation: float | None
    act_pct: float | None
    """Place in the feature's activation range, 0 to 100."""
    share: float | None
    """Of the graph's influence, 0 to 1."""


@dataclass(frozen=True, slots=True)
class NeighbourView:
    """A node, or all nodes of a feature, that a feature has direct edges with."""

    kind: NeighbourKind
    name: str
    """`14_2268` for a feature, the token for others."""
    weight: float
    """Sum over the edges."""


@dataclass(frozen=True, slots=True)
class OccurrenceSnapshot:
    """A feature in one graph."""

    nodes: tuple[NodeView, ...] = ()
    upstream: tuple[NeighbourView, ...] = ()
    """Strongest first."""
    downstream: tuple[NeighbourView, ...] = ()


@dataclass(frozen=True, slots=True)
class GraphSnapshot:
    """A graph of the queue."""

    name: str
    prompt_tokens: tuple[str, ...] = field(default=())


Content = FeatureSnapshot | OccurrenceSnapshot | GraphSnapshot
SnapshotKind = TypeVar("SnapshotKind", FeatureSnapshot, OccurrenceSnapshot, GraphSnapshot)


class _Kept(msgspec.Struct):
    version: int
    content: msgspec.Raw


def encode(snapshot: Content) -> bytes:
    """Write a snapshot as the ledger keeps it."""
    return zlib.compress(msgspec.json.encode({"version": VERSION, "content": snapshot}), 6)


def decode(content: bytes | None, kind: type[SnapshotKind]) -> SnapshotKind | None:
    """Read a snapshot that the ledger keeps.

    Returns:
        None where there is none, or one of another version of clerp: the next run that sees the
        feature renews it.

    Raises:
        LedgerError: It is damaged.
    """
    if content is None:
        return None
    try:
        kept = msgspec.json.decode(zlib.decompress(content), type=_Kept)
        return msgspec.json.decode(kept.content, type=kind) if kept.version == VERSION else None
    except (zlib.error, ValueError, RecursionError) as error:
        raise LedgerError(
            f"a snapshot in the ledger is damaged ({error})",
            remedy="Restore the ledger from a copy",
        ) from error
