"""A ledger that counts what is recorded in it."""

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager

import sqlalchemy as sa

from clerp.ledger import Answer, Ledger, LedgerWrites


class CountingLedger(Ledger):
    """The same ledger as another one, from here on counting."""

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(ledger._engine, ledger._place)
        self.n_recorded = 0
        """Answers that it was given to record."""

    @contextmanager
    def writing(self) -> Generator[LedgerWrites]:
        """Open a transaction and count the answers in it."""
        with self._transaction(writes=True) as connection:
            yield _CountingWrites(connection, self._count)

    def _count(self, n: int) -> None:
        self.n_recorded += n


class _CountingWrites(LedgerWrites):
    def __init__(self, connection: sa.Connection, count: Callable[[int], None]) -> None:
        super().__init__(connection)
        self._count = count

    def record_answers(self, answers: Sequence[Answer]) -> list[Answer]:
        kept = super().record_answers(answers)
        self._count(len(answers))
        return kept
