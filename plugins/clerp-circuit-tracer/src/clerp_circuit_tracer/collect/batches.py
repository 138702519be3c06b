"""Rows to batches of similar length, the same ones wherever a run begins."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import torch

from clerp.errors import EvidenceError
from clerp_circuit_tracer.collect.activity import Batch, Row
from clerp_circuit_tracer.collect.settings import CollectSettings


@dataclass(frozen=True, slots=True)
class Mark:
    """How far rows were seen, however large the batches were."""

    first_row: int = 0
    """Number of the first row of a shard; every row before it was seen."""
    n_rows: int = 0
    """Rows of that shard that were seen too, the shortest ones."""


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """A batch, and how far rows are seen with it."""

    batch: Batch
    mark: Mark


def cut_batches(
    rows: Iterable[Row], settings: CollectSettings, *, start: Mark, prefix: int
) -> Iterator[Step]:
    """Sort the rows of each shard by length and cut them into padded batches.

    Args:
        rows: From the shard on that `start` names, in ascending order of their number, without
            gaps.
        settings: Sizes of shards and batches.
        start: How far an earlier run came.
        prefix: Tokens at the start of every row where features count as off.

    Raises:
        EvidenceError: A row has another number than expected, or no token.
    """
    remaining = iter(rows)
    first_row, n_seen = start.first_row, start.n_rows
    while shard := list(islice(remaining, settings.shard_rows)):
        for number, row in enumerate(shard, start=first_row):
            _check_row(row, number)
        ordered = sorted(shard, key=lambda row: (len(row.tokens), row.number))
        for group in _group(ordered[n_seen:], settings):
            n_seen += len(group)
            yield Step(_pad(group, prefix), _mark(first_row, n_seen, len(shard)))
        first_row, n_seen = first_row + len(shard), 0


def _mark(first_row: int, n_seen: int, n_rows: int) -> Mark:
    return Mark(first_row, n_seen) if n_seen < n_rows else Mark(first_row + n_rows)


def _check_row(row: Row, number: int) -> None:
    if row.number != number:
        raise EvidenceError(
            f"row {row.number} of the corpus came where row {number} should",
            remedy="Number the rows from 0 over the whole corpus, without gaps",
        )
    if not len(row.tokens):
        raise EvidenceError(f"row {number} of the corpus has no token", remedy="Leave it out")


def _group(ordered: Iterable[Row], settings: CollectSettings) -> Iterator[list[Row]]:
    group: list[Row] = []
    for row in ordered:
        # Rows come in ascending length, so the newest is as long as the batch.
        if group and (len(group) + 1) * len(row.tokens) > settings.batch_tokens:
            yield group
            group = []
        group.append(row)
    if group:
        yield group


def _pad(rows: Sequence[Row], prefix: int) -> Batch:
    return Batch(
        rows=rows,
        tokens=torch.nn.utils.rnn.pad_sequence([row.tokens for row in rows], batch_first=True),
        lengths=torch.tensor([len(row.tokens) for row in rows]),
        prefix=prefix,
    )
