"""An open ledger."""

from collections import defaultdict
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, fields

import sqlalchemy as sa

from clerp.ledger.engine import for_writing
from clerp.ledger.faults import explain_faults
from clerp.ledger.queue import (
    drop_unwanted,
    forget_graphs,
    list_graph_rows,
    make_row,
    read_item,
    select_waiting,
    upsert,
)
from clerp.ledger.record import Answer, QueueItem, TranscoderSet
from clerp.ledger.tables import ANSWERS, INSERTS, QUEUE, QUEUE_GRAPHS

_ANSWER_COLUMNS = [ANSWERS.c[field.name] for field in fields(Answer)]


class Ledger:
    """An open ledger. Every write is committed, and on disk, when its method returns."""

    def __init__(self, engine: sa.Engine, place: str) -> None:
        self._engine = engine
        self._place = place
        self._insert = INSERTS[engine.dialect.name]

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
    ) -> None:
        """Make `items` the queue of these graphs, whatever it was before.

        A feature that is queued already is brought up to date; one that these graphs had queued
        and that is not among `items` leaves, unless another graph still waits for it. What a
        person decided stays as it is.

        Args:
            items: Every feature of the graphs that needs a person; may be empty.
            transcoders: Set of the graphs' features; the same slug under another set is another
                graph.
            graphs: Slugs of all the graphs of this run.
            run_id: Who says so.

        Raises:
            LedgerError: The ledger could not be written; nothing has changed.
        """
        with self._transaction(writes=True) as connection:
            connection.execute(forget_graphs(transcoders, graphs))
            if items:
                rows = [make_row(item, run_id) for item in items]
                connection.execute(upsert(self._insert(QUEUE)), rows)
                links = [row for item in items for row in list_graph_rows(item)]
                connection.execute(self._insert(QUEUE_GRAPHS).on_conflict_do_nothing(), links)
            connection.execute(drop_unwanted())

    def queued(self) -> list[QueueItem]:
        """List what waits for a person: artefacts last, then the largest share first.

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
        asked = sa.select(*_ANSWER_COLUMNS).where(ANSWERS.c.key == key)
        with self._transaction() as connection:
            row = connection.execute(asked).mappings().first()
        return None if row is None else Answer(**row)

    def record_answer(self, answer: Answer) -> None:
        """Put an answer on disk. An answer that is there under the same key stays.

        Raises:
            LedgerError: The ledger could not be written.
        """
        with self._transaction(writes=True) as connection:
            connection.execute(self._insert(ANSWERS).on_conflict_do_nothing(), asdict(answer))

    @contextmanager
    def _transaction(self, *, writes: bool = False) -> Generator[sa.Connection]:
        with explain_faults(self._place), self._engine.connect() as connection:
            chosen = for_writing(connection) if writes else connection
            with chosen.begin():
                yield chosen
