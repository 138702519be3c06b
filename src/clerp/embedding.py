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

from clerp.errors import UsageError
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
    """Embed texts as vectors of length 1; a text without content becomes a row of zeros.

    Each distinct text is embedded once, in sorted order, so that neither repetition nor order
    changes a vector.
    """
    distinct = sorted({_embeddable(text) for text in texts} - {""})
    if not distinct:
        return np.zeros((len(texts), 1), dtype=np.float32)
    vectors = np.nan_to_num(embedder.embed(distinct), copy=False)
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit = np.divide(vectors, norms, out=np.zeros_like(vectors), where=norms > 0)
    padded = np.vstack([unit, np.zeros((1, unit.shape[1]), dtype=np.float32)])
    row = {text: i for i, text in enumerate(distinct)}
    return padded[[row.get(_embeddable(text), len(distinct)) for text in texts]]


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
    yield
    root.handlers[:], root.level = handlers, level
