"""What a pair that was written gives back of vectors that it has not seen."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32

from clerp.verbalizers import Sampling
from clerp.verbalizers.reference import measure_reference
from clerp_nla.pair.pair import Pair
from clerp_nla.training.pairs import Lessons

_SEED = 0
_GREEDY = Sampling(temperature=0.0, max_new_tokens=80)


@dataclass(frozen=True, slots=True)
class Figures:
    """Fractions of variance explained (FVE), mean over vectors, and what goes with them."""

    n: int
    variance: float
    """Of unit vectors about their mean: the denominator."""
    fve: float
    """Vector to text, the likeliest token each time, and back."""
    taught_fve: float
    """Of the texts that were to be learned."""
    mismatch_fve: float
    """Of each text and the next vector."""
    random_fve: float
    """The way there and back for Gaussian vectors."""
    random_texts: int
    """Different texts of as many Gaussian vectors as there are others."""


def measure_pair(pair: Pair, lessons: Lessons) -> Figures:
    """Send vectors through both halves of a pair.

    Args:
        pair: As it is loaded by everybody.
        lessons: Vectors that it has not seen, and what it should say of them.

    Raises:
        InputError: The pair is not one.
        VerbalizerError: The vectors are fewer than 64.
    """
    vectors = lessons.vectors
    noise = np.random.default_rng(_SEED).standard_normal(vectors.shape).astype(np.float32)
    with pair.acting() as actor:
        said = [one.text for one in actor.describe(vectors, _GREEDY)]
        said_of_noise = [one.text for one in actor.describe(noise, _GREEDY)]
    with pair.criticizing() as critic:
        found = critic.reconstruct(said)
        taught = critic.reconstruct(lessons.texts)
        of_noise = critic.reconstruct(said_of_noise)
    variance = measure_reference(vectors).variance
    return Figures(
        n=len(vectors),
        variance=variance,
        fve=_explain(found, vectors, variance),
        taught_fve=_explain(taught, vectors, variance),
        mismatch_fve=_explain(found, np.roll(vectors, 1, axis=0), variance),
        random_fve=_explain(of_noise, noise, variance),
        random_texts=len(set(said_of_noise)),
    )


def _explain(
    found: Float32[np.ndarray, "text d_model"],
    vectors: Float32[np.ndarray, "text d_model"],
    variance: float,
) -> float:
    lengths = np.linalg.norm(found, axis=1) * np.linalg.norm(vectors, axis=1)
    cosines = (found * vectors).sum(1) / lengths
    return float(1 - 2 * (1 - cosines.mean()) / variance)
