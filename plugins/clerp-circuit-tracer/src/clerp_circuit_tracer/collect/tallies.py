"""How often and how strongly features fire."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from clerp_circuit_tracer.collect.drive import Places
from clerp_circuit_tracer.collect.settings import CollectSettings
from clerp_circuit_tracer.collect.sketch import Buckets


@dataclass(frozen=True, slots=True)
class Distribution:
    """The positive activations of one feature; zeros and no quantiles where there are none."""

    n_positive: int
    act_min: float
    act_max: float
    quantiles: tuple[float, ...]
    """At equally spaced shares, ascending; the last is `act_max`."""
    edges: tuple[float, ...]
    """Borders of the intervals, descending from `act_max` to `act_min`."""
    histogram: tuple[int, ...]
    """Counts in equal bins from `act_min` to `act_max`."""


class Tallies:
    """Counts, ends and sketches of all wanted features."""

    def __init__(self, n_features: int, settings: CollectSettings) -> None:
        self._settings = settings
        self._buckets = Buckets(settings.quantile_error)
        self._lowest = np.full(n_features, np.inf, np.float32)
        self._highest = np.zeros(n_features, np.float32)
        self._sketch = np.zeros((n_features, self._buckets.n), np.int64)

    @property
    def arrays(self) -> Mapping[str, np.ndarray]:
        """The whole state, by name; written to when a checkpoint is read."""
        return {"lowest": self._lowest, "highest": self._highest, "sketch": self._sketch}

    def add(self, firing: Places) -> None:
        """Count positive activations."""
        np.minimum.at(self._lowest, firing.feature, firing.value)
        np.maximum.at(self._highest, firing.feature, firing.value)
        at = firing.feature * self._buckets.n + self._buckets.find(firing.value)
        np.add.at(self._sketch.reshape(-1), at, 1)

    def describe(self, feature: int) -> Distribution:
        """Return what is known of a feature by now."""
        settings, counts = self._settings, self._sketch[feature]
        if not counts.any():
            return Distribution(0, 0.0, 0.0, (), (), (0,) * settings.histogram_bins)
        lowest, highest = float(self._lowest[feature]), float(self._highest[feature])
        spread = self._buckets.spread(counts, settings.histogram_bins, lowest, highest)
        return Distribution(
            n_positive=int(counts.sum()),
            act_min=lowest,
            act_max=highest,
            quantiles=self._divide(feature, settings.percentiles)[1:],
            edges=self._divide(feature, settings.intervals)[::-1],
            histogram=tuple(spread.tolist()),
        )

    def _divide(self, feature: int, steps: int) -> tuple[float, ...]:
        lowest, highest = float(self._lowest[feature]), float(self._highest[feature])
        shares = np.linspace(0, 1, steps + 1)[1:-1]
        inner = self._buckets.find_quantiles(self._sketch[feature], shares)
        return (lowest, *inner.clip(lowest, highest).tolist(), highest)
