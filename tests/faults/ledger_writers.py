"""Processes that do nothing but write to one ledger."""

import os
import time
from itertools import count
from pathlib import Path

from tests.unit.ledger.records import make_answer

from clerp.ledger import Claim, Ledger, name_owner, open_ledger

TEXT = "x" * 1000
PER_OPENING = 40
"""Answers, after which the ledger is closed, which moves its log into it."""


def write_until(path: Path, name: str, moment: float, acknowledged: Path) -> None:
    """Record answers until a time (seconds since 1970), and note each that is on disk.

    Half of the keys are this process's own, half those that the other one goes for, too.
    """
    told = os.open(acknowledged, os.O_CREAT | os.O_APPEND | os.O_WRONLY)
    numbers = count()
    while time.time() < moment:
        with open_ledger(str(path)) as ledger:
            owner = name_owner()
            for number, _ in zip(numbers, range(PER_OPENING), strict=False):
                for key in (f"{name}-{number}", f"shared-{number}"):
                    if _ask(ledger, key, owner):
                        os.write(told, f"{key}\n".encode())


def _ask(ledger: Ledger, key: str, owner: str) -> bool:
    if not isinstance(ledger.claim(key, owner, 60.0), Claim):
        return False
    ledger.record_answer(make_answer(key, text=TEXT))
    return True
