"""Windows of text to unit vectors, each distinct text once."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from jaxtyping import Float32

from clerp.errors import PluginError, UsageError
from clerp.plugins import Embedder

if TYPE_CHECKING:
    from tokenizers import Tokenizer

_TEXTS = 512
"""Texts that are cut to pieces at once; pieces take more room than the vector they give."""


class WordLlamaEmbedder:
    """Static word-piece vectors averaged over a text (wordllama, l2_supercat, 256 dimensions).

    Weights and tokenizer come inside the wordllama wheel: no network, no download. The vectors
    know nothing of word order and little of rare classes of words.
    """

    def __init__(self, argument: str = "") -> None:
        if argument:
            raise UsageError(f"the wordllama embedder takes no argument, not {argument!r}")
        self.name = f"wordllama:l2_supercat-256@{version('wordllama')}"
        self._pieces: _WordPieces | None = None

    def embed(self, texts: Sequence[str]) -> Float32[np.ndarray, "text dimension"]:
        """Average the vectors of each text's word pieces; rows are not normalised."""
        if self._pieces is None:
            self._pieces = _load_wordllama()
        parts = [texts[i : i + _TEXTS] for i in range(0, len(texts), _TEXTS)]
        means = [self._pieces.average(part) for part in parts]
        return np.concatenate([self._pieces.average(()), *means])


@dataclass(frozen=True, slots=True, eq=False)
class _WordPieces:
    tokenizer: "Tokenizer"
    vectors: Float32[np.ndarray, "piece dimension"]

    def average(self, texts: Sequence[str]) -> Float32[np.ndarray, "text dimension"]:
        """Average the vectors of each text's pieces; a text without pieces gives zeros."""
        tokenizer = cast(Any, self.tokenizer)
        encoded = tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
        pieces: list[list[int]] = [encoding.ids for encoding in encoded]
        lengths = np.array([len(ids) for ids in pieces], dtype=np.int64)
        flat = np.array(list(chain.from_iterable(pieces)), dtype=np.int64)
        starts = np.cumsum(lengths) - lengths
        longest_first = np.argsort(-lengths, kind="stable")
        sums = np.zeros((len(texts), self.vectors.shape[1]), dtype=np.float32)
        # The first piece of every text, then the second of those that have one, and so on.
        for place in range(int(lengths.max(initial=0))):
            rows = longest_first[: np.count_nonzero(lengths > place)]
            sums[rows] += self.vectors[flat[starts[rows] + place]]
        return sums / np.maximum(lengths, 1)[:, np.newaxis].astype(np.float32)


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


def _load_wordllama() -> _WordPieces:
    # Found and not imported: that takes a sixth of a second and configures the root logger.
    spec = find_spec("wordllama")
    if spec is None or not spec.submodule_search_locations:
        raise PluginError("wordllama is not installed", remedy="Install clerp again")
    package = Path(spec.submodule_search_locations[0])
    tokenizer = cast(Any, import_module("tokenizers")).Tokenizer.from_file(
        str(package / "tokenizers" / "l2_supercat_tokenizer_config.json")
    )
    path = str(package / "weights" / "l2_supercat_256.safetensors")
    weights = cast(Any, import_module("safetensors.numpy")).load_file(path)
    return _WordPieces(tokenizer, weights["embedding.weight"].astype(np.float32))
