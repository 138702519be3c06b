"""What the wanted features do on one batch, and the places that stand out in it."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Int, Int32, Int64
from torch import Tensor
from torch.nn import functional

from clerp.errors import EvidenceError
from clerp_circuit_tracer.collect.activity import Batch, LayerActivity
from clerp_circuit_tracer.collect.hashing import (
    hash_columns,
    hash_places,
    number_places,
    shuffle,
)
from clerp_circuit_tracer.collect.settings import CollectSettings
from clerp_circuit_tracer.collect.wanted import WantedFeatures

_OUTSIDE = -1
"""In the place of a token beyond the end of a row."""


@dataclass(frozen=True, slots=True, eq=False)
class Places:
    """Tokens of a batch, each for one feature."""

    feature: Int64[np.ndarray, " place"]
    """Number among the wanted features."""
    row: Int64[np.ndarray, " place"]
    """Row of the batch, not of the corpus."""
    position: Int64[np.ndarray, " place"]
    value: Float32[np.ndarray, " place"]
    """Activation where the feature fires, else its margin."""

    def __len__(self) -> int:
        return len(self.feature)

    def select(self, chosen: Bool[np.ndarray, " place"] | Int64[np.ndarray, " chosen"]) -> "Places":
        """Return some of them."""
        return Places(
            self.feature[chosen], self.row[chosen], self.position[chosen], self.value[chosen]
        )


@dataclass(frozen=True, slots=True, eq=False)
class Firing:
    """Where features fire."""

    places: Places
    is_peak: Bool[np.ndarray, " place"]
    """Nothing in the place's window is higher, and nothing just before it as high."""


@dataclass(frozen=True, slots=True, eq=False)
class Windows:
    """Stretches of text around places, all of one width."""

    tokens: Int32[np.ndarray, "window position"]
    """-1 where a row is shorter than a window."""
    activations: Float32[np.ndarray, "window position"]
    peak: Int32[np.ndarray, " window"]
    """Where in its window a place is."""


class Drive:
    """The drive of every wanted feature: its activation where it fires, else its margin.

    One array says both what a feature does and how near it is to doing something: a window is off
    where its highest drive is not positive.

    Attributes:
        batch: The batch.
        places: Number in the corpus of every token of the batch.
    """

    def __init__(
        self,
        batch: Batch,
        layers: Iterable[LayerActivity],
        wanted: WantedFeatures,
        settings: CollectSettings,
    ) -> None:
        """Take in what the reader yields for a batch.

        Raises:
            EvidenceError: A layer is missing or of another shape, or a number is not finite.
        """
        self.batch = batch
        self._settings = settings
        self._values = _stack(batch, layers, wanted)
        _check_finite(self._values, batch, wanted)
        self._device = self._values.device
        self._tokens = batch.tokens.cpu().numpy()
        self.lengths = batch.lengths.cpu().numpy()
        self._starts = self._find_starts()
        # By the first position of a window.
        self._highest = slide_max(self._values, settings.width)
        rows = np.array([row.number for row in batch.rows])
        positions = np.arange(self._tokens.shape[1])
        self.places = number_places(*np.broadcast_arrays(rows[:, None], positions))

    def find_firing(self) -> Firing:
        """Find every positive activation."""
        where = (self._values > 0).nonzero(as_tuple=True)
        return Firing(self._to_places(where), self._tops_window(where).cpu().numpy())

    def find_near_misses(self, floor: Float32[np.ndarray, " feature"]) -> Places:
        """Find places of negative drive that top their window.

        Args:
            floor: Least drive to look at.
        """
        floors = torch.from_numpy(floor).to(self._device)
        candidates = ((self._values <= 0) & (self._values >= floors)).nonzero(as_tuple=True)
        tops = self._tops_window(candidates)
        return self._to_places(tuple(index[tops] for index in candidates))

    def find_off_windows(
        self, keys: Int64[np.ndarray, " feature"], worst: Int64[np.ndarray, " feature"]
    ) -> Places:
        """Draw windows in which a feature is off everywhere.

        Args:
            keys: Random number of every feature; see `hash_features`.
            worst: Windows that `shuffle` ranks beyond it are left out.

        Returns:
            The middle of each window.
        """
        hashed = torch.from_numpy(hash_places(self.places)).to(self._device)
        ranks = shuffle(hashed[:, :, None], torch.from_numpy(keys).to(self._device))
        drawn = ranks <= torch.from_numpy(worst).to(self._device)
        drawn &= (self._highest <= 0) & self._is_start()[:, :, None]
        row, start, feature = drawn.nonzero(as_tuple=True)
        lengths = self.batch.lengths.to(self._device)[row]
        middle = torch.minimum(start + self._settings.context, (start + lengths) // 2)
        return self._to_places((row, middle, feature))

    def start_windows(self, places: Places) -> Int64[np.ndarray, " place"]:
        """Return the first position of each window: in the middle, but pushed inwards."""
        return self._starts.cpu().numpy()[places.row, places.position]

    def cut_windows(self, places: Places) -> Windows:
        """Copy the windows of some places."""
        starts = self.start_windows(places)
        positions = starts[:, None] + np.arange(self._settings.width)
        inside = positions < self.lengths[places.row, None]
        positions = np.where(inside, positions, 0)
        tokens = self._tokens[places.row[:, None], positions]
        values = self._look_up(places.row[:, None], positions, places.feature[:, None])
        return Windows(
            tokens=np.where(inside, tokens, _OUTSIDE).astype(np.int32),
            activations=np.where(inside, values, 0).clip(min=0),
            peak=(places.position - starts).astype(np.int32),
        )

    def hash_contexts(self, places: Places) -> Int64[np.ndarray, " place"]:
        """Hash the tokens near each place, as far as its row reaches."""
        reach = self._settings.distinct
        positions = places.position[:, None] + np.arange(-reach, reach + 1)
        inside = (positions >= self.batch.prefix) & (positions < self.lengths[places.row, None])
        tokens = self._tokens[places.row[:, None], np.where(inside, positions, 0)]
        return hash_columns(np.where(inside, tokens, _OUTSIDE))

    def _find_starts(self) -> Int[Tensor, "row position"]:
        positions = torch.arange(self._values.shape[1], device=self._device)
        last = self.batch.lengths.to(self._device)[:, None] - self._settings.width
        return torch.minimum(positions - self._settings.context, last).clamp(min=self.batch.prefix)

    def _is_start(self) -> Bool[Tensor, "row position"]:
        """Say where a window can begin; a row that is shorter than one has a single window."""
        positions = torch.arange(self._values.shape[1], device=self._device)
        lengths = self.batch.lengths.to(self._device)[:, None]
        last = (lengths - self._settings.width).clamp(min=self.batch.prefix)
        return (positions >= self.batch.prefix) & (positions <= last) & (positions < lengths)

    def _tops_window(self, where: tuple[Tensor, ...]) -> Bool[Tensor, " place"]:
        row, position, feature = where
        tops = self._highest[row, self._starts[row, position], feature] == self._values[where]
        found = tops.nonzero(as_tuple=True)[0]
        tops[found] = self._is_first(row[found], position[found], feature[found])
        return tops

    def _is_first(self, row: Tensor, position: Tensor, feature: Tensor) -> Bool[Tensor, " place"]:
        """Say of places that top their window whether none just before them is as high."""
        back = torch.arange(1, self._settings.spacing, device=self._device)
        before = position[:, None] - back
        values = self._values[row[:, None], before.clamp(min=0), feature[:, None]]
        values = values.masked_fill(before < 0, -torch.inf)
        return values.amax(1) < self._values[row, position, feature]

    def _to_places(self, where: tuple[Tensor, ...]) -> Places:
        row, position, feature = where
        value = self._values[row, position, feature]
        return Places(*(each.cpu().numpy() for each in (feature, row, position, value)))

    def _look_up(self, *where: np.ndarray) -> Float32[np.ndarray, "place position"]:
        at = tuple(torch.from_numpy(index).to(self._device) for index in where)
        return self._values[at].cpu().numpy()


def slide_max(
    values: Float[Tensor, "row position feature"], width: int
) -> Float[Tensor, "row position feature"]:
    """Return the greatest of each value and the `width - 1` after it in its row.

    Windows double until they are wide enough, so the cost grows with the logarithm of the width.
    """
    highest = functional.pad(values, (0, 0, 0, width - 1), value=-torch.inf)
    covered = 1
    while covered < width:
        step = min(covered, width - covered)
        highest = torch.maximum(highest[:, :-step], highest[:, step:])
        covered += step
    return highest


def _stack(
    batch: Batch, layers: Iterable[LayerActivity], wanted: WantedFeatures
) -> Float[Tensor, "row position feature"]:
    parts: dict[int, Tensor] = {}
    for activity in layers:
        shape = (*batch.tokens.shape, len(wanted.spans.get(activity.layer, ())))
        if activity.activations.shape != shape or activity.margins.shape != shape:
            raise EvidenceError(
                f"activations of layer {activity.layer} have the shape "
                f"{tuple(activity.activations.shape)}, margins {tuple(activity.margins.shape)}, "
                f"where {shape} is wanted"
            )
        margins = activity.margins.clamp(max=0)
        fires = activity.activations > 0
        parts[activity.layer] = torch.where(fires, activity.activations, margins).float()
    if parts.keys() != wanted.spans.keys():
        missing = sorted(wanted.spans.keys() - parts.keys())
        raise EvidenceError(f"the model gave no activations of the layers {missing}")
    return torch.cat([parts[layer] for layer in wanted.spans], dim=2)


def _check_finite(
    values: Float[Tensor, "row position feature"], batch: Batch, wanted: WantedFeatures
) -> None:
    broken = ~(values.amax((0, 1)) < torch.inf)
    if broken.any():
        feature = wanted.features[int(broken.nonzero()[0])]
        numbers = [row.number for row in batch.rows]
        raise EvidenceError(
            f"an activation of {feature} is not finite",
            where=f"rows {min(numbers)} to {max(numbers)} of the corpus",
            remedy="Run the model in float32",
        )
