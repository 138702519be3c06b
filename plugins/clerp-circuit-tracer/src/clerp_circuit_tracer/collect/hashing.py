"""64-bit hashes of whole arrays: random order that is the same in every run."""

from typing import NamedTuple, TypeVar

import numpy as np
from jaxtyping import Int64, Integer, UInt64
from torch import Tensor

_POSITION_BITS = 24
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
# Odd, so that no two numbers have the same product modulo 2**64.
_MULTIPLIER = 0x2545F4914F6CDD1D

Numbers = TypeVar("Numbers", np.ndarray, Tensor)


class Place(NamedTuple):
    """A token of a corpus."""

    row: int
    position: int


def mix(values: UInt64[np.ndarray, "*shape"]) -> UInt64[np.ndarray, "*shape"]:
    """Scatter numbers over all 64 bits, one to one.

    The finaliser of SplitMix64 (Steele, Lea and Flood 2014).
    """
    values = values + _GOLDEN
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def number_places(
    rows: Integer[np.ndarray, "*shape"], positions: Integer[np.ndarray, "*shape"]
) -> Int64[np.ndarray, "*shape"]:
    """Number every token of a corpus, in ascending order of row and position."""
    return rows.astype(np.int64) << _POSITION_BITS | positions.astype(np.int64)


def locate(place: int) -> Place:
    """Invert `number_places`."""
    return Place(place >> _POSITION_BITS, place & (1 << _POSITION_BITS) - 1)


def hash_places(places: Int64[np.ndarray, "*shape"]) -> Int64[np.ndarray, "*shape"]:
    """Give every place of a corpus a random number of its own."""
    return mix(places.astype(np.uint64)).astype(np.int64)


def hash_features(
    seed: int, layers: Integer[np.ndarray, " feature"], indices: Integer[np.ndarray, " feature"]
) -> Int64[np.ndarray, " feature"]:
    """Give every feature a random number."""
    seeds = np.full(len(layers), seed % 2**64, dtype=np.uint64)
    features = layers.astype(np.uint64) << np.uint64(32) | indices.astype(np.uint64)
    return mix(mix(seeds) ^ features).astype(np.int64)


def shuffle(places: Numbers, features: Numbers) -> Numbers:
    """Order places at random, in another way for every feature.

    Args:
        places: Hashes of places, int64.
        features: Hashes of features, of a shape that fits.

    Returns:
        Numbers to sort by; no two places of a feature have the same. The product carries every bit
        of a hash to the top: after the exclusive-or alone, the same few places would come first
        for many features.
    """
    return (places ^ features) * _MULTIPLIER


def hash_columns(table: Integer[np.ndarray, "entry column"]) -> Int64[np.ndarray, " entry"]:
    """Hash every line of a table; equal lines are equal, others differ but for 1 in 2**64."""
    hashed = np.zeros(len(table), dtype=np.uint64)
    for column in table.T:
        hashed = mix(hashed ^ column.astype(np.uint64))
    return hashed.astype(np.int64)
