"""Rows to a folder of evidence, in one pass that can be interrupted."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from clerp.feature import FeatureId
from clerp_circuit_tracer.collect.activity import ActivityReader, Row
from clerp_circuit_tracer.collect.batches import cut_shards
from clerp_circuit_tracer.collect.collection import CollectionFacts, Origin, open_collection
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
    same bytes as that of a run without interruption.

    Args:
        read_rows: Opens the corpus at a row number; rows follow in order, without gaps.
        reader: The model with its transcoders.
        features: Those to collect evidence of.
        settings: How many examples, how wide, how rows are run.
        out: The folder to write, which must not exist.
        origin: What model and corpus are; no paths of this machine.
        prefix: Tokens at the start of every row where features count as off.
        report: Told how far it is, at the start and after each batch.
        checkpoint_seconds: Shortest time between two checkpoints; they come between shards.
        clock: Seconds that only rise.

    Raises:
        UsageError: No feature is wanted, or one is not of these transcoders.
        OutputError: The folder exists or cannot be written, or the unfinished work beside it is
            of another collection.
        InputError: The unfinished work is damaged.
        EvidenceError: The rows have gaps, or an activation is not finite.
    """
    collection = open_collection(reader, features, settings, out, origin=origin, prefix=prefix)
    started, earlier = clock(), collection.n_tokens
    saved = started
    report(CollectProgress(collection.n_rows, earlier, 0.0))
    rows, first_row = read_rows(collection.next_row), collection.next_row
    for shard in cut_shards(rows, settings, first_row=first_row, prefix=prefix):
        for batch in shard.batches:
            collection.add(batch)
            rate = (collection.n_tokens - earlier) / max(clock() - started, 1e-9)
            report(CollectProgress(collection.n_rows, collection.n_tokens, rate))
        if clock() - saved >= checkpoint_seconds:
            collection.save(shard.next_row)
            saved = clock()
    return collection.finish()
