"""Two processes that write to one ledger as fast as they can, and are killed now and then."""

import multiprocessing
import os
import random
import sqlite3
import time
from contextlib import closing
from itertools import count
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest
from tests.faults.figures import Figures
from tests.faults.ledger_writers import write_until

from clerp.ledger import open_ledger

pytestmark = pytest.mark.slow

SECONDS = 600.0 if os.environ.get("CLERP_FAULTS") == "full" else 10.0
BETWEEN_KILLS = (2.0, 5.0)
SPAWN = multiprocessing.get_context("spawn")


@pytest.mark.timeout(1200)
def test_two_processes_that_write_and_are_killed_lose_nothing(
    tmp_path: Path, figures: Figures
) -> None:
    path, acknowledged = tmp_path / "clerp.db", tmp_path / "acknowledged"
    open_ledger(str(path)).close()
    draw, names = random.Random(0), count()
    moment, kills = time.time() + SECONDS, 0

    def start() -> BaseProcess:
        given = (path, str(next(names)), moment, acknowledged)
        process = SPAWN.Process(target=write_until, args=given)
        process.start()
        return process

    running = [start(), start()]
    while time.time() < moment:
        running[0].join(min(draw.uniform(*BETWEEN_KILLS), max(0.0, moment - time.time())))
        if time.time() < moment:
            victim = running.pop(draw.randrange(2))
            victim.kill()
            victim.join()
            kills += 1
            running.append(start())
    for process in running:
        process.join()
    assert [process.exitcode for process in running] == [0, 0]
    told = acknowledged.read_text().split()
    kept, whole = read(path)
    row = f"2 processes write for {SECONDS:g} s, {kills} kills, {len(told):,} answers"
    figures.note(row, "integrity_check ok, none lost", f"{whole}, {len(set(told) - kept)} lost")
    figures.note(row, "none recorded twice", f"{len(told) - len(set(told))} twice")
    assert kills > 0
    assert whole == "ok"
    assert set(told) <= kept
    assert len(told) == len(set(told))


def read(path: Path) -> tuple[set[str], str]:
    """Return the keys on record, and what SQLite says of the file."""
    with closing(sqlite3.connect(path)) as connection:
        keys = {key for (key,) in connection.execute("SELECT key FROM answers")}
        return keys, connection.execute("PRAGMA integrity_check").fetchone()[0]
