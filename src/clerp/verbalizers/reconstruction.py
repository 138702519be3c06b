"""How much of a residual the critic gives back from what the actor said of it.

It shows that the pair works on these vectors. It is no measure of truth: on a toy of known truth
the explained variance of a text tells its true claims from false ones no better than chance.

All is computed from cosines, since servers give no more. With unit vectors r (reconstruction) and
v (residual), and m the mean of unit residuals, which is shorter than 1::

    |r - v|^2       = 2 - 2 r.v
    FVE             = 1 - |r - v|^2 / E|v - m|^2
    (r - m).(v - m) = r.v - r.m - m.v + m.m
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32, Float64

from clerp.errors import VerbalizerError
from clerp.verbalizers.reference import Reference, measure_norms

FEWEST_DISTRACTORS = 63
"""Vectors of other texts that it takes to rank one's own among them."""
DECIMALS = 4
_TIE = 1e-6
_ROUNDING = 1e-2
"""By which a cosine of half precision may pass 1."""


@dataclass(frozen=True, slots=True)
class Reconstruction:
    """What the texts of a feature give back of the residuals that they are about."""

    fve: float
    """Fraction of variance explained, mean over texts: 1 is all, 0 what the mean gives."""
    variance: float
    """The denominator: mean squared distance of unit residuals from their mean."""
    n_reference: int | None
    """Residuals that the mean and the variance are of; None where a server does not say."""
    mismatch_fve: float | None
    """The same for residuals that the texts are not about; None where there is no such control."""
    rank: float | None
    """Place of a text's own residual among the distractors by centred cosine, median over texts:
    1 is the nearest. A distractor as near as the own residual comes first."""
    n_distractors: int
    n_texts: int

    @property
    def beats_controls(self) -> bool:
        """Whether the texts give back more than the mean does, and more than of others."""
        return self.fve > max(0.0, self.mismatch_fve or 0.0)


def list_targets(
    vectors: Float32[np.ndarray, "vector d_model"],
    others: Float32[np.ndarray, "other d_model"],
    reference: Reference,
) -> Float32[np.ndarray, "target d_model"]:
    """List all that texts are compared with, for one call of `VectorVerbalizer.compare`.

    Args:
        vectors: Residuals that the texts are about.
        others: Residuals of other features or of ordinary text.
        reference: What residuals are like.
    """
    return np.vstack([vectors, others, reference.mean[np.newaxis]])


def measure_reconstruction(
    cosines: Float[np.ndarray, "text target"],
    said_of: Sequence[int],
    targets: Float32[np.ndarray, "target d_model"],
    n_vectors: int,
    reference: Reference,
) -> Reconstruction:
    """Measure what texts give back, beside the controls.

    For residuals only: a decoder row and a difference of residuals do not lie where residuals do.

    Args:
        cosines: Of the critic's reconstruction of each text with each target.
        said_of: Which of the first targets each text is about.
        targets: As `list_targets` has them: the texts' own, others, the mean.
        n_vectors: How many of the targets are the texts' own.
        reference: What residuals are like.

    Raises:
        VerbalizerError: There is no text, a cosine is none, or a vector is zero or not finite.
    """
    exact = _check(cosines)
    own_places = np.asarray(said_of, dtype=np.int64)
    fve = 1 - 2 * (1 - exact[:, :-1]) / reference.variance
    nearness = _centre(exact, targets, reference)
    texts = np.arange(len(exact))
    others = slice(n_vectors, len(targets) - 1)
    own_nearness = nearness[texts, own_places][:, np.newaxis]
    ranks = 1 + (nearness[:, others] >= own_nearness - _TIE).sum(axis=1)
    n_distractors = len(targets) - 1 - n_vectors
    return Reconstruction(
        fve=_round(fve[texts, own_places].mean()),
        variance=_round(reference.variance),
        n_reference=reference.n,
        mismatch_fve=_round(fve[:, others].mean()) if n_distractors else None,
        rank=float(np.median(ranks)) if n_distractors >= FEWEST_DISTRACTORS else None,
        n_distractors=n_distractors,
        n_texts=len(exact),
    )


def summarise_cosines(cosines: Sequence[float], variance: float) -> Reconstruction:
    """Measure what texts give back where a server tells no more than their own cosines.

    Args:
        cosines: Of each text's reconstruction with the residual that it is about.
        variance: Of unit residuals about their mean, by the server.

    Raises:
        VerbalizerError: There is no text, a cosine is none, or the variance is not in (0, 1].
    """
    if not 0 < variance <= 1:
        raise VerbalizerError(f"{variance} is no variance of unit vectors")
    exact = _check(np.array(cosines, dtype=np.float64)[:, np.newaxis])
    return Reconstruction(
        fve=_round((1 - 2 * (1 - exact) / variance).mean()),
        variance=_round(variance),
        n_reference=None,
        mismatch_fve=None,
        rank=None,
        n_distractors=0,
        n_texts=len(exact),
    )


def _centre(
    cosines: Float64[np.ndarray, "text target"],
    targets: Float32[np.ndarray, "target d_model"],
    reference: Reference,
) -> Float64[np.ndarray, "text vector"]:
    """Return centred cosines, but for a factor of each text that does not change its order."""
    mean = reference.mean.astype(np.float64)
    length_squared = float(mean @ mean)
    vectors = targets[:-1]
    along = (vectors @ mean) / measure_norms(vectors)
    by_mean = cosines[:, -1:] * np.sqrt(length_squared)
    spread = np.sqrt(np.maximum(1 - 2 * along + length_squared, _TIE))
    return (cosines[:, :-1] - by_mean - along + length_squared) / spread


def _check(cosines: Float[np.ndarray, "text target"]) -> Float64[np.ndarray, "text target"]:
    if not len(cosines):
        raise VerbalizerError("there is no text whose reconstruction could be measured")
    exact = cosines.astype(np.float64)
    if not bool((np.abs(exact) <= 1 + _ROUNDING).all()):
        raise VerbalizerError("a cosine that is no number between -1 and 1")
    return exact.clip(-1, 1)


def _round(value: float) -> float:
    return round(float(value), DECIMALS)
