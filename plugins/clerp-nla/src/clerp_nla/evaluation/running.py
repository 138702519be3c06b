"""The whole evaluation of a tiny pair: vectors, features, inputs, and what must not be trusted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import get_args

import numpy as np

from clerp.plugins import Embedder
from clerp.verbalizers import Extraction, ModelClaim, Sampling
from clerp_nla.evaluation.controls import Condition, Control, Measured
from clerp_nla.evaluation.features import Asked, KnownFeature, ask, plant_features
from clerp_nla.evaluation.inputs import InputRow, PlantedFeatures, ask_by_input
from clerp_nla.evaluation.items import Items, choose_places, measure_items
from clerp_nla.training.folder import BASE
from clerp_nla.training.grammar import write_documents

SAMPLING = Sampling(temperature=1.0, max_new_tokens=80)
CLAIM = ModelClaim(model=BASE, transcoders="")
CONDITIONS: tuple[Condition, ...] = get_args(Condition)
_SAMPLES = 4
_POOL = 512
_ITEMS, _OTHERS = 9_999, 9_998
"""Of the 10,000 document seeds of each seed; its features have the first ones."""


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """All that was measured."""

    seed: int
    pair: str
    items: Items
    asked: Mapping[Condition, Sequence[Asked]]
    by_input: Mapping[InputRow, Sequence[Asked]]
    """Of the features planted in the pair's transcoder."""


async def evaluate(
    verbalizer: Measured,
    embedder: Embedder,
    *,
    seed: int,
    n_items: int,
    planted: PlantedFeatures,
    features: Sequence[KnownFeature] | None = None,
) -> Evaluation:
    """Evaluate the signals of a pair on documents that it has not learned from.

    Args:
        verbalizer: Of the tiny pair.
        embedder: Of texts and claims.
        seed: Of documents, features and texts.
        n_items: Vectors for the figures of single vectors.
        planted: To ask about by each input.
        features: To ask about; None plants all.

    Raises:
        NotAvailableError: The pair does not fit the tiny subject, or does not work.
    """
    identity = verbalizer.check(CLAIM)
    sampling = Sampling(SAMPLING.temperature, SAMPLING.max_new_tokens, seed)
    places = choose_places(write_documents(n_items, 10_000 * seed + _ITEMS), seed)
    items = await measure_items(places, verbalizer, embedder, sampling, n_samples=_SAMPLES)
    others = choose_places(write_documents(_POOL, 10_000 * seed + _OTHERS), seed)
    found = await verbalizer.extract([place.passage for place in others])
    pool = np.stack([one.vector for one in found if isinstance(one, Extraction)])
    known = plant_features(seed) if features is None else features
    asked: dict[Condition, Sequence[Asked]] = {
        condition: await ask(known, Control(verbalizer, condition, pool), embedder, sampling, CLAIM)
        for condition in CONDITIONS
    }
    by_input = await ask_by_input(planted, verbalizer, embedder, sampling, CLAIM)
    return Evaluation(seed, str(identity), items, asked, by_input)
