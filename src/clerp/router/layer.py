"""The layer alone: the baseline that every router has to beat."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from clerp.evidence import FeatureEvidence
from clerp.feature import FeatureId
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
        self, evidence: Iterable[FeatureEvidence], windows: Sequence[Window], embedder: Embedder
    ) -> Iterator[Route]:
        """Route features by their depth, as `Rule.route`; the deepest must be known first."""
        found = [(known.feature, len(known.top)) for known in evidence]
        deepest = max((feature.layer for feature, _ in found), default=0)
        for feature, n in found:
            yield self._decide(feature, n, deepest)

    def _decide(self, feature: FeatureId, n: int, deepest: int) -> Route:
        depth = feature.layer / deepest if deepest else 0.0
        when, role = ("late", "output") if depth >= self.threshold else ("early", "input")
        return Route(
            feature=feature,
            role=role,
            tier=1,
            scores={},
            confidence="low",
            n_examples=n,
            reason=f"depth {depth:.3g} ({when}: from {self.threshold:.3g} on)",
        )
