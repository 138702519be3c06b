"""A disk that takes no more: the run says where, and what was there stays whole."""

import os
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import event
from tests.command_line import Outcome, assert_refused
from tests.fake_llm import FakeLlm
from tests.faults.figures import Figures
from tests.faults.place import Place

pytestmark = pytest.mark.slow

Label = Callable[..., Outcome]

N = 120
NOBODY = ("--llm", "")
EVERY = ("--llm-all",)


@pytest.fixture
def n_features() -> int:
    return N


@contextmanager
def full_disk() -> Iterator[None]:
    """Let SQLite find the disk full after a few more pages."""

    def limit(connection: Any, _: object) -> None:
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count={pages + 10}")

    event.listen(sa.Engine, "connect", limit)
    try:
        yield
    finally:
        event.remove(sa.Engine, "connect", limit)


def run_limited(place: Place, most_bytes: int, *flags: str) -> "subprocess.CompletedProcess[str]":
    """Run in a process none of whose files may pass a size (EFBIG beyond it)."""
    script = "from clerp.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", script, *place.list_arguments(*flags)],
        cwd=place.folder,
        env=os.environ,
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, most_bytes)),
        timeout=120,
    )


def test_a_ledger_on_a_full_disk_is_named_and_loses_nothing(
    place: Place, fake: FakeLlm, label: Label, figures: Figures
) -> None:
    assert label(*NOBODY).code == 0
    before = place.out.read_bytes()
    with full_disk():
        assert_refused(label(*EVERY), "clerp.db", "the disk is full", "Make room")
    kept = place.read_answers()
    assert 0 < len(kept) < N
    assert place.query("PRAGMA integrity_check") == [("ok",)]
    assert place.out.read_bytes() == before
    check_resumed(place, fake, label)
    figures.note("ledger on a full disk", "place named, all kept", f"{len(kept)} answers kept")


def test_a_ledger_that_cannot_grow_is_named_and_loses_nothing(
    place: Place, fake: FakeLlm, label: Label, figures: Figures
) -> None:
    assert label(*NOBODY).code == 0
    before = place.out.read_bytes()
    ended = run_limited(place, 150_000, *EVERY)
    assert ended.returncode == 1
    assert ended.stderr.startswith("clerp: clerp.db: the disk ")
    assert ended.stderr.count("\n") == 1
    kept = place.read_answers()
    assert 0 < len(kept) < N
    assert place.query("PRAGMA integrity_check") == [("ok",)]
    assert place.out.read_bytes() == before
    check_resumed(place, fake, label)
    figures.note("write error in the ledger", "place named, all kept", f"{len(kept)} answers kept")


def test_an_output_that_cannot_be_written_leaves_the_one_before(
    place: Place, fake: FakeLlm, label: Label, figures: Figures
) -> None:
    assert label(*EVERY).code == 0
    before, asked = place.out.read_bytes(), len(fake.received)
    bracketed = (*EVERY, "--style", "bracket")
    # So that the ledger holds the queue of that run, and only the output is written.
    assert label(*bracketed).code == 0
    place.out.write_bytes(before)
    ended = run_limited(place, 40_000, *bracketed)
    assert ended.returncode == 1
    assert ended.stderr.startswith("clerp: graph.labeled.json: could not be written: ")
    assert place.out.read_bytes() == before
    assert len(fake.received) == asked
    assert [path.name for path in place.folder.glob(".*")] == []
    figures.note("write error in the output", "place named, the old one whole", "so")


def check_resumed(place: Place, fake: FakeLlm, label: Label) -> None:
    """Run again with room; what was kept is not asked again."""
    kept = place.read_answers()
    fake.received.clear()
    assert label(*EVERY).code == 0
    assert len(fake.received) == N - len(kept)
    assert place.read_answers().items() >= kept.items()
