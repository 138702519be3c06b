"""What Neuronpedia lists of the pairs that it hosts, and which pair one of them is."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from clerp.errors import NotAvailableError
from clerp.verbalizers import ModelClaim, PairIdentity
from clerp_nla.matching.names import is_same_model

UNTESTED = "the public pair was not tested on residuals of ordinary text"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A pair, as the API lists it."""

    modelId: str  # noqa: N815 - the API's own name
    id: str
    layerNum: int  # noqa: N815 - the API's own name
    norm: float | None = None
    av: str | None = None
    ar: str | None = None

    @property
    def name(self) -> str:
        """`MODEL/SOURCE`."""
        return f"{self.modelId}/{self.id}"

    @property
    def variance(self) -> float | None:
        """Of unit residuals, where the API says a value that can be one."""
        return self.norm if self.norm is not None and 0 < self.norm <= 1 else None

    def identify(self) -> PairIdentity:
        """Say which pair it is; how wide its residuals are is not told."""
        return PairIdentity(
            f"neuronpedia:{self.name}",
            self._sum_up(),
            self.modelId,
            self.layerNum,
            d_model=0,
            untested=UNTESTED,
        )

    def _sum_up(self) -> str:
        """Return a digest of the models behind it, and their names."""
        models = f"av {self.av or 'unnamed'}, ar {self.ar or 'unnamed'}"
        plain = " ".join(models.split())[:200]
        return f"{hashlib.sha256(models.encode(errors='replace')).hexdigest()[:12]} ({plain})"


@dataclass(frozen=True, slots=True)
class Sources:
    """All pairs, as the API lists them."""

    sources: list[Source]


def choose_source(listed: Sequence[Source], named: str, claim: ModelClaim) -> Source:
    """Return the source for a model: of several the first by name.

    Args:
        listed: All that there are.
        named: `MODEL/SOURCE`, the only one that will do; empty where any will.
        claim: What the graph says.

    Raises:
        NotAvailableError: There is none.
    """
    fitting = [
        one for one in listed if named in ("", one.name) and is_same_model(claim.model, one.modelId)
    ]
    if not fitting:
        known = ", ".join(sorted(one.name for one in listed)) or "none"
        raise NotAvailableError(
            f"Neuronpedia has no NLA {named or 'source'} for "
            f"{claim.model or 'a graph that names no model'}",
            remedy=f"It has {known[:500]}; for other models a pair of one's own is needed",
        )
    return min(fitting, key=lambda one: one.id)
