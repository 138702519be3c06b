"""How many of the texts that a run asks for are written."""

from collections.abc import Callable
from dataclasses import dataclass


def _ignore(_: float) -> None:
    """Tell nobody."""


@dataclass(slots=True)
class Work:
    """Texts that are expected, and those that are there."""

    report: Callable[[float], None] = _ignore
    """Is told the share that is there, from 0 to 1."""
    _n_expected: int = 0
    _n_done: int = 0

    def expect(self, n: int) -> None:
        """Take note of texts that will be asked for."""
        self._n_expected += n

    def advance(self, n: int) -> None:
        """Take note of texts that are there; of those that nobody expected nothing is told."""
        self._n_done = min(self._n_done + n, self._n_expected)
        if self._n_expected:
            self.report(self._n_done / self._n_expected)
