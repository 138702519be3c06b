"""Scores of windows, kept so that the protocol's steps can be taken on them again and again."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from time import perf_counter

import numpy as np
from jaxtyping import Bool, Float, Int

from clerp.correlation import score_channel
from clerp.evaluation.measures import ROLES
from clerp.evidence import FeatureEvidence
from clerp.plugins import Embedder
from clerp.router import Role, find_artefact
from clerp.windows import Window

_CODES: Mapping[Role, int] = {role: ROLES.index(role) for role in ROLES}


@dataclass(frozen=True, slots=True)
class Channels:
    """One window for each channel of the protocol."""

    input: Window
    output: Window
    cross: Window


@dataclass(frozen=True, slots=True, eq=False)
class Routed:
    """The roles of all features, and what it takes to find them."""

    roles: Int[np.ndarray, " feature"]
    """As `encode` numbers them."""
    n_windows: int
    seconds: float


@dataclass(frozen=True, slots=True, eq=False)
class _Scored:
    """One window of all features."""

    raw: Float[np.ndarray, " feature"]
    """Minus infinity where there is no score."""
    seconds: float


@dataclass(frozen=True, slots=True, eq=False)
class StoredScores:
    """Raw scores of some windows of all features, with so many of their examples."""

    embedder: str
    n_examples: int
    _is_artefact: Bool[np.ndarray, " feature"]
    _n_windows: Int[np.ndarray, " feature"]
    """For each channel; none for artefacts, which are not scored."""
    _by_window: Mapping[Window, _Scored]

    def route(self, channels: Channels, threshold: float) -> Routed:
        """Take the protocol's steps as the rule `protocol` does, on scores that are there."""
        inputs, outputs, crosses = (
            self._by_window[window] for window in (channels.input, channels.output, channels.cross)
        )
        is_low = np.maximum(inputs.raw, outputs.raw) < threshold
        roles = np.select(
            [self._is_artefact, ~is_low & (outputs.raw > inputs.raw), ~is_low],
            [_CODES["artefact"], _CODES["output"], _CODES["input"]],
            np.where(crosses.raw >= threshold, _CODES["cross"], _CODES["obscure"]),
        )
        everywhere, crossed = int(self._n_windows.sum()), int(self._n_windows[is_low].sum())
        share = crossed / everywhere if everywhere else 0.0
        return Routed(
            roles=roles,
            n_windows=2 * everywhere + crossed,
            seconds=inputs.seconds + outputs.seconds + share * crosses.seconds,
        )


def score_windows(
    evidence: Sequence[FeatureEvidence],
    n_examples: int,
    windows: Iterable[Window],
    embedder: Embedder,
) -> StoredScores:
    """Score each window once, on the strongest `n_examples` of each feature's top examples."""
    shortened = [replace(known, top=known.top[:n_examples]) for known in evidence]
    is_artefact = np.array([find_artefact(known) is not None for known in shortened])
    # Loading is no part of what a window costs.
    embedder.embed(["the"])
    return StoredScores(
        embedder=embedder.name,
        n_examples=n_examples,
        _is_artefact=is_artefact,
        _n_windows=np.where(is_artefact, 0, [len(known.top) for known in shortened]),
        _by_window={w: _score(shortened, is_artefact, w, embedder) for w in windows},
    )


def _score(
    evidence: Sequence[FeatureEvidence],
    is_artefact: Bool[np.ndarray, " feature"],
    window: Window,
    embedder: Embedder,
) -> _Scored:
    scorable = np.flatnonzero(~is_artefact)
    start = perf_counter()
    scores = score_channel([evidence[int(i)] for i in scorable], window, embedder, None)
    seconds = perf_counter() - start
    raw = np.full(len(evidence), -np.inf)
    raw[scorable] = [-np.inf if score is None else score.raw for score in scores]
    return _Scored(raw, seconds)
