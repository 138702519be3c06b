"""A labelled graph read back: what became of each feature, as `metadata.clerp` says."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from msgspec import Struct

from clerp.correlation import Score
from clerp.errors import GraphError, UsageError
from clerp.evidence import CandidateLabel, FeatureEvidence
from clerp.feature import FeatureId
from clerp.graph import AttributionGraph
from clerp.graph.shape import check
from clerp.labels import Confidence, Label
from clerp.outcome import LabeledFeature, Status
from clerp.report.verbalized import read_verbalization
from clerp.router import Role, Route, Tier

_PLACE = "metadata.clerp"


@dataclass(frozen=True, slots=True)
class RecordedRun:
    """How a graph was labelled."""

    run_id: str
    clerp_version: str
    configuration: Mapping[str, object]
    source: str
    """Where the activation examples were read."""
    embedder: str
    null: Mapping[str, str]
    """What names the ordinary text that evidence was compared with; empty where none was."""


@dataclass(frozen=True, slots=True)
class RecordedGroup:
    """A supernode as `clerp group` left it; somebody may have changed it since."""

    name: str
    node_ids: tuple[str, ...]
    is_own: bool
    """clerp proposed it; others were in the file."""
    warnings: tuple[str, ...]
    """What may mislead about it."""


@dataclass(frozen=True, slots=True)
class RecordedGrouping:
    """What `clerp group` says of the supernodes that it left in a graph."""

    grouper: str
    groups: tuple[RecordedGroup, ...]


@dataclass(frozen=True, slots=True)
class RecordedGraph:
    """A graph, what became of its features, and what is known of them."""

    graph: AttributionGraph
    run: RecordedRun
    outcomes: tuple[LabeledFeature, ...]
    """Of the features of the graph that the record has, sorted by layer and index."""
    grouping: RecordedGrouping | None = None
    """None where `clerp group` did not group it."""
    known: Mapping[FeatureId, FeatureEvidence] = field(
        default_factory=dict[FeatureId, FeatureEvidence]
    )
    """As far as there are activation examples at hand."""

    @property
    def n_unrecorded(self) -> int:
        """Number of the graph's features of which the record says nothing."""
        return len(self.graph.features) - len(self.outcomes)


class _FeatureShape(Struct, frozen=True):
    role: Role
    tier: Tier
    status: Status
    label: str = ""
    method: str = ""
    confidence: Confidence = "low"
    reason: str = ""
    route_reason: str = ""
    notes: tuple[str, ...] = ()
    misfits: tuple[str, ...] | None = None
    margin: float | None = None
    p: float | None = None
    q: float | None = None
    scores: dict[str, Score] = {}
    n_examples: int = 0
    n_repeats: int = 0
    evidence: tuple[str, ...] = ()
    evidence_digest: str = ""
    details: dict[str, str | float | int | None] = {}
    candidates: tuple[CandidateLabel, ...] = ()
    verbalization: dict[str, Any] | None = None


class _MemberShape(Struct, frozen=True):
    node_id: str


class _SupernodeShape(Struct, frozen=True):
    name: str
    origin: str
    members: tuple[_MemberShape, ...] = ()
    warnings: tuple[str, ...] = ()


class _GroupingShape(Struct, frozen=True):
    grouper: str
    supernodes: tuple[_SupernodeShape, ...]


class _RunShape(Struct, frozen=True):
    features: dict[str, _FeatureShape]
    run_id: str = ""
    clerp_version: str = ""
    configuration: dict[str, Any] = {}
    source: str = ""
    embedder: str = ""
    null: dict[str, str] | None = None
    grouping: _GroupingShape | None = None


def read_recorded(graph: AttributionGraph) -> RecordedGraph:
    """Read what `clerp label` wrote of a graph; what is known of its features is another's to add.

    Args:
        graph: A labelled one.

    Raises:
        UsageError: clerp did not label it.
        GraphError: Its record is not as clerp writes it; the place is named.
    """
    if graph.record is None or not graph.record.features:
        raise UsageError(
            "this graph has no labels of clerp's to report on",
            where=graph.name,
            remedy="Run: clerp label GRAPH, then report on the file that it writes",
        )
    shape = check(graph.document["metadata"]["clerp"], _RunShape, graph.name, _PLACE)
    recorded = {_parse(name, graph): feature for name, feature in shape.features.items()}
    hints = _read_hints(graph)
    outcomes = tuple(
        _restore(graph, f, recorded[f], hints.get(f, "")) for f in graph.features if f in recorded
    )
    if not outcomes:
        raise GraphError(
            "the record has none of the graph's features",
            where=f"{graph.name}, {_PLACE}.features",
            remedy="Label the graph again: clerp label GRAPH",
        )
    return RecordedGraph(
        graph=graph,
        run=RecordedRun(
            run_id=shape.run_id,
            clerp_version=shape.clerp_version,
            configuration=shape.configuration,
            source=shape.source,
            embedder=shape.embedder,
            null=shape.null or {},
        ),
        outcomes=outcomes,
        grouping=_restore_grouping(shape.grouping) if shape.grouping else None,
    )


def _parse(name: str, graph: AttributionGraph) -> FeatureId:
    try:
        return FeatureId.parse(name)
    except UsageError as error:
        raise GraphError(
            error.what,
            where=f"{graph.name}, {_PLACE}.features",
            remedy="Label the graph again: clerp label GRAPH",
        ) from error


def _restore(
    graph: AttributionGraph, feature: FeatureId, shape: _FeatureShape, hint: str
) -> LabeledFeature:
    said = shape.verbalization
    label = Label(
        shape.label, shape.method, shape.confidence, shape.reason, shape.evidence, shape.details
    )
    return LabeledFeature(
        feature=feature,
        route=Route(
            feature=feature,
            role=shape.role,
            tier=shape.tier,
            scores=shape.scores,
            confidence=shape.confidence,
            n_examples=shape.n_examples,
            reason=shape.route_reason,
            margin=shape.margin,
            p=shape.p,
            n_repeats=shape.n_repeats,
        ),
        status=shape.status,
        label=label if shape.label else None,
        reason=shape.reason,
        method=shape.method,
        hint=hint,
        evidence_digest=shape.evidence_digest,
        details=shape.details,
        notes=shape.notes,
        misfits=shape.misfits,
        candidates=shape.candidates,
        q=shape.q,
        verbalization=None if said is None else read_verbalization(said, feature, graph.name),
    )


def _restore_grouping(shape: _GroupingShape) -> RecordedGrouping:
    return RecordedGrouping(
        grouper=shape.grouper,
        groups=tuple(
            RecordedGroup(
                name=supernode.name,
                node_ids=tuple(member.node_id for member in supernode.members),
                is_own=supernode.origin == "clerp",
                warnings=supernode.warnings,
            )
            for supernode in shape.supernodes
        ),
    )


def _read_hints(graph: AttributionGraph) -> dict[FeatureId, str]:
    nodes: list[dict[str, Any]] = graph.document["nodes"]
    extra: dict[str, dict[str, Any]] = graph.document.get("qk_only_nodes") or {}
    hints: dict[FeatureId, str] = {}
    for node in graph.feature_nodes:
        key = node.place.key
        hint: object = (nodes[key] if isinstance(key, int) else extra[key]).get("clerp_hint")
        if isinstance(hint, str) and hint:
            hints[node.feature] = hint
    return hints
