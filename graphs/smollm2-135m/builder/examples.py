"""Which places of the corpus stand for a feature."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional

from .config import EvidenceConfig


@dataclass(frozen=True)
class Place:
    """One token of the corpus: its row and its column."""

    sequence: int
    position: int


@dataclass(frozen=True)
class Group:
    """Places of one range of activation."""

    name: str
    places: list[Place]


@dataclass
class _Selection:
    """Places taken so far, of all groups: no two share a context or lie too close."""

    tokens: Int[Tensor, "sequence position"]
    config: EvidenceConfig
    taken: list[Place] = field(default_factory=list)
    contexts: set[tuple[int, ...]] = field(default_factory=set)

    def take(self, places: Iterable[Place], count: int) -> list[Place]:
        """Take the first `count` places that are new."""
        chosen: list[Place] = []
        for place in places:
            if len(chosen) == count:
                break
            if self._is_new(place):
                chosen.append(place)
                self.taken.append(place)
                self.contexts |= self._contexts(place)
        return chosen

    def _is_new(self, place: Place) -> bool:
        return self.contexts.isdisjoint(self._contexts(place)) and all(
            other.sequence != place.sequence
            or abs(other.position - place.position) >= self.config.spacing
            for other in self.taken
        )

    def _contexts(self, place: Place) -> set[tuple[int, ...]]:
        """Return the tokens near the peak and those of the window.

        The second matters at the ends of a row, where windows of two places can coincide.
        """
        row, near = self.tokens[place.sequence], self.config.distinct
        start = start_window(place, len(row), self.config)
        around = row[max(0, place.position - near) : place.position + near + 1]
        window = row[start : start + 2 * self.config.context + 1]
        return {tuple(around.tolist()), tuple(window.tolist())}


def choose_examples(
    activations: Float[Tensor, "sequence position"],
    tokens: Int[Tensor, "sequence position"],
    config: EvidenceConfig,
    generator: torch.Generator,
) -> list[Group]:
    """Choose the top examples of one feature and those of its lower ranges.

    A place qualifies for the top if nothing in its window is higher. Places too near the end of a
    row to show what follows are used only where there are too few others: the model never saw that
    end. Places near the start stay, for there it did see less. The lower ranges are cut at
    equally spaced quantiles of all positive activations, highest range first; they are drawn at
    random, peaks of their window before places that have a higher neighbour.

    Args:
        activations: One feature over the corpus.
        tokens: The corpus.
        config: How many, how far apart, how wide.
        generator: Draws the lower ranges.
    """
    peaks = _find_peaks(activations, config.context)
    selection = _Selection(tokens, config)
    ranked = _list_places(_by_value(activations, peaks))
    top = selection.take(_followed_first(ranked, tokens.shape[1], config), config.top_examples)
    groups = [Group("Top activations", top)]
    edges = activations[activations > 0].quantile(torch.linspace(1, 0, config.intervals + 1))
    for number in range(config.intervals):
        inside = (activations <= edges[number]) & (activations >= edges[number + 1])
        drawn = [
            place
            for pool in (inside & peaks, inside & ~peaks & (activations > 0))
            for place in _list_places(_shuffled(pool, generator))
        ]
        places = selection.take(drawn, config.interval_examples)
        groups.append(Group(f"Subsample interval {number}", places))
    return groups


def start_window(place: Place, length: int, config: EvidenceConfig) -> int:
    """Return the first column of a place's window.

    Every window has the same width; near an end of the row it is pushed inwards, off BOS.
    """
    width = 2 * config.context + 1
    return max(1, min(place.position - config.context, length - width))


def _find_peaks(
    activations: Float[Tensor, "sequence position"], context: int
) -> Bool[Tensor, "sequence position"]:
    width = 2 * context + 1
    length = activations.shape[1]
    maxima = functional.max_pool1d(activations[:, None, 1:], width, stride=1)[:, 0]
    starts = (torch.arange(length) - context).clamp(min=1, max=length - width)
    return (activations > 0) & (activations == maxima[:, starts - 1])


def _followed_first(places: list[Place], length: int, config: EvidenceConfig) -> Iterator[Place]:
    def is_followed(place: Place) -> bool:
        return place.position + config.context < length

    yield from (place for place in places if is_followed(place))
    yield from (place for place in places if not is_followed(place))


def _by_value(
    activations: Float[Tensor, "sequence position"], mask: Bool[Tensor, "sequence position"]
) -> Int[Tensor, "place 2"]:
    places = mask.nonzero()
    return places[activations[mask].argsort(descending=True, stable=True)]


def _shuffled(
    mask: Bool[Tensor, "sequence position"], generator: torch.Generator
) -> Int[Tensor, "place 2"]:
    places = mask.nonzero()
    # More than this many are never needed: each draw loses at most a few to its neighbours.
    return places[torch.randperm(len(places), generator=generator)[:256]]


def _list_places(places: Int[Tensor, "place 2"]) -> list[Place]:
    return [Place(sequence, position) for sequence, position in places.tolist()]
