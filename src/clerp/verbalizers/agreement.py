"""Whether texts agree: samples of one vector, and examples of one feature.

All texts of an actor have a form in common, so that two of them are always much alike. What counts
is by how much texts of one vector or feature are more alike than texts of different features.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from clerp.embedding import embed_unit
from clerp.plugins import Embedder
from clerp.verbalizers.resampling import DECIMALS
from clerp.verbalizers.row_pool import Excess, RowPool, Rows

OTHER_FEATURES = "other features"
MOST_CHANCE = 0.05
"""The largest p with which something beats its null."""


@dataclass(frozen=True, slots=True)
class Samples:
    """What was said of one vector: the texts that pass the gates, or a paragraph of each."""

    example: str
    """Id of the activation example that the vector is of."""
    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Agreement:
    """How alike texts are, beside texts of other vectors: of other features, if there are any."""

    within: float
    """Mean cosine of pairs of embedded texts."""
    between: float
    """Mean cosine of the same texts with those that they are held against."""
    excess: float
    """The first less the second."""
    low: float
    """Between `low` and `high` lie 90 % of bootstrap resamples of the excess: own vectors (of a
    single one, its samples) and other features are drawn anew; a vector of no feature is one."""
    high: float
    p: float
    """Share of sets of texts, drawn from all features alike, whose excess is as large."""
    n_items: int
    """Vectors that were compared; of a single one, its samples."""
    n_baseline: int
    """Texts, or examples, that they are held against."""
    against: str = OTHER_FEATURES
    """What these are of."""

    @property
    def beats_baseline(self) -> bool:
        """Whether p is at most .05 and the interval above 0."""
        return self.p <= MOST_CHANCE and self.low > 0


@dataclass(frozen=True, slots=True)
class FeatureAgreement:
    """How far the texts of one feature agree."""

    of_samples: Agreement | None
    """Of the same vector, mean over vectors. None where no vector has two, a single vector has
    fewer than three, or there is nothing to hold them against."""
    of_examples: Agreement | None
    """Of different vectors. None with fewer than three vectors, or without another feature."""


def measure_agreement(
    features: Sequence[Sequence[Samples]],
    embedder: Embedder,
    *,
    baseline: Sequence[Samples] = (),
    of: str = "ordinary residuals",
) -> list[FeatureAgreement]:
    """Measure how far the texts of each feature agree, with the other features as baseline.

    The p are permutation p. Under the null the texts (or the examples) of all features are one
    pool, of which those of a feature are any set; the other features' own agreement then makes p
    larger, never smaller. Features with equally many texts are held against the same draws.

    Examples are held against those of other features alone: whatever is from another corpus, or
    from another kind of place, would make any feature look as if it had a theme.

    Args:
        features: What was said of the vectors of each, in a settled order: draws go by place.
            Whole texts, or what `choose_paragraph` leaves of them; one without content is dropped.
        embedder: Of the texts.
        baseline: What was said of vectors of no feature, for samples where there are few features.
        of: What these vectors are.

    Returns:
        One for each feature, in order.

    Raises:
        PluginError: The embedder does not answer with one row for each text.
    """
    everything = [*features, *([samples] for samples in baseline)]
    embedded = embed_samples(everything, embedder)
    # A text alone agrees with nothing; of the baseline it is all there is.
    texts = RowPool(
        [
            [rows for rows in vectors if len(rows) > (place < len(features))]
            for place, vectors in enumerate(embedded)
        ]
    )
    # The mean product of two vectors' texts is the product of their means.
    means = [
        [rows.mean(axis=0) for rows in vectors if len(rows)]
        for vectors in embedded[: len(features)]
    ]
    examples = RowPool([[np.stack(vectors)] if vectors else [] for vectors in means])
    is_compared = [any(len(rows) > 1 for rows in vectors) for vectors in embedded[: len(features)]]
    has_baseline = any(len(rows) for vectors in embedded[len(features) :] for rows in vectors)

    def tell_against(place: int) -> str:
        has_others = any((*is_compared[:place], *is_compared[place + 1 :]))
        parts = [OTHER_FEATURES] * has_others + [of] * has_baseline
        return " and ".join(parts)

    return [
        FeatureAgreement(
            _round(texts.compare(place), tell_against(place)),
            _round(examples.compare(place), OTHER_FEATURES),
        )
        for place in range(len(features))
    ]


def embed_samples(features: Sequence[Sequence[Samples]], embedder: Embedder) -> list[list[Rows]]:
    """Embed the texts of each vector of each feature, without those that have no content.

    Returns:
        Unit rows of each vector of each feature, none where all its texts are without content.
    """
    texts = [text for feature in features for samples in feature for text in samples.texts]
    rows = embed_unit(texts, embedder).astype(np.float64)
    embedded: list[list[Rows]] = []
    start = 0
    for feature in features:
        vectors: list[Rows] = []
        for samples in feature:
            own = rows[start : start + len(samples.texts)]
            vectors.append(own[own.any(axis=1)])
            start += len(samples.texts)
        embedded.append(vectors)
    return embedded


def _round(excess: Excess | None, against: str) -> Agreement | None:
    if excess is None:
        return None
    return Agreement(
        within=round(excess.within, DECIMALS),
        between=round(excess.between, DECIMALS),
        excess=round(excess.within - excess.between, DECIMALS),
        low=excess.interval.low,
        high=excess.interval.high,
        p=excess.p,
        n_items=excess.n_items,
        n_baseline=excess.n_others,
        against=against,
    )
