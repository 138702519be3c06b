"""Claims that recur where a feature is active and are absent where it is not."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32

from clerp.embedding import embed_unit
from clerp.plugins import Embedder
from clerp.verbalizers.agreement import Samples
from clerp.verbalizers.claims import cut_claims
from clerp.verbalizers.resampling import DECIMALS, DRAWS, SEED

CHANCE = 0.05
"""With which one place makes a claim that is made at a place of another feature."""
MOST_KEPT = 8
_MOST_PLACES = 500


@dataclass(frozen=True, slots=True)
class KeptClaim:
    """A claim, as one of the texts has it."""

    text: str
    n_active: int
    """Active places whose texts make it."""
    n_inactive: int
    """Inactive ones."""


@dataclass(frozen=True, slots=True)
class ClaimNull:
    """How alike claims of different features are."""

    threshold: float
    """Two claims with this cosine count as one: a claim and the nearest one of a place of another
    feature reach it in `CHANCE` of draws."""
    n_draws: int

    def finds(self, cosines: Float32[np.ndarray, "*pair"]) -> Bool[np.ndarray, "*pair"]:
        """Say which pairs of claims count as one."""
        return cosines.round(DECIMALS) >= np.float32(self.threshold)


_Vectors = Float32[np.ndarray, "claim dimension"]


def measure_claim_null(
    features: Sequence[Sequence[Samples]], embedder: Embedder
) -> ClaimNull | None:
    """Measure how alike claims of different features are.

    Of at most 500 places, drawn at random, `DRAWS` pairs of a claim and a place of another feature.
    A place with more texts has more claims, one of which is near by chance: describe active and
    inactive places equally often.

    Args:
        features: What was said of the vectors of each, whole texts, in a settled order.
        embedder: Of the claims.

    Returns:
        None with fewer than two features that claim anything.

    Raises:
        PluginError: The embedder does not answer with one row for each text.
    """
    generator = np.random.default_rng(SEED)
    owned = [_Owned(i, samples) for i, feature in enumerate(features) for samples in feature]
    drawn = np.sort(generator.permutation(len(owned))[:_MOST_PLACES])
    chosen = [owned[int(i)] for i in drawn]
    places = _embed_claims([one.samples for one in chosen], embedder)
    claiming = [i for i, place in enumerate(places) if place.texts]
    owners = np.array([chosen[i].feature for i in claiming], dtype=np.int64)
    if len(np.unique(owners)) < 2:
        return None
    nearest: list[float] = []
    for _ in range(DRAWS):
        one = int(generator.integers(len(claiming)))
        claims = places[claiming[one]].vectors
        claim = claims[int(generator.integers(len(claims)))]
        other = int(generator.choice(np.flatnonzero(owners != owners[one])))
        nearest.append(float(np.max(places[claiming[other]].vectors @ claim)))
    return ClaimNull(round(float(np.quantile(nearest, 1 - CHANCE)), DECIMALS), DRAWS)


def keep_claims(
    active: Sequence[Samples], inactive: Sequence[Samples], embedder: Embedder, null: ClaimNull
) -> tuple[KeptClaim, ...]:
    """Return claims that recur in active places and are absent from inactive ones.

    A claim recurs if more of the other active examples make it than would by chance, each with
    `CHANCE` (binomial tail at most .05). It is absent if at most `CHANCE` of the inactive places
    make it: with fewer than 20, none. Of claims that count as one the
    commonest is kept, of equally common ones that which is most like the others.

    Args:
        active: Whole texts of active places.
        inactive: Of matched inactive places.
        embedder: Of the claims.
        null: What counts as the same claim.

    Returns:
        At most `MOST_KEPT`, commonest first.

    Raises:
        PluginError: The embedder does not answer with one row for each text.
    """
    there, elsewhere = _embed_claims(active, embedder), _embed_claims(inactive, embedder)
    texts = [text for place in there for text in place.texts]
    if not texts:
        return ()
    vectors = np.concatenate([place.vectors for place in there if place.texts])
    examples = np.array([samples.example for samples in active])
    own = np.repeat(examples, [len(place.texts) for place in there])
    is_other = own[:, np.newaxis] != examples
    nearness = _measure_nearness(vectors, there)
    recurring = (null.finds(nearness) & is_other).sum(axis=1).tolist()
    possible = is_other.sum(axis=1).tolist()
    inactively = null.finds(_measure_nearness(vectors, elsewhere)).sum(axis=1).tolist()
    # Of claims made as often the one most like the others comes first: it has least of its own.
    typical = np.where(is_other, nearness, 0).sum(axis=1).round(DECIMALS).tolist()
    candidates = [
        i
        for i in range(len(texts))
        if _find_tail(recurring[i], possible[i]) <= CHANCE
        and inactively[i] <= CHANCE * len(inactive)
    ]
    candidates.sort(key=lambda i: (-recurring[i], inactively[i], -typical[i], texts[i]))
    chosen: list[int] = []
    for i in candidates:
        if len(chosen) < MOST_KEPT and not null.finds(vectors[chosen] @ vectors[i]).any():
            chosen.append(i)
    return tuple(KeptClaim(texts[i], recurring[i] + 1, inactively[i]) for i in chosen)


@dataclass(frozen=True, slots=True)
class _Owned:
    feature: int
    samples: Samples


@dataclass(frozen=True, slots=True, eq=False)
class _Place:
    """The claims of all texts of one place, with what they embed as."""

    texts: tuple[str, ...]
    vectors: _Vectors


def _embed_claims(places: Sequence[Samples], embedder: Embedder) -> list[_Place]:
    claims = [
        tuple(dict.fromkeys(claim for text in samples.texts for claim in cut_claims(text)))
        for samples in places
    ]
    rows = embed_unit([text for texts in claims for text in texts], embedder)
    embedded: list[_Place] = []
    start = 0
    for texts in claims:
        own = rows[start : start + len(texts)]
        start += len(texts)
        has_content = own.any(axis=1)
        kept = tuple(texts[i] for i in np.flatnonzero(has_content).tolist())
        embedded.append(_Place(kept, own[has_content]))
    return embedded


def _measure_nearness(
    claims: _Vectors, places: Sequence[_Place]
) -> Float32[np.ndarray, "claim place"]:
    """Return the cosine of each claim with the nearest one of each place, -1 without any."""
    nearness = np.full((len(claims), len(places)), -1, dtype=np.float32)
    for i, place in enumerate(places):
        if place.texts:
            nearness[:, i] = np.max(claims @ place.vectors.T, axis=1)
    return nearness


def _find_tail(hits: int, n: int) -> float:
    """Return the chance of so many hits or more in n tries of `CHANCE` each."""
    return math.fsum(
        math.comb(n, k) * CHANCE**k * (1 - CHANCE) ** (n - k) for k in range(hits, n + 1)
    )
