"""Signals of one vector, and which claims of its text are true."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from jaxtyping import Bool, Float, Float32

from clerp.plugins import Embedder, VectorVerbalizer
from clerp.verbalizers import Extraction, Passage, Sampling
from clerp.verbalizers.agreement import Samples, measure_agreement
from clerp.verbalizers.claims import choose_paragraph
from clerp.verbalizers.reconstruction import (
    FEWEST_DISTRACTORS,
    Reconstruction,
    list_targets,
    measure_reconstruction,
)
from clerp.verbalizers.reference import Reference, measure_reference
from clerp_nla.training.explaining import ClaimKind, judge, read_claims
from clerp_nla.training.grammar import Document, Token
from clerp_nla.training.places import FIRST

ItemSignal = Literal["FVE", "mismatch margin", "rank", "self-agreement"]
ITEM_SIGNALS: tuple[ItemSignal, ...] = get_args(ItemSignal)
_DISTRACTORS = FEWEST_DISTRACTORS


@dataclass(frozen=True, slots=True)
class KnownPlace:
    """A passage, and what is true at its end."""

    passage: Passage
    truth: Token


@dataclass(frozen=True, slots=True, eq=False)
class Items:
    """What was measured of some vectors, each with a text of its own."""

    signals: Mapping[ItemSignal, Float[np.ndarray, " item"]]
    """The larger, the more it is said to support the text."""
    verdicts: Mapping[ClaimKind, Float[np.ndarray, " item"]]
    """Of each claim: 1 true, 0 false, not a number where the text makes none."""
    texts: tuple[str, ...]
    vectors: Float32[np.ndarray, "item d_model"]

    def truths(self, kind: ClaimKind) -> Bool[np.ndarray, " item"]:
        """Say of every claim that is made whether it is true."""
        return self.verdicts[kind][self.makes(kind)] == 1

    def makes(self, kind: ClaimKind) -> Bool[np.ndarray, " item"]:
        """Say which texts make a claim."""
        return ~np.isnan(self.verdicts[kind])


def choose_places(documents: Sequence[Document], seed: int) -> list[KnownPlace]:
    """Choose one place in each document by chance, past the first tokens."""
    chance = random.Random(seed)
    chosen: list[KnownPlace] = []
    for number, document in enumerate(documents):
        end = chance.randrange(FIRST + 1, len(document.tokens))
        text = "".join(token.text for token in document.tokens[: end + 1])
        truth = document.tokens[end]
        chosen.append(KnownPlace(Passage(f"0.{number}", text, truth.text, 1.0), truth))
    return chosen


async def measure_items(
    places: Sequence[KnownPlace],
    verbalizer: VectorVerbalizer,
    embedder: Embedder,
    sampling: Sampling,
    *,
    n_samples: int,
) -> Items:
    """Ask about each place several times and measure all signals that one vector has.

    The first sample is the text that is judged; the others are there for self-agreement. Each is
    held against the next 63 places as distractors, and the reference is all places.
    """
    found = await verbalizer.extract([place.passage for place in places])
    kept = [(p, e) for p, e in zip(places, found, strict=True) if isinstance(e, Extraction)]
    vectors = np.stack([extraction.vector for _, extraction in kept])
    samples: list[list[str]] = []
    for number in range(n_samples):
        drawn = Sampling(sampling.temperature, sampling.max_new_tokens, sampling.seed + number)
        samples.append([said.text for said in await verbalizer.describe(vectors, drawn)])
    usable = [i for i in range(len(kept)) if all(texts[i] for texts in samples)]
    vectors = vectors[usable]
    truths = [kept[i][0].truth for i in usable]
    drawn_texts = [[texts[i] for texts in samples] for i in usable]
    texts = [own[0] for own in drawn_texts]
    reconstruction = await _reconstruct(texts, vectors, verbalizer)
    agreement = _measure_samples(drawn_texts, embedder)
    verdicts = [judge(read_claims(text), truth) for text, truth in zip(texts, truths, strict=True)]
    kinds: tuple[ClaimKind, ...] = get_args(ClaimKind)
    return Items(
        signals={**reconstruction, "self-agreement": agreement},
        verdicts={
            kind: np.array([float(v[kind]) if kind in v else np.nan for v in verdicts])
            for kind in kinds
        },
        texts=tuple(texts),
        vectors=vectors,
    )


async def _reconstruct(
    texts: Sequence[str], vectors: Float32[np.ndarray, "item d_model"], verbalizer: VectorVerbalizer
) -> dict[ItemSignal, Float[np.ndarray, " item"]]:
    reference = measure_reference(vectors)
    targets = list_targets(vectors, vectors[:0], reference)
    cosines = await verbalizer.compare(texts, targets)
    measured = [_measure_one(i, cosines, vectors, reference) for i in range(len(texts))]
    return {
        "FVE": np.array([one.fve for one in measured]),
        "mismatch margin": np.array([one.fve - (one.mismatch_fve or 0.0) for one in measured]),
        "rank": np.array([-(one.rank or np.nan) for one in measured]),
    }


def _measure_one(
    item: int,
    cosines: Float32[np.ndarray, "text target"],
    vectors: Float32[np.ndarray, "item d_model"],
    reference: Reference,
) -> Reconstruction:
    others = [(item + step) % len(vectors) for step in range(1, _DISTRACTORS + 1)]
    chosen = [item, *others]
    targets = list_targets(vectors[[item]], vectors[others], reference)
    return measure_reconstruction(
        cosines[[item]][:, [*chosen, len(vectors)]], [0], targets, 1, reference
    )


def _measure_samples(
    samples: Sequence[Sequence[str]], embedder: Embedder
) -> Float[np.ndarray, " item"]:
    features = [
        [Samples(f"0.{number}", tuple(choose_paragraph(text).text for text in texts))]
        for number, texts in enumerate(samples)
    ]
    measured = measure_agreement(features, embedder)
    return np.array([m.of_samples.excess if m.of_samples else np.nan for m in measured])
