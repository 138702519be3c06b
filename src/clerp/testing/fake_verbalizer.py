"""Verbalizers of a small world that is fully known: every vector stands for one of a few words."""

import asyncio
import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float32

from clerp.errors import NotAvailableError, VerbalizerError
from clerp.verbalizers import (
    Explained,
    Extraction,
    Missed,
    ModelClaim,
    PairIdentity,
    Passage,
    Sampling,
    Verbalization,
)

WORDS = ("Texas", "river", "music", "winter", "bread", "doctor", "money", "ocean")
"""What an actor may name where a test does not say."""
MODEL = "fake-2b"
"""The model that the pair is made for where a test does not say."""

_NOTHING = "A text of no kind.\n\nNothing stands in it.\n\nIts last token is nothing."
_UNCLEAR = "A text of many kinds.\n\nIt is about many things.\n\nFinal token: any."
_LEAST_COSINE = 0.6
"""Of a vector and the word that it stands for."""
_GENRES = ("encyclopedia entry", "news report", "novel", "manual", "letter", "poem")


@dataclass
class FakeVectorVerbalizer:
    """Reads vectors as words, and says so in three paragraphs. The same seed says the same.

    The residual at the end of a passage stands for the passage's last word where that is one of
    `words`, else for one that depends on the passage.
    """

    name: str = "fake-nla"
    d_model: int = 32
    layer: int = 3
    model: str = MODEL
    words: Sequence[str] = WORDS
    misses: Collection[str] = ()
    """Tokens at whose passages there is no residual."""
    breaks: Collection[str] = ()
    """Words at which the actor breaks."""
    asked: list[str] = field(default_factory=list[str])
    """Which method was called, and for how many things: `describe 4`."""

    def check(self, claim: ModelClaim) -> PairIdentity:
        """Say which pair it is.

        Raises:
            NotAvailableError: The claim is about another model.
        """
        if claim.model != self.model:
            raise NotAvailableError(
                f"the pair is made for {self.model!r}, the graph is of {claim.model!r}",
                remedy=f"An NLA of {claim.model!r} is needed",
            )
        return PairIdentity(self.name, "0" * 40, self.model, self.layer, self.d_model)

    async def extract(self, passages: Sequence[Passage]) -> list[Extraction | Missed]:
        """Return the vector of each passage's word, and some of its text."""
        self._note("extract", len(passages))
        return [self._extract(passage) for passage in passages]

    async def describe(
        self, vectors: Float32[np.ndarray, "vector d_model"], sampling: Sampling
    ) -> list[Verbalization]:
        """Name the word that each vector is near to; of others it always says the same.

        Raises:
            VerbalizerError: One of them is one of `breaks`.
        """
        self._note("describe", len(vectors))
        return [self._describe(vector, sampling) for vector in vectors]

    async def compare(
        self, texts: Sequence[str], vectors: Float32[np.ndarray, "vector d_model"]
    ) -> Float32[np.ndarray, "text vector"]:
        """Return the cosine of each vector with that of the word which each text quotes first."""
        self._note("compare", len(texts))
        if not texts:
            return np.zeros((0, len(vectors)), dtype=np.float32)
        rebuilt = np.stack([self._imagine(_find_quoted(text)) for text in texts])
        lengths = np.linalg.norm(rebuilt, axis=1)[:, None] * np.linalg.norm(vectors, axis=1)
        return (rebuilt @ vectors.T / np.maximum(lengths, 1e-12)).astype(np.float32)

    async def describe_nothing(self, sampling: Sampling) -> Verbalization:
        """Say what is said of no vector, always the same."""
        self._note("describe_nothing", 1)
        return _say(_NOTHING)

    def reference_vectors(self) -> Float32[np.ndarray, "vector d_model"]:
        """Return vectors of all words in equal shares."""
        self.asked.append("reference_vectors")
        drawn = [self._imagine(self.words[n % len(self.words)], f"{n}") for n in range(128)]
        return np.stack(drawn)

    def _note(self, method: str, n: int) -> None:
        self.asked.append(f"{method} {n}")

    def _extract(self, passage: Passage) -> Extraction | Missed:
        if passage.token in self.misses:
            return Missed(passage, f"told to miss {passage.token!r}")
        word = passage.token.strip()
        if word not in self.words:
            word = self.words[_seed(passage.text) % len(self.words)]
        vector = self._imagine(word, passage.text)
        return Extraction(passage, vector, len(passage.text.split()) + 10)

    def _describe(
        self, vector: Float32[np.ndarray, " d_model"], sampling: Sampling
    ) -> Verbalization:
        known = np.stack([self._imagine(word) for word in self.words])
        cosines = known @ vector / np.linalg.norm(known, axis=1) / np.linalg.norm(vector)
        if cosines.max() < _LEAST_COSINE:
            return _say(_UNCLEAR)
        word = self.words[int(cosines.argmax())]
        if word in self.breaks:
            raise VerbalizerError(f"told to break at {word!r}")
        drawn = 0 if sampling.temperature == 0 else _seed(vector.tobytes().hex(), sampling.seed)
        genre = _GENRES[drawn % len(_GENRES)]
        return _say(
            f'A {genre}.\n\nIt is about "{word}".\n\nFinal token: {word}, and {word} again.'
        )

    def _imagine(self, word: str, context: str = "") -> Float32[np.ndarray, " d_model"]:
        """Return the vector of a word: a common part, its own, and a little of the context."""
        common, own = _draw("common", self.d_model), _draw(f"word {word}", self.d_model)
        little = 0.3 * _draw(f"context {context}", self.d_model) if context else 0
        return (common + 2 * own + little).astype(np.float32)


@dataclass
class FakePassageVerbalizer:
    """The same pair behind a server that keeps residuals to itself."""

    name: str = "fake-nla-server"
    pair: FakeVectorVerbalizer = field(default_factory=FakeVectorVerbalizer)
    variance: float | None = 0.7
    asked: list[str] = field(default_factory=list[str])
    """As above."""

    def check(self, claim: ModelClaim) -> PairIdentity:
        """Say which pair it is.

        Raises:
            NotAvailableError: The claim is about another model.
        """
        return self.pair.check(claim)

    async def explain(
        self, passages: Sequence[Passage], sampling: Sampling
    ) -> list[Explained | Missed]:
        """Describe the residual at the end of each passage.

        Raises:
            VerbalizerError: As `FakeVectorVerbalizer.describe`.
        """
        self.asked.append(f"explain {len(passages)}")
        found = await self.pair.extract(passages)
        # One by one: others may be missed.
        return list(await asyncio.gather(*(self._explain(one, sampling) for one in found)))

    async def _explain(self, found: Extraction | Missed, sampling: Sampling) -> Explained | Missed:
        if isinstance(found, Missed):
            return found
        [said] = await self.pair.describe(found.vector[None], sampling)
        cosine = float((await self.pair.compare([said.text], found.vector[None]))[0, 0])
        return Explained(found.passage, said, found.position, cosine, self.variance)


def _say(text: str) -> Verbalization:
    return Verbalization(text, f"<explanation>{text}</explanation>", n_tokens=len(text.split()))


def _find_quoted(text: str) -> str:
    parts = text.split('"')
    return parts[1] if len(parts) > 2 else ""


def _draw(what: str, n: int) -> Float32[np.ndarray, " n"]:
    drawn = np.random.default_rng(_seed(what)).standard_normal(n).astype(np.float32)
    return drawn / np.linalg.norm(drawn)


def _seed(text: str, more: int = 0) -> int:
    return int.from_bytes(hashlib.sha256(f"{more} {text}".encode(errors="replace")).digest()[:8])
