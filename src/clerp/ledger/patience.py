"""Waiting for another process that has locked the ledger."""

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from clerp.errors import LedgerBusyError

T = TypeVar("T")

PATIENCE_SECONDS = 600.0
"""For what was paid for or computed and would be lost."""
PAUSE_SECONDS = 0.2
"""Between two attempts; each waits for the lock by itself, as a rule."""

_log = logging.getLogger("clerp")


def wait_for_lock(
    write: Callable[[], T],
    *,
    patience: float = PATIENCE_SECONDS,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> T:
    """Write once the ledger is free.

    Args:
        write: Writes all or nothing.
        patience: Seconds for which it is tried.
        clock: Tells the seconds.
        sleep: Waits for seconds.

    Raises:
        LedgerBusyError: It is locked for longer.
        LedgerError: As `write`.
    """
    ends = clock() + patience
    has_told = False
    while True:
        try:
            return write()
        except LedgerBusyError:
            if clock() >= ends:
                raise
        if not has_told:
            tell_of_lock(patience)
            has_told = True
        sleep(PAUSE_SECONDS)


def tell_of_lock(patience: float) -> None:
    """Say that the ledger is waited for."""
    _log.warning("Another process has locked the ledger: waiting for it, %g s at most", patience)
