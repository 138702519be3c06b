"""Exact selections from a stream: the best entries of every feature, in whatever order."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Int32, Int64

from clerp_circuit_tracer.collect.drive import Windows

_EMPTY = np.iinfo(np.int64).max


@dataclass(frozen=True, slots=True, eq=False)
class Entries:
    """What asks for a place in a pool."""

    feature: Int64[np.ndarray, " entry"]
    """Number among the wanted features."""
    rank: Int64[np.ndarray, " entry"]
    """Smaller is better; of equals the earlier place."""
    place: Int64[np.ndarray, " entry"]
    """Number in the corpus; no feature has two entries of one place."""
    context: Int64[np.ndarray, " entry"]
    """Equal for equal text near the place."""


@dataclass(frozen=True, slots=True, eq=False)
class Admission:
    """Which entries came in, and where their windows go."""

    entries: Int64[np.ndarray, " admitted"]
    slots: Int64[np.ndarray, " admitted"]


@dataclass(frozen=True, slots=True, eq=False)
class PooledWindow:
    """One entry of a pool."""

    rank: int
    place: int
    peak: int
    tokens: Int32[np.ndarray, " position"]
    activations: Float32[np.ndarray, " position"]


class Pool(ABC):
    """The best `size` entries of every feature with their windows."""

    def __init__(self, n_features: int, size: int, width: int) -> None:
        """Make an empty pool.

        Args:
            n_features: Wanted features.
            size: Most entries of each.
            width: Tokens of a window.
        """
        shape = (n_features, size)
        self._size = size
        self._rank = np.full(shape, _EMPTY)
        self._place = np.zeros(shape, np.int64)
        self._context = np.zeros(shape, np.int64)
        self._peak = np.zeros(shape, np.int32)
        self._tokens = np.zeros((*shape, width), np.int32)
        self._activations = np.zeros((*shape, width), np.float32)

    @property
    def arrays(self) -> Mapping[str, np.ndarray]:
        """The whole state, by name; written to when a checkpoint is read."""
        return {
            "rank": self._rank,
            "place": self._place,
            "context": self._context,
            "peak": self._peak,
            "tokens": self._tokens,
            "activations": self._activations,
        }

    @property
    def worst(self) -> Int64[np.ndarray, " feature"]:
        """For every feature the rank beyond which nothing comes in."""
        return self._rank.max(1)

    def admit(self, new: Entries) -> Admission:
        """Take in the entries that are among the best; their windows must be stored next."""
        slots = self._list_slots(np.unique(new.feature))
        filled = np.flatnonzero(self._rank.flat[slots] != _EMPTY)
        merged = self._merge(slots[filled], new)
        stays = self._choose(merged)
        is_free = np.ones(len(slots), bool)
        is_free[filled[stays[: len(filled)]]] = False
        free = slots[is_free]
        entered = np.flatnonzero(stays[len(filled) :])
        entered = entered[np.argsort(new.feature[entered], kind="stable")]
        # Entries never become fewer, so that all slots that lost theirs are taken again.
        taken = free[_pair(free // self._size, new.feature[entered])]
        self._rank.flat[taken] = new.rank[entered]
        self._place.flat[taken] = new.place[entered]
        self._context.flat[taken] = new.context[entered]
        return Admission(entered, taken)

    def store(self, slots: Int64[np.ndarray, " admitted"], windows: Windows) -> None:
        """Keep the windows of admitted entries."""
        width = self._tokens.shape[2]
        self._peak.flat[slots] = windows.peak
        self._tokens.reshape(-1, width)[slots] = windows.tokens
        self._activations.reshape(-1, width)[slots] = windows.activations

    def list_best(self, feature: int) -> list[PooledWindow]:
        """List the entries of a feature, best first."""
        order = np.lexsort((self._place[feature], self._rank[feature]))
        held = [slot for slot in order.tolist() if self._rank[feature, slot] != _EMPTY]
        return [self._read(feature, slot) for slot in held]

    @abstractmethod
    def _choose(self, entries: Entries) -> Bool[np.ndarray, " entry"]:
        """Say which entries are among the best of their feature."""

    def _read(self, feature: int, slot: int) -> PooledWindow:
        tokens = self._tokens[feature, slot]
        length = int(np.count_nonzero(tokens >= 0))
        return PooledWindow(
            rank=int(self._rank[feature, slot]),
            place=int(self._place[feature, slot]),
            peak=int(self._peak[feature, slot]),
            tokens=tokens[:length],
            activations=self._activations[feature, slot, :length],
        )

    def _list_slots(self, features: Int64[np.ndarray, " feature"]) -> Int64[np.ndarray, " slot"]:
        return (features[:, None] * self._size + np.arange(self._size)).ravel()

    def _merge(self, slots: Int64[np.ndarray, " slot"], new: Entries) -> Entries:
        return Entries(
            feature=np.concatenate([slots // self._size, new.feature]),
            rank=np.concatenate([self._rank.flat[slots], new.rank]),
            place=np.concatenate([self._place.flat[slots], new.place]),
            context=np.concatenate([self._context.flat[slots], new.context]),
        )


class Ranking(Pool):
    """The best entry of each of the best contexts.

    It stays exact: a context that was pushed out had `size` better ones before it, and these can
    only become better.
    """

    def _choose(self, entries: Entries) -> Bool[np.ndarray, " entry"]:
        order = np.lexsort((entries.place, entries.rank, entries.context, entries.feature))
        best = order[_starts_group(entries.feature[order], entries.context[order])]
        order = best[np.lexsort((entries.place[best], entries.rank[best], entries.feature[best]))]
        begins = _starts_group(entries.feature[order])
        stays = np.zeros(len(entries.feature), bool)
        stays[order[_count_within(begins) < self._size]] = True
        return stays


class Sample(Pool):
    """A uniform sample without replacement, where ranks are random: bottom-k sampling.

    No two ranks of a feature are equal.
    """

    def _choose(self, entries: Entries) -> Bool[np.ndarray, " entry"]:
        order = np.argsort(entries.feature, kind="stable")
        begins = _starts_group(entries.feature[order])
        column, line = _count_within(begins), begins.cumsum() - 1
        # A line for each feature: to sort these is many times faster than to sort everything.
        table = np.full((line[-1] + 1, max(column.max() + 1, self._size)), _EMPTY)
        table[line, column] = entries.rank[order]
        last = np.partition(table, self._size - 1, axis=1)[:, self._size - 1]
        stays = np.zeros(len(entries.feature), bool)
        stays[order] = entries.rank[order] <= last[line]
        return stays


def _starts_group(*sorted_keys: Int64[np.ndarray, " entry"]) -> Bool[np.ndarray, " entry"]:
    """Say where keys begin to differ from those before them."""
    begins = np.ones(len(sorted_keys[0]), bool)
    begins[1:] = np.any([keys[1:] != keys[:-1] for keys in sorted_keys], axis=0)
    return begins


def _count_within(begins: Bool[np.ndarray, " entry"]) -> Int64[np.ndarray, " entry"]:
    """Number the entries of each group from 0."""
    numbers = np.arange(len(begins))
    return numbers - np.maximum.accumulate(np.where(begins, numbers, 0))


def _pair(
    owners: Int64[np.ndarray, " slot"], features: Int64[np.ndarray, " entry"]
) -> Int64[np.ndarray, " entry"]:
    """Give each entry a slot of its own feature; both are sorted by feature."""
    return np.searchsorted(owners, features) + _count_within(_starts_group(features))
