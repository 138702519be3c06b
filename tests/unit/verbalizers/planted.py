"""Texts whose embeddings are known: how alike two of them are is planted."""

from collections.abc import Sequence

import numpy as np

DIMENSION = 24


class PlantedEmbedder:
    """Texts `TOPIC:NUMBER` share a direction by their topic; the number makes the rest.

    A text without a colon has no content.

    Args:
        share: Part of a vector's square that is the topic's.
    """

    name = "planted"

    def __init__(self, share: float = 0.5) -> None:
        self._share = share

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        rows = [self._embed(text) for text in texts]
        return np.array(rows, dtype=np.float32).reshape(len(texts), DIMENSION)

    def _embed(self, text: str) -> np.ndarray:
        topic, colon, rest = text.partition(":")
        if not colon:
            return np.zeros(DIMENSION)
        shared, own = _direction(topic), _direction(f"{topic}:{rest}")
        return np.sqrt(self._share) * shared + np.sqrt(1 - self._share) * own


def _direction(text: str) -> np.ndarray:
    vector = np.random.default_rng(list(text.encode())).normal(size=DIMENSION)
    return vector / np.linalg.norm(vector)
