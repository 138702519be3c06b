"""The identity of a feature inside one transcoder set, and its Cantor number."""

import math
import re
from typing import NamedTuple

from clerp.errors import UsageError

# More digits than any transcoder has latents: Python refuses to read a number of thousands.
_NUMBER = "([0-9]{1,18})"
_WRITTEN = re.compile(f"{_NUMBER}_(?:(lor)_)?{_NUMBER}")


class FeatureId(NamedTuple):
    """A feature: one latent of one layer, wherever in a prompt it is active.

    `kind` is empty for transcoder features and `lor` for the attention features (Lorsa)
    of Neuronpedia's CRM graphs, which are numbered on their own.
    """

    layer: int
    index: int  # pyright: ignore[reportIncompatibleMethodOverride] - the field's own word
    kind: str = ""

    @classmethod
    def parse(cls, written: str) -> "FeatureId":
        """Read `14_2268` (or `14_lor_2268`).

        Raises:
            UsageError: The text is not a feature.
        """
        match = _WRITTEN.fullmatch(written.strip())
        if match is None:
            raise UsageError(
                f"{written!r} is not a feature", remedy="Write layer_index, for example 14_2268"
            )
        layer, kind, index = match.groups()
        return cls(int(layer), int(index), kind or "")

    @property
    def cantor(self) -> int:
        """circuit-tracer's number of the feature: the Cantor pairing of layer and index."""
        total = self.layer + self.index
        return total * (total + 1) // 2 + self.index

    def __str__(self) -> str:
        kind = f"{self.kind}_" if self.kind else ""
        return f"{self.layer}_{kind}{self.index}"


def unpair(cantor: int) -> FeatureId:
    """Invert `FeatureId.cantor`, exactly for numbers of any size."""
    total = (math.isqrt(8 * cantor + 1) - 1) // 2
    index = cantor - total * (total + 1) // 2
    return FeatureId(total - index, index)
