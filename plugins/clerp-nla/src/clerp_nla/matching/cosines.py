"""How near reconstructions come to vectors, by direction alone."""

import numpy as np
from jaxtyping import Float32, Float64

from clerp.verbalizers.reference import measure_norms


def measure_cosines(
    made: Float32[np.ndarray, "text d_model"], vectors: Float32[np.ndarray, "vector d_model"]
) -> Float32[np.ndarray, "text vector"]:
    """Return the cosine of each reconstruction with each vector.

    Raises:
        VerbalizerError: One of them is zero or not finite.
    """
    return (_scale(made) @ _scale(vectors).T).clip(-1, 1).astype(np.float32)


def _scale(vectors: Float32[np.ndarray, "vector d_model"]) -> Float64[np.ndarray, "vector d_model"]:
    return vectors / measure_norms(vectors)[:, np.newaxis]
