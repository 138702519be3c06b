"""Features that fire on words of the fake NLA, and runs over them."""

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from tests.rerunning import TRANSCODERS
from tests.unit.verbalizers.recorded_calls import make_claim

from clerp.evidence import FeatureEvidence
from clerp.feature import FeatureId
from clerp.ledger import Ledger
from clerp.testing import make_evidence
from clerp.testing.fake_verbalizer import WORDS
from clerp.verbalizers.driving import verbalize_features
from clerp.verbalizers.outcome import FeatureVerbalization
from clerp.verbalizers.recording import open_calls

CLAIM = make_claim(TRANSCODERS)
PEAK = 14
N_TOKENS = 24


class WordEmbedder:
    """Adds up one random vector for each word."""

    name = "words"

    def embed(self, texts: Sequence[str]) -> np.ndarray[Any, Any]:
        rows = [sum((self._draw(word) for word in text.split()), np.zeros(64)) for text in texts]
        return np.array(rows, dtype=np.float32).reshape(-1, 64)

    def _draw(self, word: str) -> np.ndarray[Any, Any]:
        seed = int.from_bytes(hashlib.sha256(word.encode()).digest()[:8])
        return np.random.default_rng(seed).standard_normal(64)


def make(word: str, index: int, *, n: int = 8, layer: int = 2) -> FeatureEvidence:
    """Make a feature that fires on a word, or, for an empty one, on words of all kinds."""
    texts = [[f" {index}.{number}.{place}" for place in range(N_TOKENS)] for number in range(n)]
    for number, text in enumerate(texts):
        text[PEAK] = f" {word or WORDS[(number + index) % len(WORDS)]}"
    return make_evidence(texts, peak=PEAK, feature=FeatureId(layer, index))


def make_many(n: int = 6) -> list[FeatureEvidence]:
    """Make features that fire on a word each."""
    return [make(WORDS[index % len(WORDS)], index) for index in range(n)]


def find_word(feature: FeatureId) -> str:
    """Return the word on which a feature of `make_many` fires."""
    return WORDS[feature.index % len(WORDS)]


async def drive(
    evidence: Sequence[FeatureEvidence],
    verbalizer: Any,
    ledger: Ledger,
    *,
    ask: bool = True,
    **given: Any,
) -> dict[FeatureId, FeatureVerbalization]:
    """Have features verbalized, with whatever else `verbalize_features` is given."""
    async with open_calls(verbalizer, CLAIM, ledger, ask=ask) as calls:
        return await verbalize_features(evidence, calls, WordEmbedder(), **given)
