"""What labelers are given of the features of a pool."""

from collections.abc import Mapping
from dataclasses import replace
from typing import cast

from clerp.config import Settings
from clerp.errors import LabelerError
from clerp.evidence import FeatureEvidence
from clerp.feature import FeatureId
from clerp.graph import AttributionGraph, rank_neighbours
from clerp.labelers.guard import ask_labeler
from clerp.labelers.methods.surroundings import MAX_NEIGHBOURS
from clerp.labelers.request import GraphContext, LabelRequest
from clerp.labels import Label
from clerp.plugins import find
from clerp.pool import Pool


class Requests:
    """Makes the requests of a pool's features.

    Under `context="graph"` a request tells where the feature fires in the prompt, and the names of
    the features most tied to it. These are names that take no model: what people wrote into the
    graph, and what `settings.labeler` says of features of tier 1. So a question depends neither on
    the order of answers nor on what a model said before.
    """

    def __init__(self, pool: Pool, settings: Settings) -> None:
        self.pool = pool
        self._settings = settings
        self._names: dict[FeatureId, str] = {}
        self._ranked: dict[str, Mapping[FeatureId, tuple[FeatureId, ...]]] = {}

    async def make(self, feature: FeatureId) -> LabelRequest:
        """Gather what is known of a feature that there is evidence of.

        Raises:
            ClerpError: `settings.labeler` is not installed.
        """
        request = self._make_plain(feature)
        if self._settings.context != "graph":
            return request
        return replace(request, context=await self._describe_context(feature))

    def _make_plain(self, feature: FeatureId) -> LabelRequest:
        nodes = [node for graph in self.pool.graphs for node in graph.nodes_of(feature)]
        activations = [float(node.activation) for node in nodes if node.activation is not None]
        return LabelRequest(
            evidence=cast(FeatureEvidence, self.pool.known[feature]),
            route=self.pool.routes[feature],
            logit_edges=self.pool.logit_edges(feature),
            activations=tuple(sorted(activations)),
        )

    async def _describe_context(self, feature: FeatureId) -> GraphContext:
        """Describe the first of the graphs that have the feature."""
        graph = next(graph for graph in self.pool.graphs if graph.nodes_of(feature))
        positions = sorted({node.ctx_idx for node in graph.nodes_of(feature)})
        neighbours: list[str] = []
        for neighbour in self._rank(graph).get(feature, ()):
            name = _find_given_name(graph, neighbour) or await self._name(neighbour)
            if name and name not in neighbours:
                neighbours.append(name)
            if len(neighbours) == MAX_NEIGHBOURS:
                break
        return GraphContext(graph.prompt_tokens, tuple(positions), tuple(neighbours))

    def _rank(self, graph: AttributionGraph) -> Mapping[FeatureId, tuple[FeatureId, ...]]:
        if graph.digest not in self._ranked:
            self._ranked[graph.digest] = rank_neighbours(graph)
        return self._ranked[graph.digest]

    async def _name(self, feature: FeatureId) -> str:
        if feature not in self._names:
            self._names[feature] = await self._ask_first_labeler(feature)
        return self._names[feature]

    async def _ask_first_labeler(self, feature: FeatureId) -> str:
        route = self.pool.routes[feature]
        if route.tier != 1 or route.role == "artefact":
            return ""
        labeler = find("labelers", self._settings.labeler)
        try:
            answer = await ask_labeler(labeler, self._make_plain(feature))
        except LabelerError:
            # The feature itself says so; to its neighbours it has no name.
            return ""
        return answer.text if isinstance(answer, Label) else ""


def _find_given_name(graph: AttributionGraph, feature: FeatureId) -> str:
    given = (node.foreign_label for node in graph.nodes_of(feature))
    return next((label for label in given if label), "")
