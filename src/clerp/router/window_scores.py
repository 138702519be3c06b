"""Scores of the protocol's windows, held against ordinary text: shown, but not what decides."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace

from clerp.correlation import Score, build_null, score_channel
from clerp.evidence import FeatureEvidence
from clerp.feature import FeatureId
from clerp.plugins import Embedder
from clerp.router.route import Route
from clerp.windows import Window

DEAR = "cross"
"""The channel with the longest windows, which cost about four times what the others do."""


def show_scores(
    routes: Sequence[Route],
    evidence: Sequence[FeatureEvidence],
    windows: Sequence[Window],
    embedder: Embedder,
) -> Iterator[Route]:
    """Add the scores of windows to decided routes, one for each feature, in the order given.

    Where the role is a clear input or output, the cross window is not scored and the route says so.

    Raises:
        UsageError: A window reaches further than the passages of ordinary text.
        PluginError: The embedder has no vector for any of them.
    """
    clear = {route.feature for route in routes if _is_clear(route)}
    wanted = [k for k, route in zip(evidence, routes, strict=True) if route.role != "artefact"]
    scores = score_windows(wanted, windows, embedder, clear)
    for route in routes:
        why = {DEAR: _explain(route)} if route.feature in clear else {}
        yield replace(route, scores=scores.get(route.feature, {}), unscored=why)


def score_windows(
    evidence: Sequence[FeatureEvidence],
    windows: Sequence[Window],
    embedder: Embedder,
    clear: Collection[FeatureId] = (),
) -> dict[FeatureId, dict[str, Score]]:
    """Score windows against ordinary text, by feature and channel.

    Args:
        evidence: Of the features.
        windows: One for each channel.
        embedder: Of the windows.
        clear: Features that need no cross window.
    """
    found: dict[FeatureId, dict[str, Score]] = {known.feature: {} for known in evidence}
    for window in windows:
        wanted = [k for k in evidence if window.name != DEAR or k.feature not in clear]
        null = build_null(window, embedder, max((len(k.top) for k in wanted), default=0))
        scores = score_channel(wanted, window, embedder, null)
        for known, score in zip(wanted, scores, strict=True):
            if score is not None:
                found[known.feature][window.name] = score
    return found


def _is_clear(route: Route) -> bool:
    return route.role in ("input", "output") and route.confidence == "high"


def _explain(route: Route) -> str:
    return (
        f"not scored: {route.role} is clear without it, {route.runner_up} is {route.margin:.1f} "
        "behind, and no window's score decides"
    )
