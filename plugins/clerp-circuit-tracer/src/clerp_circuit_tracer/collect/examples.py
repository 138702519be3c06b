"""Which places of the corpus stand for a feature, chosen from what was kept of it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from clerp_circuit_tracer.collect.findings import Findings
from clerp_circuit_tracer.collect.hashing import Place, locate
from clerp_circuit_tracer.collect.pools import PooledWindow
from clerp_circuit_tracer.collect.settings import CollectSettings
from clerp_circuit_tracer.collect.tallies import Distribution


@dataclass(frozen=True, slots=True)
class Group:
    """Examples of one range of activation."""

    name: str
    windows: list[PooledWindow]


@dataclass(frozen=True, slots=True)
class InactiveExamples:
    """Windows in which the feature is off everywhere."""

    random: list[PooledWindow]
    near_misses: list[PooledWindow]


class _Selection:
    """Windows taken so far: no two share a context or lie too close."""

    def __init__(self, settings: CollectSettings) -> None:
        self._settings = settings
        self._taken: list[Place] = []
        self._contexts: set[tuple[int, bytes]] = set()

    def take(self, windows: Iterable[PooledWindow], count: int) -> list[PooledWindow]:
        """Take the first `count` windows that are new."""
        chosen: list[PooledWindow] = []
        for window in windows:
            if len(chosen) == count:
                break
            if self._is_new(window):
                chosen.append(window)
                self._taken.append(locate(window.place))
                self._contexts |= self._read_contexts(window)
        return chosen

    def _is_new(self, window: PooledWindow) -> bool:
        row, position = locate(window.place)
        return self._contexts.isdisjoint(self._read_contexts(window)) and all(
            other.row != row or abs(other.position - position) >= self._settings.spacing
            for other in self._taken
        )

    def _read_contexts(self, window: PooledWindow) -> set[tuple[int, bytes]]:
        """Return the tokens near the peak, with its place in them, and those of the window.

        The second matters at the ends of a row, where windows of two places can coincide.
        """
        before = min(window.peak, self._settings.distinct)
        near = window.tokens[window.peak - before : window.peak + self._settings.distinct + 1]
        return {(before, near.tobytes()), (-1, window.tokens.tobytes())}


def choose_examples(
    findings: Findings, feature: int, distribution: Distribution, settings: CollectSettings
) -> list[Group]:
    """Choose the top examples of a feature and those of its lower intervals.

    Places too near the end of a row to show what follows are used for the top only where there are
    too few others. The intervals are cut at equally spaced quantiles, highest first; window peaks
    go before places that have a higher neighbour.
    """
    if not distribution.n_positive:
        return []
    selection = _Selection(settings)
    ranked = [*findings.followed.list_best(feature), *findings.unfollowed.list_best(feature)]
    groups = [Group("Top activations", selection.take(ranked, settings.top_examples))]
    drawn = [*findings.peaks.list_best(feature), *findings.others.list_best(feature)]
    for number in range(settings.intervals):
        high, low = distribution.edges[number : number + 2]
        windows = selection.take(_within(drawn, low, high), settings.interval_examples)
        groups.append(Group(f"Subsample interval {number}", windows))
    return groups


def choose_inactive(
    findings: Findings, feature: int, settings: CollectSettings
) -> InactiveExamples:
    """Choose windows in which a feature is off."""
    selection, count = _Selection(settings), settings.inactive_examples
    near_misses = selection.take(findings.near_misses.list_best(feature), count)
    random = selection.take(findings.random.list_best(feature), count)
    return InactiveExamples(random=random, near_misses=near_misses)


def _within(windows: Iterable[PooledWindow], low: float, high: float) -> Iterator[PooledWindow]:
    return (window for window in windows if low <= window.activations[window.peak] <= high)
