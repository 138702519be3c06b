"""An open ledger."""

import sqlite3
from collections import defaultdict
from collections.abc import Generator, Sequence
from contextlib import contextmanager

import sqlalchemy as sa

from clerp.ledger.engine import for_writing, warn_of_log_bug
from clerp.ledger.faults import explain_faults
from clerp.ledger.file import LedgerFile
from clerp.ledger.patience import wait_for_lock
from clerp.ledger.queue import read_item, select_waiting
from clerp.ledger.queue_changes import Wanted, find_changes
from clerp.ledger.record import (
    NOTHING_SHOWN,
    Answer,
    Claim,
    QueueItem,
    Shown,
    Taken,
    TranscoderSet,
)
from clerp.ledger.review_reads import ReviewReads
from clerp.ledger.review_writes import ReviewWrites
from clerp.ledger.tables import QUEUE_GRAPHS
from clerp.ledger.writes import LedgerWrites, select_answers


class Ledger:
    """An open ledger. Every write is committed, and on disk, when its method returns."""

    def __init__(self, engine: sa.Engine, place: str, file: LedgerFile | None = None) -> None:
        self._engine = engine
        self._place = place
        self._file = file

    def __enter__(self) -> "Ledger":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file or server."""
        self._engine.dispose()

    def queue_features(
        self,
        items: Sequence[QueueItem],
        *,
        transcoders: TranscoderSet,
        graphs: Sequence[str],
        run_id: str,
        shown: Shown = NOTHING_SHOWN,
    ) -> None:
        """Make `items` the queue of these graphs, whatever it was before.

        A feature that is queued already is brought up to date; one that these graphs had queued
        and that is not among `items` leaves, unless another graph still waits for it. What a
        person decided stays as it is. Where all is as it should be, nothing is written. What is
        queued is the end of a run: another process that has locked the ledger is waited for.

        Args:
            items: Every feature of the graphs that a person may look at; may be empty.
            transcoders: Set of the graphs' features; the same slug under another set is another
                graph.
            graphs: Slugs of all the graphs of this run.
            run_id: Who says so.
            shown: What the review page shows of them; what is there already is not written again.

        Raises:
            LedgerBusyError: Another process has locked the ledger for ten minutes.
            LedgerError: The ledger could not be written; nothing has changed.
        """
        wanted = Wanted.of(items, transcoders, graphs, run_id, shown)
        wait_for_lock(lambda: self._queue(wanted))

    def queued(self) -> list[QueueItem]:
        """List what waits for a name: artefacts last, then the largest share first.

        Raises:
            LedgerError: The ledger could not be read.
        """
        by_slug = sa.select(QUEUE_GRAPHS).order_by(QUEUE_GRAPHS.c.graph)
        with self._transaction() as connection:
            graphs: defaultdict[str, list[str]] = defaultdict(list)
            for link in connection.execute(by_slug):
                graphs[link.feature_key].append(link.graph)
            return [
                read_item(row, tuple(graphs[row["feature_key"]]))
                for row in connection.execute(select_waiting()).mappings()
            ]

    def find_answer(self, key: str) -> Answer | None:
        """Return the answer that was recorded under a key.

        Raises:
            LedgerError: The ledger could not be read.
        """
        return self.find_answers([key]).get(key)

    def find_answers(self, keys: Sequence[str]) -> dict[str, Answer]:
        """Return the answers that were recorded under any of these keys, by key.

        Raises:
            LedgerError: The ledger could not be read.
        """
        with self._transaction() as connection:
            return select_answers(connection, keys)

    def record_answer(self, answer: Answer) -> Answer:
        """Put an answer on disk and end the lease on it. An answer under the same key stays.

        Returns:
            The one that is on disk now: the one before, if there was one.

        Raises:
            LedgerError: The ledger could not be written.
        """
        with self.writing() as writes:
            return writes.record_answer(answer)

    def claim(
        self, key: str, owner: str, seconds: float, *, now: float | None = None
    ) -> Claim | Answer | Taken:
        """Return the answer under a key, or become the one who asks for it.

        A lease that ran out is taken over, and so is one whose owner named itself by `name_owner`
        and is known to have ended. Nobody has a second lease on one key, its holder neither.

        Args:
            key: Of the answer.
            owner: Whose lease it will be.
            seconds: After which others may ask, too.
            now: Seconds since 1970, by default by the clock of the server, or by this machine's
                for a file.

        Returns:
            The answer if there is one; a lease if nobody holds one; else until when it is taken.

        Raises:
            LedgerError: The ledger could not be read or written.
        """
        known = self.find_answer(key)
        if known is not None:
            return known
        with self.writing() as writes:
            return writes.claim(key, owner, seconds, now=now)

    def renew(self, key: str, owner: str, seconds: float, *, now: float | None = None) -> bool:
        """Let a lease run out later.

        Args:
            key: As for `claim`.
            owner: Whose lease it is.
            seconds: From now on.
            now: As for `claim`.

        Returns:
            False if the lease is not the owner's any more: another one took it over, or the answer
            is recorded.

        Raises:
            LedgerError: The ledger could not be written.
        """
        with self.writing() as writes:
            return writes.renew(key, owner, seconds, now=now)

    def release(self, key: str, owner: str) -> None:
        """End an owner's lease, if it is still the owner's.

        Raises:
            LedgerError: The ledger could not be written.
        """
        with self.writing() as writes:
            writes.release(key, owner)

    @contextmanager
    def writing(self) -> Generator[LedgerWrites]:
        """Open a transaction for answers and leases; it is on disk when the block is left.

        Raises:
            LedgerError: The ledger could not be written; nothing of it is kept.
        """
        with self._transaction(writes=True) as connection:
            yield LedgerWrites(connection)

    @contextmanager
    def reviewing(self) -> Generator[ReviewWrites]:
        """Open a transaction for decisions; it is on disk when the block is left.

        Raises:
            LedgerError: The ledger could not be written; nothing of it is kept.
        """
        with self._transaction(writes=True) as connection:
            writes = ReviewWrites(connection)
            yield writes
            writes.finish()

    @contextmanager
    def reading_review(self) -> Generator[ReviewReads]:
        """Open a transaction that reads queue and decisions.

        Raises:
            LedgerError: The ledger could not be read.
        """
        with self._transaction() as connection:
            yield ReviewReads(connection)

    def _queue(self, wanted: Wanted) -> None:
        with self._transaction() as connection:
            changes = find_changes(connection, wanted)
        if not changes:
            return
        # Writing snapshots out takes long, and others wait for the lock.
        for rows in changes.snapshots.make():
            with self._transaction(writes=True) as connection:
                rows.write(connection)
        with self._transaction(writes=True) as connection:
            # Another process may have written since.
            find_changes(connection, wanted).write(connection)

    @contextmanager
    def _transaction(self, *, writes: bool = False) -> Generator[sa.Connection]:
        if self._file is not None:
            self._file.check()
            if writes and self._file.is_shared:
                warn_of_log_bug(sqlite3.sqlite_version_info)
        with explain_faults(self._place), self._engine.connect() as connection:
            chosen = for_writing(connection) if writes else connection
            with chosen.begin():
                yield chosen
