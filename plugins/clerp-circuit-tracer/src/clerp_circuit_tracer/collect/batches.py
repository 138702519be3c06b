"""Rows to batches of similar length, the same ones wherever a run begins."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import torch

from clerp.errors import EvidenceError
from clerp_circuit_tracer.collect.activity import Batch, Row
from clerp_circuit_tracer.collect.settings import CollectSettings


@dataclass(frozen=True, slots=True, eq=False)
class Shard:
    """Consecutive rows in batches; what is known after a shard can be saved."""

    batches: Sequence[Batch]
    next_row: int
    """Number of the first row after it."""


def cut_shards(
    rows: Iterable[Row], settings: CollectSettings, *, first_row: int, prefix: int
) -> Iterator[Shard]:
    """Sort the rows of each shard by length and cut them into padded batches.

    Args:
        rows: In ascending order of their number, without gaps.
        settings: Sizes of shards and batches.
        first_row: Number of the first of them, where a shard of an earlier run ended.
        prefix: Tokens at the start of every row where features count as off.

    Raises:
        EvidenceError: A row has another number than expected, or no token.
    """
    remaining = iter(rows)
    while shard := list(islice(remaining, settings.shard_rows)):
        for number, row in enumerate(shard, start=first_row):
            _check_row(row, number)
        first_row += len(shard)
        yield Shard([_pad(group, prefix) for group in _group(shard, settings)], first_row)


def _check_row(row: Row, number: int) -> None:
    if row.number != number:
        raise EvidenceError(
            f"row {row.number} of the corpus came where row {number} should",
            remedy="Number the rows from 0 over the whole corpus, without gaps",
        )
    if not len(row.tokens):
        raise EvidenceError(f"row {number} of the corpus has no token", remedy="Leave it out")


def _group(shard: Iterable[Row], settings: CollectSettings) -> Iterator[list[Row]]:
    group: list[Row] = []
    for row in sorted(shard, key=lambda row: (len(row.tokens), row.number)):
        # Rows come in ascending length, so the newest is as long as the batch.
        if group and (len(group) + 1) * len(row.tokens) > settings.batch_tokens:
            yield group
            group = []
        group.append(row)
    yield group


def _pad(rows: Sequence[Row], prefix: int) -> Batch:
    return Batch(
        rows=rows,
        tokens=torch.nn.utils.rnn.pad_sequence([row.tokens for row in rows], batch_first=True),
        lengths=torch.tensor([len(row.tokens) for row in rows]),
        prefix=prefix,
    )
