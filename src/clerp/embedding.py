"""Windows of text to unit vectors, each distinct text once."""

import logging
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from importlib import import_module
from importlib.metadata import version
from importlib.resources import files
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from jaxtyping import Float32

from clerp.errors import PluginError, UsageError
from clerp.plugins import Embedder

if TYPE_CHECKING:
    from wordllama.inference import WordLlamaInference  # pyright: ignore[reportMissingTypeStubs]


class WordLlamaEmbedder:
    """Static word-piece vectors averaged over a text (wordllama, l2_supercat, 256 dimensions).

    Weights and tokenizer come inside the wordllama wheel: no network, no download. The vectors
    know nothing of word order and little of rare classes of words.
    """

    def __init__(self, argument: str = "") -> None:
        if argument:
            raise UsageError(f"the wordllama embedder takes no argument, not {argument!r}")
        self.name = f"wordllama:l2_supercat-256@{version('wordllama')}"
        self._model: WordLlamaInference | None = None

    def embed(self, texts: Sequence[str]) -> Float32[np.ndarray, "text dimension"]:
        """Average the vectors of each text's word pieces; rows are not normalised."""
        if self._model is None:
            self._model = _load_wordllama()
        return np.asarray(cast(Any, self._model).embed(list(texts)), dtype=np.float32)


def embed_unit(texts: Sequence[str], embedder: Embedder) -> Float32[np.ndarray, "text dimension"]:
    """Embed texts as vectors of length 1.

    Each distinct text is embedded once, in sorted order, so that neither repetition nor order
    changes a vector. A text without content becomes a row of zeros, and so does one that the
    embedder answers with zeros or with anything that is not finite.

    Raises:
        PluginError: The embedder does not answer with one row for each text.
    """
    embeddable = [_embeddable(text) for text in texts]
    distinct = sorted(set(embeddable) - {""})
    if not distinct:
        return np.zeros((len(texts), 1), dtype=np.float32)
    unit = _normalise(_embed(distinct, embedder))
    padded = np.vstack([unit, np.zeros((1, unit.shape[1]), dtype=np.float32)])
    row = {text: i for i, text in enumerate([*distinct, ""])}
    return padded[[row[text] for text in embeddable]]


def _embed(texts: Sequence[str], embedder: Embedder) -> Float32[np.ndarray, "text dimension"]:
    vectors = embedder.embed(texts)
    if len(vectors) != len(texts):
        raise PluginError(
            f"the embedder {embedder.name!r} answered {len(texts)} texts with {len(vectors)} rows",
            remedy="Its author can check it with clerp.testing.check_embedder",
        )
    return vectors


def _normalise(
    vectors: Float32[np.ndarray, "text dimension"],
) -> Float32[np.ndarray, "text dimension"]:
    # Squares of single precision overflow, and underflow, in single precision.
    squares = np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64)[:, np.newaxis]
    usable = np.isfinite(squares) & (squares > 0)
    return np.divide(vectors, np.sqrt(squares), out=np.zeros_like(vectors), where=usable)


def _embeddable(text: str) -> str:
    """Drop outer blanks, which tokenizers turn into pieces of their own, but keep newlines."""
    stripped = text.strip(" ").encode("utf-8", errors="replace").decode("utf-8")
    return stripped or text[:1]


def _load_wordllama() -> "WordLlamaInference":
    with _root_logger_kept():
        from tokenizers import Tokenizer
        from wordllama.inference import (  # pyright: ignore[reportMissingTypeStubs]
            WordLlamaInference,
        )

    package = files("wordllama")
    tokenizer = cast(Any, Tokenizer).from_file(
        str(package / "tokenizers" / "l2_supercat_tokenizer_config.json")
    )
    path = str(package / "weights" / "l2_supercat_256.safetensors")
    weights = cast(Any, import_module("safetensors.numpy")).load_file(path)
    return WordLlamaInference(weights["embedding.weight"], tokenizer)


@contextmanager
def _root_logger_kept() -> Generator[None]:
    # Importing wordllama configures the root logger of whoever uses clerp.
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
