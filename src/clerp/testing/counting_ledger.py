"""A ledger that counts what is recorded in it."""

from clerp.ledger import Answer, Ledger


class CountingLedger(Ledger):
    """The same ledger as another one, from here on counting."""

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(ledger._engine, ledger._place)
        self.n_recorded = 0
        """Calls of `record_answer`."""

    def record_answer(self, answer: Answer) -> None:
        """Record an answer and count it."""
        super().record_answer(answer)
        self.n_recorded += 1
