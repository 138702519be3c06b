"""What is said where a feature is active and not where it is not: the feature, less the context."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations, product

import numpy as np
from jaxtyping import Bool, Float64, Int64

from clerp.plugins import Embedder
from clerp.verbalizers.agreement import MOST_CHANCE, Samples, embed_samples
from clerp.verbalizers.kept_claims import ClaimNull, KeptClaim, keep_claims
from clerp.verbalizers.resampling import DECIMALS, DRAWS, SEED, find_chance

FEWEST_INACTIVE = 5
"""Inactive places from which a claim must be absent to be kept."""


@dataclass(frozen=True, slots=True)
class Contrast:
    """How texts of active places differ from those of matched inactive ones."""

    active: float
    """Mean cosine of embedded texts of two active places. Places of one activation example are not
    compared, here and below: they have the context in common."""
    inactive: float
    """Mean cosine of a text of an active place and one of an inactive place."""
    excess: float
    """The first less the second."""
    p: float
    """Share of ways to call the same places active whose excess is as large; where an example has
    places of both kinds, they change places with each other alone."""
    n_active: int
    n_inactive: int
    kept: tuple[KeptClaim, ...] = ()
    """Claims of active places that recur there and are absent from the inactive ones; none where
    the contrast is no more than chance, or of fewer than `FEWEST_INACTIVE` inactive places."""
    threshold: float | None = None
    """Similarity at which two claims count as one; None where claims were not compared."""

    @property
    def beats_chance(self) -> bool:
        """Whether p is at most .05."""
        return self.p <= MOST_CHANCE

    @property
    def withheld(self) -> str:
        """Why no claim is kept, whatever recurs; empty where it does not matter what recurs."""
        if not self.beats_chance:
            return "texts of places where it fires and where it is off do not surely differ"
        if self.n_inactive < FEWEST_INACTIVE:
            return f"texts of {self.n_inactive} places where it is off; it takes {FEWEST_INACTIVE}"
        return ""


def measure_contrast(
    active: Sequence[Samples],
    inactive: Sequence[Samples],
    embedder: Embedder,
    null: ClaimNull | None,
) -> Contrast | None:
    """Hold texts of active places against those of matched inactive ones.

    Args:
        active: What was said of places where the feature is active, whole texts.
        inactive: Of places where it is not; with the id of the activation example that they are
            of, so that places of one example are matched.
        embedder: Of the texts.
        null: What counts as the same claim; None leaves claims aside.

    Returns:
        None where texts of two active examples, or of any inactive place of another, are missing.

    Raises:
        PluginError: The embedder does not answer with one row for each text.
    """
    rows = embed_samples([[*active, *inactive]], embedder)[0]
    present = [i for i, own in enumerate(rows) if len(own)]
    if not present:
        return None
    means = np.stack([rows[i].mean(axis=0) for i in present])
    is_active = np.array([i < len(active) for i in present])
    names = [samples.example for samples in (*active, *inactive)]
    examples = np.unique([names[i] for i in present], return_inverse=True)[1].astype(np.int64)
    is_compared = examples[:, np.newaxis] != examples
    products = np.where(is_compared, means @ means.T, 0.0)
    seen = _score(is_active[np.newaxis], products, is_compared)
    within, across = float(seen.within[0]), float(seen.across[0])
    if not math.isfinite(within - across):
        return None
    drawn = _draw_labels(is_active, examples)
    scores = _score(drawn.labels, products, is_compared)
    # A draw in which nothing can be compared counts against the texts.
    excess = np.nan_to_num(scores.within - scores.across, nan=np.inf)
    found = Contrast(
        active=round(within, DECIMALS),
        inactive=round(across, DECIMALS),
        excess=round(within - across, DECIMALS),
        p=find_chance(within - across, excess, is_all=drawn.is_all),
        n_active=int(is_active.sum()),
        n_inactive=int((~is_active).sum()),
    )
    if null is None:
        return found
    kept = () if found.withheld else keep_claims(active, inactive, embedder, null)
    return replace(found, kept=kept, threshold=null.threshold)


_Labels = Bool[np.ndarray, "draw place"]


@dataclass(frozen=True, slots=True, eq=False)
class _Scores:
    within: Float64[np.ndarray, " draw"]
    across: Float64[np.ndarray, " draw"]


def _score(
    labels: _Labels,
    products: Float64[np.ndarray, "place place"],
    is_compared: Bool[np.ndarray, "place place"],
) -> _Scores:
    """Average products of two active places, and of an active and an inactive one."""
    active, inactive = labels.astype(np.float64), (~labels).astype(np.float64)
    counted = is_compared.astype(np.float64)

    def average(others: Float64[np.ndarray, "draw place"]) -> Float64[np.ndarray, " draw"]:
        sums = np.einsum("dp,dp->d", active @ products, others)
        pairs = np.einsum("dp,dp->d", active @ counted, others)
        return np.divide(sums, pairs, out=np.full(len(sums), np.nan), where=pairs > 0)

    return _Scores(average(active), average(inactive))


@dataclass(frozen=True, slots=True, eq=False)
class _DrawnLabels:
    labels: _Labels
    is_all: bool


def _draw_labels(
    is_active: Bool[np.ndarray, " place"], examples: Int64[np.ndarray, " place"]
) -> _DrawnLabels:
    """Call other places active: within an example with both kinds, else among all the rest."""
    strata: dict[int, list[int]] = {}
    for example in np.unique(examples).tolist():
        places = np.flatnonzero(examples == example)
        is_mixed = len(set(is_active[places].tolist())) > 1
        strata.setdefault(example if is_mixed else -1, []).extend(places.tolist())
    chosen = {key: int(is_active[places].sum()) for key, places in strata.items()}
    n_ways = math.prod(math.comb(len(places), chosen[key]) for key, places in strata.items())
    if n_ways <= DRAWS:
        ways = product(*(combinations(places, chosen[key]) for key, places in strata.items()))
        labels = np.zeros((n_ways, len(is_active)), dtype=np.bool_)
        for row, way in enumerate(ways):
            labels[row, [place for part in way for place in part]] = True
        return _DrawnLabels(labels, is_all=True)
    generator = np.random.default_rng(SEED)
    labels = np.tile(is_active, (DRAWS, 1))
    for places in strata.values():
        labels[:, places] = generator.permuted(labels[:, places], axis=1)
    return _DrawnLabels(labels, is_all=False)
