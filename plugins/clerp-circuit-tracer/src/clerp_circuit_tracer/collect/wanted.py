"""The features to collect evidence of."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from types import MappingProxyType

from clerp.errors import UsageError
from clerp.feature import FeatureId
from clerp_circuit_tracer.collect.activity import ActivityReader


@dataclass(frozen=True, slots=True)
class WantedFeatures:
    """Features in ascending order; arrays are numbered by their place in it."""

    features: tuple[FeatureId, ...]
    spans: Mapping[int, range]
    """By layer: the numbers of its features."""

    def of_layer(self, layer: int) -> Sequence[tuple[int, FeatureId]]:
        """Return the features of a layer with their numbers."""
        return [(number, self.features[number]) for number in self.spans.get(layer, ())]


def sort_wanted(features: Iterable[FeatureId], reader: ActivityReader) -> WantedFeatures:
    """Put features in order, each once.

    Raises:
        UsageError: There are none, or the reader's transcoders lack one.
    """
    ordered = sorted(set(features))
    if not ordered:
        raise UsageError("no feature is wanted", remedy="Name a graph with feature nodes")
    for feature in ordered:
        _check_feature(feature, reader)
    spans: dict[int, range] = {}
    for layer, group in groupby(range(len(ordered)), key=lambda number: ordered[number].layer):
        numbers = list(group)
        spans[layer] = range(numbers[0], numbers[-1] + 1)
    return WantedFeatures(tuple(ordered), MappingProxyType(spans))


def _check_feature(feature: FeatureId, reader: ActivityReader) -> None:
    if feature.kind:
        raise UsageError(
            f"{feature} is an attention feature, which no transcoder has",
            remedy="Leave attention features out",
        )
    if not (0 <= feature.layer < reader.n_layers and 0 <= feature.index < reader.n_features):
        raise UsageError(
            f"{feature} is outside {reader.scan}, which has {reader.n_layers} layers of "
            f"{reader.n_features} features",
            remedy="Check that the transcoders are those of the graph",
        )
