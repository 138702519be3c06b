"""What every embedder is asked for."""

from collections.abc import Sequence
from itertools import chain
from typing import Any, cast

import numpy as np
from jaxtyping import Float32

from clerp.plugins import Embedder
from clerp.testing.cases import NASTY_TEXTS
from clerp.testing.contract import blaming, check_shape, require

# Batches change how sums are rounded, in half precision (bfloat16) by nearly a hundredth.
_TOLERANCE = 0.02
_ALIKE, _UNLIKE = " Texas", " photosynthesis"


def check_embedder(embedder: object) -> None:
    """Check that an embedder keeps the contract of `clerp.plugins.Embedder`.

    It embeds some eighty texts: words, line breaks, marks, several scripts, emoji, control
    characters and one of 5,000 letters; all together and one by one.

    Args:
        embedder: What the plugin's entry point returns.

    Raises:
        ContractError: It is no embedder; it raises; what it returns is not one float32 row for
            each text, all finite; a row depends on the other texts or on their order by more than
            2 % of its length; two words have the same row; or its name changes.
    """
    check_shape(embedder, "embedder", "embed")
    ready = cast(Embedder, embedder)
    name = ready.name
    texts = _list_texts()
    together = _embed(ready, texts, "all texts together")
    alone = _stack([_embed(ready, [text], f"only {text[:40]!r}") for text in texts], name)
    _check_alike(together, alone, texts, name)
    _embed(ready, (), "no text")
    _check_distinct(ready)
    require(ready.name == name, f"the embedder {name!r} has become {ready.name!r}: names stay")


def _list_texts() -> tuple[str, ...]:
    tokens = chain.from_iterable(chain.from_iterable(NASTY_TEXTS.values()))
    # clerp never asks for a text of nothing.
    return tuple(dict.fromkeys([_ALIKE, _UNLIKE, "the capital of Texas", *filter(None, tokens)]))


def _embed(
    embedder: Embedder, texts: Sequence[str], which: str
) -> Float32[np.ndarray, "text dimension"]:
    subject = f"the embedder {embedder.name!r}, given {which},"
    with blaming(subject):
        rows: object = embedder.embed(texts)
    return _check_rows(rows, len(texts), subject)


def _check_rows(
    returned: object, n_texts: int, subject: str
) -> Float32[np.ndarray, "text dimension"]:
    require(
        isinstance(returned, np.ndarray),
        f"{subject} returned a {type(returned).__name__}: it returns a numpy array",
    )
    rows = cast(np.ndarray[Any, Any], returned)
    require(rows.dtype == np.float32, f"{subject} returned {rows.dtype}: it returns float32")
    require(
        rows.ndim == 2 and len(rows) == n_texts,
        f"{subject} returned the shape {rows.shape}: it returns one row for each of {n_texts}",
    )
    require(bool(np.isfinite(rows).all()), f"{subject} returned a number that is not finite")
    return rows


def _stack(
    parts: Sequence[Float32[np.ndarray, "_ _"]], name: str
) -> Float32[np.ndarray, "text dimension"]:
    dimensions = sorted({part.shape[1] for part in parts})
    require(len(dimensions) == 1, f"the embedder {name!r} has rows of {dimensions} numbers: of one")
    return np.vstack(parts)


def _check_alike(
    rows: Float32[np.ndarray, "text _"],
    others: Float32[np.ndarray, "text _"],
    texts: Sequence[str],
    name: str,
) -> None:
    rows, others = np.split(_stack([rows, others], name), 2)
    far = np.linalg.norm(rows - others, axis=1) > _TOLERANCE * np.linalg.norm(rows, axis=1)
    moved = [text[:40] for text, is_far in zip(texts, far, strict=True) if is_far]
    require(
        not moved,
        f"the embedder {name!r} gives {moved[:3]} other rows in another batch: a row depends on"
        " its text alone",
    )


def _check_distinct(embedder: Embedder) -> None:
    one, other = _embed(embedder, [_ALIKE, _UNLIKE], "two words")
    require(
        not np.array_equal(one, other),
        f"the embedder {embedder.name!r} gives {_ALIKE!r} and {_UNLIKE!r} the same row",
    )
