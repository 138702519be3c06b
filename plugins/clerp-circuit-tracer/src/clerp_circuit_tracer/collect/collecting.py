"""Rows to a folder of evidence, in one pass that can be interrupted."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch

from clerp.errors import UsageError
from clerp.feature import FeatureId
from clerp_circuit_tracer.collect.activity import ActivityReader, Batch, Row
from clerp_circuit_tracer.collect.batches import cut_batches
from clerp_circuit_tracer.collect.collection import (
    CollectionFacts,
    Origin,
    check_place,
    open_collection,
)
from clerp_circuit_tracer.collect.lock import hold_folder
from clerp_circuit_tracer.collect.settings import CollectSettings


@dataclass(frozen=True, slots=True)
class CollectProgress:
    """How far a collection is."""

    rows: int
    """Rows seen, those of interrupted runs too."""
    tokens: int
    """Their tokens, without prefixes and padding."""
    tokens_per_second: float
    """In this run, model and statistics together; 0 before its first batch."""


# What torch says of a device without an error of its own for it.
_FULL = ("out of memory", "can't allocate memory", "not enough memory")

ReportCollecting = Callable[[CollectProgress], None]


def ignore_collecting(_: CollectProgress) -> None:
    """Report to nobody."""


def collect_rows(
    read_rows: Callable[[int], Iterable[Row]],
    reader: ActivityReader,
    features: Iterable[FeatureId],
    settings: CollectSettings,
    out: Path,
    *,
    origin: Origin,
    prefix: int,
    report: ReportCollecting = ignore_collecting,
    checkpoint_seconds: float = 120.0,
    clock: Callable[[], float] = time.monotonic,
) -> CollectionFacts:
    """Collect the evidence of some features and write it as a folder.

    Interrupted in any way, the same call goes on from its last checkpoint, and the folder has the
    same bytes as that of a run without interruption. Where the folder is written already and only
    its checkpoint was left, nothing is run and reported.

    Args:
        read_rows: Opens the corpus at a row number; rows follow in order, without gaps.
        reader: The model with its transcoders.
        features: Those to collect evidence of.
        settings: How many examples, how wide, how rows are run.
        out: The folder to write, which must not exist.
        origin: What model and corpus are; no paths of this machine.
        prefix: Tokens at the start of every row where features count as off.
        report: Told how far it is, at the start and after each batch.
        checkpoint_seconds: Shortest time between two checkpoints; they come between batches.
        clock: Seconds that only rise.

    Raises:
        UsageError: No feature is wanted, one is not of these transcoders, or a batch is too
            large for the memory.
        OutputError: The folder exists or cannot be written, another process is at it, or the
            unfinished work beside it is of another collection.
        InputError: The unfinished work is damaged, or the corpus has no text.
        EvidenceError: The rows have gaps, or an activation is not finite.
    """
    collection = open_collection(reader, features, settings, out, origin=origin, prefix=prefix)
    check_place(out)
    with hold_folder(out):
        written = collection.find_written()
        if written is not None:
            return written
        collection.resume()
        started, earlier = clock(), collection.n_tokens
        saved = started
        report(CollectProgress(collection.n_rows, earlier, 0.0))
        rows = read_rows(collection.mark.first_row)
        for step in cut_batches(rows, settings, start=collection.mark, prefix=prefix):
            with _guard_memory(step.batch):
                collection.add(step.batch)
            rate = (collection.n_tokens - earlier) / max(clock() - started, 1e-9)
            report(CollectProgress(collection.n_rows, collection.n_tokens, rate))
            if clock() - saved >= checkpoint_seconds:
                collection.save(step.mark)
                saved = clock()
        return collection.finish()


@contextmanager
def _guard_memory(batch: Batch) -> Iterator[None]:
    try:
        yield
    except (MemoryError, RuntimeError) as fault:
        known = isinstance(fault, MemoryError | torch.OutOfMemoryError)
        if not known and not any(words in str(fault) for words in _FULL):
            raise
        raise UsageError(
            f"out of memory on a batch of {batch.tokens.numel():,} tokens",
            remedy="Give a smaller --batch; the same work continues",
        ) from fault
