"""A text of a few thousand words, an embedder that knows every word, and what is made of them."""

import hashlib
import random
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from clerp.ordinary import Document, OrdinaryText, build_ordinary, write_ordinary
from clerp.ordinary.corpus import encode_corpus
from clerp.ordinary.counting import count_corpus
from clerp.ordinary.text import index_counts

DIMENSION = 16
_NOUNS = ["whale", "ship", "sea", "captain", "harpoon", "sailor"]
_VERBS = ["sees", "hunts", "follows", "fears"]


class SpelledEmbedder:
    """Every text has a direction of its own, drawn from its letters; blanks have none."""

    def __init__(self, name: str = "spelled:tiny@1", salt: str = "") -> None:
        self.name = name
        self.asked: list[list[str]] = []
        self._salt = salt

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        self.asked.append(list(texts))
        return np.array([self._draw(text) for text in texts], dtype=np.float32)

    def _draw(self, text: str) -> np.ndarray:
        if text.isspace():
            return np.zeros(DIMENSION)
        seed = hashlib.sha256((self._salt + text).encode()).digest()
        return np.random.default_rng(list(seed)).standard_normal(DIMENSION)


def write_story(n_documents: int = 60) -> list[Document]:
    """Sentences like `The whale fears a ship.`, and of the captain always `Captain Ahab`."""
    rng = random.Random(0)
    return [Document(_write_chapter(rng), f"book {i % 2}") for i in range(n_documents)]


def _write_chapter(rng: random.Random) -> str:
    sentences = (
        f"The {rng.choice(_NOUNS)} {rng.choice(_VERBS)} a {rng.choice(_NOUNS)}, Captain Ahab."
        for _ in range(8)
    )
    return "\n".join(sentences)


def count(*texts: str) -> OrdinaryText:
    return count_documents([Document(text) for text in texts])


def count_documents(documents: Iterable[Document]) -> OrdinaryText:
    return index_counts(count_corpus(encode_corpus(documents), "tiny", {}), "no file")


def build_story(folder: Path, embedder: SpelledEmbedder | None = None) -> Path:
    files = build_ordinary(write_story(), name="story", embedder=embedder or SpelledEmbedder())
    write_ordinary(files, folder)
    return folder
