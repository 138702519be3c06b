"""The layer alone: the baseline that every router has to beat."""

from collections.abc import Sequence
from dataclasses import dataclass

from clerp.evidence import FeatureEvidence
from clerp.plugins import Embedder
from clerp.router.route import Route
from clerp.router.rule import Rule
from clerp.windows import Window


@dataclass(frozen=True, slots=True)
class LayerRule(Rule):
    """Late layers are `output`, the others `input`; no example is looked at.

    The threshold is a depth: the layer over the deepest layer that any of the features has.
    """

    def route(
        self, evidence: Sequence[FeatureEvidence], windows: Sequence[Window], embedder: Embedder
    ) -> list[Route]:
        """Route features by their depth, as `Rule.route`."""
        deepest = max((known.feature.layer for known in evidence), default=0)
        return [self._decide(known, deepest) for known in evidence]

    def _decide(self, known: FeatureEvidence, deepest: int) -> Route:
        depth = known.feature.layer / deepest if deepest else 0.0
        when, role = ("late", "output") if depth >= self.threshold else ("early", "input")
        return Route(
            feature=known.feature,
            role=role,
            tier=1,
            scores={},
            confidence="low",
            n_examples=len(known.top),
            reason=f"depth {depth:.3g} ({when}: from {self.threshold:.3g} on)",
        )
