"""What residuals of one model, layer and kind of text are like: what every figure is held against.

Of residuals only the direction is described and reconstructed, so all is about unit vectors. Their
mean is far from zero (on some models .98 long), which is why a plain cosine means nothing.
"""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64

from clerp.errors import VerbalizerError

FEWEST = 64
"""Vectors that it takes."""
_NORM_PERCENTILES = (1, 99)
_LEAST_VARIANCE = 1e-6
_STORED = np.dtype("<f4")


@dataclass(frozen=True, slots=True, eq=False)
class Reference:
    """Mean and spread of unit residuals."""

    mean: Float32[np.ndarray, " d_model"]
    """Of the unit vectors, itself shorter than 1."""
    variance: float
    """Mean squared distance of a unit vector from the mean, which is 1 minus the mean's squared
    length: the denominator of the fraction of variance explained (FVE)."""
    n: int
    """Vectors that were measured."""
    low_norm: float
    """First percentile of the vectors' lengths."""
    high_norm: float
    """99th percentile."""

    def to_record(self) -> dict[str, str | float | int]:
        """Return plain values, the mean as base64 of little-endian single precision."""
        mean = base64.b64encode(self.mean.astype(_STORED).tobytes()).decode("ascii")
        return {
            "mean": mean,
            "variance": self.variance,
            "n": self.n,
            "low_norm": self.low_norm,
            "high_norm": self.high_norm,
        }


def measure_reference(vectors: Float32[np.ndarray, "vector d_model"]) -> Reference:
    """Measure residuals of ordinary text.

    Args:
        vectors: Residuals as the model has them, not normed, at least `FEWEST`.

    Raises:
        VerbalizerError: They are too few, all alike, or not all finite and different from zero.
    """
    if len(vectors) < FEWEST:
        raise VerbalizerError(
            f"{len(vectors)} reference vectors are too few to say what residuals are like",
            remedy=f"Give at least {FEWEST}, of different texts",
        )
    norms = measure_norms(vectors)
    mean = (vectors / norms[:, np.newaxis]).mean(axis=0).astype(np.float32)
    variance = 1 - float(np.square(mean, dtype=np.float64).sum())
    if variance < _LEAST_VARIANCE:
        raise VerbalizerError(
            "the reference vectors all point the same way", remedy="Take them from different texts"
        )
    low, high = np.percentile(norms, _NORM_PERCENTILES)
    return Reference(mean, variance, len(vectors), float(low), float(high))


def read_reference(record: Mapping[str, object]) -> Reference:
    """Read what `Reference.to_record` wrote.

    Raises:
        VerbalizerError: It is not of that form.
    """
    try:
        mean = np.frombuffer(base64.b64decode(str(record["mean"]), validate=True), _STORED)
        variance, low, high = (
            float(str(record[key])) for key in ("variance", "low_norm", "high_norm")
        )
        n = int(str(record["n"]))
    except (KeyError, ValueError, binascii.Error) as fault:
        raise VerbalizerError(
            f"a reference that cannot be read: {type(fault).__name__}: {fault}",
            remedy="Have it measured again",
        ) from fault
    usable = mean.size > 0 and bool(np.isfinite(mean).all()) and np.isfinite([low, high]).all()
    if not (usable and _LEAST_VARIANCE <= variance <= 1 and n >= FEWEST):
        raise VerbalizerError(
            "a reference whose figures cannot be right", remedy="Have it measured again"
        )
    return Reference(mean.astype(np.float32), variance, n, low, high)


def measure_norms(vectors: Float32[np.ndarray, "vector d_model"]) -> Float64[np.ndarray, " vector"]:
    """Return the length of each vector.

    Raises:
        VerbalizerError: One is zero or not finite.
    """
    # Squares of single precision overflow in single precision.
    norms = np.sqrt(np.square(vectors, dtype=np.float64).sum(axis=1))
    wrong = np.flatnonzero(~np.isfinite(norms) | (norms == 0))
    if len(wrong):
        raise VerbalizerError(
            f"vector {wrong[0]} of {len(vectors)} is zero or not finite",
            remedy="Check how residuals are taken, and in which precision the model runs",
        )
    return norms
