"""Agreement of two judges beyond chance."""

import numpy as np
from jaxtyping import Float

Confusions = Float[np.ndarray, "draw true found"]


def measure_kappa(confusions: Confusions) -> Float[np.ndarray, " draw"]:
    """Return Cohen's kappa (1960): agreement beyond what the two distributions give by chance.

    0 where chance alone explains everything, as when truth and finding are one and the same role.

    Args:
        confusions: How often each pair of classes was given, one matrix for each draw.
    """
    # Products with ones: numpy's sums over so short an axis take five times as long.
    ones = np.ones(confusions.shape[-1])
    true, found = confusions @ ones, ones @ confusions
    total = true @ ones
    # Times the square of the total, which keeps all of it in whole numbers.
    chance = np.einsum("dr,dr->d", true, found)
    beyond = total * np.einsum("drr->d", confusions) - chance
    room = total**2 - chance
    return np.divide(beyond, room, out=np.zeros_like(beyond), where=room > 0)
