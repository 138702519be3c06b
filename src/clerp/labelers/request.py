"""What a labeler is given."""

from dataclasses import dataclass

from clerp.evidence import FeatureEvidence
from clerp.graph import LogitEdge
from clerp.router import Route


@dataclass(frozen=True, slots=True)
class LabelRequest:
    """A feature to be named."""

    evidence: FeatureEvidence
    route: Route
    logit_edges: tuple[LogitEdge, ...] = ()
    """Direct edges from the feature's nodes to logits of the graphs at hand, strongest first."""
