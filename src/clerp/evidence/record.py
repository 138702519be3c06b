"""What is known of one feature: its activation examples, promoted tokens and density."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float32

from clerp.feature import FeatureId

PromotedFrom = Literal["summed", "last", "per layer", "unknown"]


@dataclass(frozen=True, slots=True, eq=False)
class ActivationExample:
    """A stretch of text in which the feature fires."""

    id: str
    """Place in the record, `quantile.example` counted from 0: `0.3` is the fourth top example."""
    tokens: tuple[str, ...]
    """Readable pieces of text; joined they give the text back."""
    activations: Float32[np.ndarray, " token"]
    peak: int
    """Index of the peak token in `tokens`."""

    @property
    def peak_activation(self) -> float:
        """Activation at the peak token."""
        return float(self.activations[self.peak])


@dataclass(frozen=True, slots=True)
class CandidateLabel:
    """What somebody else calls the feature; shown beside clerp's own label, never as its own."""

    text: str
    method: str
    """How it was made, as its publisher names it: `np_max-act-logits`."""
    model: str
    """What made it, as its publisher names it; empty where nobody says."""
    scores: tuple[tuple[str, float], ...] = ()
    """By scorer: `(("recall_alt", 0.8),)`."""


@dataclass(frozen=True, slots=True, eq=False)
class FeatureEvidence:
    """All that is known of one feature. Examples are usable, distinct and strongest first."""

    feature: FeatureId
    top: tuple[ActivationExample, ...]
    """The top activation examples, on which scores, routes and labels rest."""
    lower: tuple[ActivationExample, ...]
    """Examples from lower activation quantiles."""
    set_aside: tuple[tuple[str, int], ...]
    """Why examples of the record are not used, and how many: `(("repeated context", 3), ...)`."""
    promoted: tuple[str, ...]
    suppressed: tuple[str, ...]
    promoted_from: PromotedFrom
    """Which decoder rows the promoted tokens come from; most sources do not say."""
    act_min: float
    act_max: float
    """Ends of the range of positive activations: the record's own, else that of the examples."""
    density: float | None
    """Share of all tokens on which the feature fires."""
    digest: str
    """sha256 of what was read of the record, so that a label can name what it rests on."""
    candidates: tuple[CandidateLabel, ...] = ()
    """Labels of others, best first; no label of clerp's rests on them."""
    histogram: tuple[float, ...] = ()
    """How often the feature fires how strongly: heights of bars of equal width, weakest first, as
    the record has them; empty where it has none. No label rests on it."""

    def place(self, activation: float) -> float:
        """Say where an activation lies between the range's ends, 0 to 100.

        Values outside the range are clipped; a range without extent places everything at 100.
        """
        extent = self.act_max - self.act_min
        if extent <= 0:
            return 100.0
        return float(np.clip(100 * (activation - self.act_min) / extent, 0, 100))

    def nearest(self, activation: float, n: int) -> tuple[ActivationExample, ...]:
        """Return the n examples, of any quantile, that peak nearest to an activation."""
        everything = (*self.top, *self.lower)
        by_distance = sorted(everything, key=lambda e: (abs(e.peak_activation - activation), e.id))
        return tuple(by_distance[:n])


@dataclass(frozen=True, slots=True)
class EvidenceGap:
    """A feature of which nothing usable is known, and why."""

    feature: FeatureId
    reason: str
