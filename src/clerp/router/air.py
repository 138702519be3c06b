"""Channels scored as AIR scores them, from its description.

AIR ("Auto-Interpretability Router", enricobottazzi/AIR, 2026) compares eight channels of a feature
by z(similarity within the feature) - z(similarity to the centre of all features' strings), both
against strings drawn at random from that pool, and takes the best channel if it reaches 5. The pool
is whatever is routed together, so a route depends on the other features. AIR takes features with
ten strings or more; here five do, held against draws of ten.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from clerp.correlation import MIN_WINDOWS, Score, mean_over_pairs, scale_weights
from clerp.embedding import embed_unit
from clerp.evidence import FeatureEvidence
from clerp.feature import FeatureId
from clerp.plugins import Embedder
from clerp.router.route import TIERS, Role, Route
from clerp.router.rule import Rule
from clerp.windows import Window, cut

_N_STRINGS = 10
_DRAWS = 1000
_MIN_POOL = 50

_WINDOWS: Mapping[Window, Role] = {
    Window("token", 0, 0): "input",
    Window("before", -1, -1): "input",
    Window("after", 1, 1): "output",
    Window("short", -1, 1): "cross",
    Window("medium", -8, 8): "cross",
    Window("long", -16, 16): "cross",
}


@dataclass(frozen=True, slots=True)
class _Channel:
    """The strings of one channel, of all features."""

    name: str
    role: Role
    texts: Mapping[FeatureId, tuple[str, ...]]
    weights: Mapping[FeatureId, tuple[float, ...]]


@dataclass(frozen=True, slots=True)
class AirRule(Rule):
    """The channel with the highest score decides, if it reaches the threshold."""

    def route(
        self, evidence: Iterable[FeatureEvidence], windows: Sequence[Window], embedder: Embedder
    ) -> Iterator[Route]:
        """Route features by AIR's channels, as `Rule.route`; `windows` are not used.

        All evidence is held at once: the pool is made of it.
        """
        known = list(evidence)
        scores: dict[FeatureId, dict[str, Score]] = {k.feature: {} for k in known}
        roles: dict[str, Role] = {}
        for channel in _read_channels(known):
            roles[channel.name] = channel.role
            for feature, score in _score(channel, embedder).items():
                scores[feature][channel.name] = score
        for k in known:
            yield self._decide(k, scores[k.feature], roles)

    def _decide(
        self, known: FeatureEvidence, scores: Mapping[str, Score], roles: Mapping[str, Role]
    ) -> Route:
        by_z = {name: score.z for name, score in scores.items() if score.z is not None}
        best = max(by_z, key=lambda name: by_z[name], default=None)
        z = by_z[best] if best else 0.0
        role: Role = roles[best] if best and z >= self.threshold else "obscure"
        return Route(
            feature=known.feature,
            role=role,
            tier=TIERS[role],
            scores=scores,
            confidence="medium",
            n_examples=len(known.top),
            reason=(
                f"the best channel is {best}: {z:.1f} (high from {self.threshold:g})"
                if best
                else "no channel has enough strings to be scored"
            ),
        )


def _read_channels(evidence: Sequence[FeatureEvidence]) -> Iterator[_Channel]:
    examples = {known.feature: known.top[:_N_STRINGS] for known in evidence}
    activations = {f: tuple(e.peak_activation for e in top) for f, top in examples.items()}
    for window, role in _WINDOWS.items():
        texts = {f: tuple(cut(e, window) for e in top) for f, top in examples.items()}
        yield _Channel(window.name, role, texts, activations)
    for name in ("promoted", "suppressed"):
        tokens = {k.feature: getattr(k, name)[:_N_STRINGS] for k in evidence}
        # Records do not tell how strongly a token is promoted.
        yield _Channel(name, "output", tokens, {f: (1.0,) * len(t) for f, t in tokens.items()})


def _score(channel: _Channel, embedder: Embedder) -> dict[FeatureId, Score]:
    features = sorted(channel.texts)
    texts = [text for feature in features for text in channel.texts[feature]]
    activations = [weight for feature in features for weight in channel.weights[feature]]
    weights = scale_weights(np.array(activations, dtype=np.float64))
    unit = embed_unit(texts, embedder).astype(np.float64)
    present: Bool[np.ndarray, " text"] = np.any(unit, axis=1)
    if int(present.sum()) < _MIN_POOL:
        return {}
    centre = unit[present].mean(axis=0)
    drawn = _draw(unit[present], weights[present], centre)
    scores: dict[FeatureId, Score] = {}
    start = 0
    for feature in features:
        rows = slice(start, start + len(channel.texts[feature]))
        start = rows.stop
        kept = np.flatnonzero(present[rows])
        if len(kept) >= MIN_WINDOWS:
            scores[feature] = _compare(unit[rows][kept], weights[rows][kept], centre, drawn)
    return scores


@dataclass(frozen=True, slots=True, eq=False)
class _Drawn:
    within: Float[np.ndarray, " draw"]
    to_centre: Float[np.ndarray, " draw"]


def _draw(
    unit: Float[np.ndarray, "text dimension"],
    weights: Float[np.ndarray, " text"],
    centre: Float[np.ndarray, " dimension"],
) -> _Drawn:
    rng = np.random.default_rng(0)
    size = min(_N_STRINGS, len(unit))
    rows = [rng.choice(len(unit), size, replace=False) for _ in range(_DRAWS)]
    return _Drawn(
        np.array([mean_over_pairs(unit[row], weights[row]) for row in rows]),
        np.array([_to_centre(unit[row], weights[row], centre) for row in rows]),
    )


def _compare(
    unit: Float[np.ndarray, "text dimension"],
    weights: Float[np.ndarray, " text"],
    centre: Float[np.ndarray, " dimension"],
    drawn: _Drawn,
) -> Score:
    raw = mean_over_pairs(unit, np.ones(len(unit)))
    within = _standardise(mean_over_pairs(unit, weights), drawn.within)
    to_centre = _standardise(_to_centre(unit, weights, centre), drawn.to_centre)
    weighted = mean_over_pairs(unit, weights)
    return Score(raw, weighted, len(unit), z=round(within - to_centre, 2))


def _to_centre(
    unit: Float[np.ndarray, "text dimension"],
    weights: Float[np.ndarray, " text"],
    centre: Float[np.ndarray, " dimension"],
) -> float:
    total = float(weights.sum())
    return round(float(weights @ (unit @ centre)) / total, 4) if total > 0 else 0.0


def _standardise(value: float, draws: Float[np.ndarray, " draw"]) -> float:
    spread = float(draws.std())
    return (value - float(draws.mean())) / spread if spread > 0 else 0.0
