"""Evidence to routes: artefacts first, then the rule that was asked for."""

from collections.abc import Iterator, Sequence

from clerp.evidence import EvidenceGap, FeatureEvidence
from clerp.feature import FeatureId
from clerp.plugins import Embedder
from clerp.router.artefacts import find_artefact
from clerp.router.route import Role, Route
from clerp.router.rule import Rule
from clerp.windows import Window


def route_features(
    known: Sequence[FeatureEvidence | EvidenceGap],
    *,
    rule: Rule,
    windows: Sequence[Window],
    embedder: Embedder,
) -> list[Route]:
    """Route every feature, in the order given.

    Raises:
        ClerpError: What the rule compares with cannot be had, or windows do not suit it.
    """
    routes = {route.feature: route for route in _set_aside(known)}
    scorable = [k for k in known if isinstance(k, FeatureEvidence) and k.feature not in routes]
    routes |= {route.feature: route for route in rule.route(scorable, windows, embedder)}
    return [routes[k.feature] for k in known]


def _set_aside(known: Sequence[FeatureEvidence | EvidenceGap]) -> Iterator[Route]:
    for item in known:
        if isinstance(item, EvidenceGap):
            yield _unscored(item.feature, "obscure", f"no evidence: {item.reason}", 0)
        elif artefact := find_artefact(item):
            yield _unscored(item.feature, "artefact", artefact, len(item.top))


def _unscored(feature: FeatureId, role: Role, reason: str, n: int) -> Route:
    return Route(feature, role, 3, {}, "high", n, reason)
