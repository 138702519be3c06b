"""A run that is told to stop does so at once, and goes on later where it ended."""

import asyncio
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.fake_llm import FakeLlm, Reply
from tests.faults.figures import Figures
from tests.faults.place import Place, end, fingerprint, name_by_prompt
from tests.unit.ledger.records import make_answer

from clerp.ledger import GroupCommit, LedgerWrites, open_ledger

pytestmark = pytest.mark.slow

N, ANSWERED, IN_FLIGHT = 100, 30, 64
EVERY = ("--llm-all",)


@pytest.fixture
def n_features() -> int:
    return N


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_a_run_that_waits_and_it_can_be_resumed(
    place: Place, fake: FakeLlm, figures: Figures, sent: signal.Signals, code: int
) -> None:
    fake.respond = lambda asked: (
        name_by_prompt(asked) if len(fake.received) <= ANSWERED else Reply(hangs=True)
    )
    process = place.start(*EVERY, concurrency=IN_FLIGHT)
    assert fake.await_requests(ANSWERED + IN_FLIGHT, timeout=60.0)
    process.send_signal(sent)
    started = time.perf_counter()
    err = end(process)
    seconds = time.perf_counter() - started
    row = f"{sent.name} with {IN_FLIGHT} calls that hang"
    figures.note(row, f"<= 5 s, code {code}, resumable", f"{seconds:.1f} s, {process.returncode}")
    assert process.returncode == code
    assert err == "clerp: interrupted; what was done is kept for the next run\n"
    assert seconds <= 5.0
    assert not place.out.exists()
    kept = place.read_answers()
    assert len(kept) == ANSWERED
    assert place.query("SELECT * FROM leases") == []
    check_resumed(place, fake)


def check_resumed(place: Place, fake: FakeLlm) -> None:
    kept = {answer.request_id for answer in place.read_answers().values()}
    fake.received.clear()
    fake.respond = name_by_prompt
    process = place.start(*EVERY)
    err = end(process)
    assert process.returncode == 0, err
    asked = set(map(fingerprint, fake.received))
    assert len(asked) == len(fake.received) == N - ANSWERED
    assert not asked & kept


async def test_cancelling_everything_while_a_commit_waits_for_the_disk_loses_no_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = threading.Event()
    with open_ledger(str(tmp_path / "clerp.db")) as ledger:
        write = ledger.writing

        @contextmanager
        def write_slowly() -> Iterator[LedgerWrites]:
            assert disk.wait(30)
            with write() as writes:
                yield writes

        monkeypatch.setattr(ledger, "writing", write_slowly)
        commit = GroupCommit(ledger)
        recording = asyncio.create_task(commit.record_answer(make_answer("k")))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        disk.set()
        await asyncio.wait([recording])
        await asyncio.wait_for(commit.aclose(), 10)
        assert ledger.find_answer("k") is not None
