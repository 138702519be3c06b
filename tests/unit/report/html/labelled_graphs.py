"""Labelled graphs with the roles, layers and densities that a test wants."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from tests.unit.graph.conftest import build_graph

from clerp.evidence import FeatureEvidence
from clerp.feature import FeatureId
from clerp.graph import read_graph
from clerp.report.html.recorded import RecordedGraph, read_recorded
from clerp.router import TIERS, Role
from clerp.testing import make_evidence

Document = dict[str, Any]


@dataclass(frozen=True)
class Named:
    """A feature as a graph bears it."""

    layer: int
    index: int
    role: Role = "input"
    label: str = "word"
    status: str = "labeled"
    reason: str = "it recurs"
    position: int = 1
    density: float | None = None
    record: Document = field(default_factory=dict[str, Any])

    @property
    def feature(self) -> FeatureId:
        return FeatureId(self.layer, self.index)


def build_labelled(features: Sequence[Named], **metadata: Any) -> Document:
    """Build a graph of these features alone, as clerp would label it."""
    template = build_graph(n_features=1)
    node = template["nodes"][0]
    nodes = [_build_node(node, named, rank, len(features)) for rank, named in enumerate(features)]
    kept = [n for n in template["nodes"][1:] if n["feature_type"] in ("embedding", "logit")]
    for other in kept:
        other["influence"] = 1.0 if other["feature_type"] == "embedding" else None
    record = {
        "schema_version": 1,
        "clerp_version": "0.1.0",
        "run_id": "0123456789abcdef",
        "configuration": {"rule": "calibrated", "alpha": 0.05, "llm": None},
        "source": "folder",
        "embedder": "bare",
        "null": {"text": "ordinary"},
        "costs": [],
        "features": {str(named.feature): _build_record(named) for named in features},
    }
    ids = {n["node_id"] for n in (*nodes, *kept)}
    links = [link for link in template["links"] if {link["source"], link["target"]} <= ids]
    return {
        **template,
        "metadata": {**template["metadata"], "clerp": {**record, **metadata.pop("clerp", {})}}
        | metadata,
        "nodes": [*nodes, *kept],
        "links": links,
    }


def make_recorded(features: Sequence[Named], **metadata: Any) -> RecordedGraph:
    """Make what a report is made of; features with a density have evidence."""
    recorded = read_recorded(read_graph(build_labelled(features, **metadata)))
    return replace(recorded, known=dict(_list_known(features)))


def _list_known(features: Iterable[Named]) -> Iterable[tuple[FeatureId, FeatureEvidence]]:
    for named in features:
        if named.density is not None:
            evidence = make_evidence([[" a", " b"]] * 5, feature=named.feature)
            yield named.feature, replace(evidence, density=named.density, digest="")


def _build_node(node: Document, named: Named, rank: int, n: int) -> Document:
    return {
        **node,
        "node_id": f"{named.layer}_{named.index}_{named.position}",
        "layer": str(named.layer),
        "ctx_idx": named.position,
        "influence": 0.9 * (rank + 1) / n,
        "clerp": named.label,
        "clerp_status": named.status,
    }


def _build_record(named: Named) -> Document:
    return {
        "clerp": named.label,
        "label": named.label,
        "role": named.role,
        "tier": TIERS[named.role],
        "status": named.status,
        "method": "token-frequency",
        "confidence": "high",
        "reason": named.reason,
        "route_reason": "the peaks explain it",
        "margin": 2.0,
        "p": 0.001,
        "scores": {"input": {"raw": 0.3, "weighted": 0.3, "n": 20, "z": 9.0, "p": 0.0001}},
        "n_examples": 20,
        **named.record,
    }
