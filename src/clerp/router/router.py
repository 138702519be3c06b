"""Evidence to routes: artefacts first, then the rule that was asked for."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence

from clerp.evidence import EvidenceGap, FeatureEvidence
from clerp.feature import FeatureId
from clerp.plugins import Embedder
from clerp.router.artefacts import find_artefact
from clerp.router.route import Role, Route
from clerp.router.rule import Rule
from clerp.windows import Window


def route_features(
    known: Iterable[FeatureEvidence | EvidenceGap],
    *,
    rule: Rule,
    windows: Sequence[Window],
    embedder: Embedder,
) -> Iterator[Route]:
    """Yield the route of every feature, in the order given.

    Evidence is read as the rule asks for it and let go when it is routed. What comes out depends
    neither on how much that is at a time nor, but for `air` and `layer`, on the other features;
    these two look at all evidence before the first route.

    Raises:
        ClerpError: What the rule compares with cannot be had, or windows do not suit it.
    """
    # In the order given: routes that no rule makes, and None in the places of the others.
    places: deque[Route | None] = deque()
    for routed in rule.route(_set_aside(known, places), windows, embedder):
        yield from _take_settled(places)
        places.popleft()
        yield routed
    yield from _take_settled(places)


def _set_aside(
    known: Iterable[FeatureEvidence | EvidenceGap], places: deque[Route | None]
) -> Iterator[FeatureEvidence]:
    """Yield what a rule can route, and note the routes of the rest."""
    for item in known:
        if isinstance(item, EvidenceGap):
            reason = f"no evidence: {item.reason}"
            places.append(_leave_unscored(item.feature, "obscure", reason, 0))
        elif artefact := find_artefact(item):
            places.append(_leave_unscored(item.feature, "artefact", artefact, len(item.top)))
        else:
            places.append(None)
            yield item


def _take_settled(places: deque[Route | None]) -> Iterator[Route]:
    while places and (settled := places[0]) is not None:
        places.popleft()
        yield settled


def _leave_unscored(feature: FeatureId, role: Role, reason: str, n: int) -> Route:
    return Route(feature, role, 3, {}, "high", n, reason)
