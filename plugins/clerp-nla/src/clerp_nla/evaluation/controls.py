"""Verbalizers that are asked about the wrong thing: what comes of it must not be trusted."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal, Protocol

import numpy as np
from jaxtyping import Float32

from clerp.plugins import VectorVerbalizer
from clerp.verbalizers import (
    Extraction,
    Missed,
    ModelClaim,
    PairIdentity,
    Passage,
    Sampling,
    Verbalization,
)
from clerp.verbalizers.recording import Referenced

Condition = Literal["as it is", "mismatched vectors", "random vectors", "no injection"]


class Measured(VectorVerbalizer, Referenced, Protocol):
    """A verbalizer of which all controls can be run."""


class Control:
    """A verbalizer between which and the drive something is amiss.

    Mismatched vectors are residuals of other passages, random ones Gaussian of the true length;
    without injection the actor's prompt is left as it is, whatever the vector.

    Args:
        inner: Whom it asks.
        condition: What is amiss.
        pool: Residuals of passages that belong to no feature.
    """

    def __init__(
        self, inner: Measured, condition: Condition, pool: Float32[np.ndarray, "other d_model"]
    ) -> None:
        self.name = f"{inner.name}, {condition}"
        self.inner = inner
        self.condition: Condition = condition
        self.pool = pool

    def check(self, claim: ModelClaim) -> PairIdentity:
        """Answer as the one that is asked."""
        identity = self.inner.check(claim)
        return replace(identity, name=f"{identity.name}, {self.condition}")

    async def extract(self, passages: Sequence[Passage]) -> Sequence[Extraction | Missed]:
        """Return residuals, or what stands in their place."""
        found = await self.inner.extract(passages)
        return [one if isinstance(one, Missed) else self._spoil(one) for one in found]

    async def describe(
        self, vectors: Float32[np.ndarray, "vector d_model"], sampling: Sampling
    ) -> Sequence[Verbalization]:
        """Describe the vectors, or nothing, once for each."""
        if self.condition != "no injection":
            return await self.inner.describe(vectors, sampling)
        return [await self.inner.describe_nothing(sampling)] * len(vectors)

    async def compare(
        self, texts: Sequence[str], vectors: Float32[np.ndarray, "vector d_model"]
    ) -> Float32[np.ndarray, "text vector"]:
        """Answer as the one that is asked."""
        return await self.inner.compare(texts, vectors)

    async def describe_nothing(self, sampling: Sampling) -> Verbalization:
        """Answer as the one that is asked."""
        return await self.inner.describe_nothing(sampling)

    def reference_vectors(self) -> Float32[np.ndarray, "vector d_model"]:
        """Answer as the one that is asked."""
        return self.inner.reference_vectors()

    def _spoil(self, found: Extraction) -> Extraction:
        name = f"{found.passage.id}\n{found.passage.text}"
        lot = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8])
        if self.condition == "mismatched vectors":
            return replace(found, vector=self.pool[lot % len(self.pool)])
        if self.condition == "random vectors":
            drawn = np.random.default_rng(lot).standard_normal(len(found.vector))
            length = np.linalg.norm(found.vector) / np.linalg.norm(drawn)
            return replace(found, vector=(drawn * length).astype(np.float32))
        return found
