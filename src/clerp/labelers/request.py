"""What a labeler is given."""

from dataclasses import dataclass

from clerp.evidence import FeatureEvidence
from clerp.graph import LogitEdge
from clerp.labels import Label
from clerp.router import Route


@dataclass(frozen=True, slots=True)
class GraphContext:
    """What the graph at hand says of a feature."""

    tokens: tuple[str, ...]
    """Of its prompt."""
    positions: tuple[int, ...]
    """Of the feature's nodes among them."""
    neighbours: tuple[str, ...] = ()
    """Labels of the features most tied to it, strongest first."""


@dataclass(frozen=True, slots=True)
class Described:
    """What a natural language autoencoder says of the residual at the peak of an example."""

    example: str
    """Id of the example."""
    text: str
    activation: float
    """Of the feature there."""


@dataclass(frozen=True, slots=True)
class LabelRequest:
    """A feature to be named."""

    evidence: FeatureEvidence
    route: Route
    logit_edges: tuple[LogitEdge, ...] = ()
    """Direct edges from the feature's nodes to logits of the graphs at hand, strongest first."""
    activations: tuple[float, ...] = ()
    """Of the feature's nodes in the graphs at hand."""
    context: GraphContext | None = None
    """None unless it was asked for: a label should hold in every graph."""
    proposal: Label | None = None
    """What another labeler said, for one that refines it."""
    descriptions: tuple[Described, ...] = ()
    """What an NLA said at its examples, for a method that makes a name of that."""
