"""What windows of ordinary text score by chance, drawn beforehand for the windows of the default.

A file holds every draw, not a fit to them: sorted scores are whole numbers of steps, and the
differences of neighbours pack to a bit or so each.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import msgspec
import numpy as np
from jaxtyping import Int16

from clerp.ordinary.archive import Header, pack, read_archive

DECIMALS = 4
"""Of a score. Ties must not flip with the batch an embedder ran in, which moves floats by 1e-7."""
DRAWS_FILE = "window-draws.safetensors.zst"
_SHIPPED = Path(__file__).with_name("data") / DRAWS_FILE
_STAMP = Header(format="clerp window draws", version=1)

Span = tuple[int, int]
"""First and last token of a window, counted from the peak."""


class _Drawn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One tensor of the file."""

    tensor: str
    span: Span


class _DrawsHeader(Header, frozen=True, kw_only=True):
    format: str = _STAMP.format
    version: int = _STAMP.version
    embedder: str
    passages: str
    largest: int
    draws: int
    windows: list[_Drawn]


@dataclass(frozen=True, slots=True, eq=False)
class WindowDraws:
    """Raw scores of windows drawn at random from passages of ordinary text."""

    embedder: str
    """Its name, with the revision."""
    passages: str
    """Name of the passages, with the digest of their file."""
    scores: Mapping[Span, Int16[np.ndarray, "n draw"]]
    """In steps of 1e-4. Row n - 1 holds the sorted scores of n windows; row 0 is of no use."""


def pack_draws(drawn: WindowDraws) -> bytes:
    """Pack draws as a file; equal ones give equal bytes."""
    spans = sorted(drawn.scores)
    largest, draws = drawn.scores[spans[0]].shape
    header = _DrawsHeader(
        embedder=drawn.embedder,
        passages=drawn.passages,
        largest=largest,
        draws=draws,
        windows=[_Drawn(_name(i), span) for i, span in enumerate(spans)],
    )
    steps = [np.diff(drawn.scores[span], axis=1, prepend=np.int16(0)) for span in spans]
    return pack(header, {_name(i): step for i, step in enumerate(steps)})


def read_draws(path: Path) -> WindowDraws:
    """Read a file of draws.

    Raises:
        MissingEvidenceError: There is none.
        EvidenceError: It is damaged, or made for another version of clerp.
    """
    archive = read_archive(path, _DrawsHeader, _STAMP)
    header = archive.header
    archive.require(header.largest > 0 and header.draws > 0, "no draws")
    scores: dict[Span, Int16[np.ndarray, "n draw"]] = {}
    for window in header.windows:
        steps = archive.take(window.tensor, np.int16, (header.largest, header.draws))
        summed = np.cumsum(steps, axis=1, dtype=np.int64)
        fits = bool((steps[:, 1:] >= 0).all() and (np.abs(summed) <= 10**DECIMALS).all())
        archive.require(fits, f"tensor {window.tensor!r} holds no sorted scores")
        scores[window.span] = summed.astype(np.int16)
    return WindowDraws(header.embedder, header.passages, scores)


@cache
def load_draws(path: Path = _SHIPPED) -> WindowDraws:
    """Read the draws that come with clerp, once.

    Raises:
        MissingEvidenceError: There are none.
        EvidenceError: The file is damaged.
    """
    return read_draws(path)


def _name(number: int) -> str:
    return f"window_{number}"
