"""A server that crashes, and runs that are killed at one, lose nothing that was acknowledged."""

import signal
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from threading import Event

import pytest
from tests.fake_llm import FakeLlm, run_fake_llm
from tests.faults.figures import Figures
from tests.faults.place import Place, end, fingerprint, make_place, name_by_prompt
from tests.postgres import Postgres, run_postgres
from tests.unit.ledger.databases import ask
from tests.unit.ledger.records import make_answer, make_item, queue

from clerp.errors import LedgerBusyError, LedgerError
from clerp.ledger import Claim, Ledger, open_ledger

pytestmark = pytest.mark.slow

N, CONCURRENCY = 120, 8
WRITERS = 4
CRASHES = 3


@pytest.fixture(scope="module")
def frail() -> Iterator[Postgres]:
    """A server that tests may crash."""
    with run_postgres() as server:
        yield server


@pytest.fixture
def url(frail: Postgres) -> Iterator[str]:
    with frail.make_database() as made:
        yield made


def crash(server: Postgres) -> None:
    """End a server as a power cut would: what is not flushed to the disk is gone."""
    server.stop(signal.SIGQUIT)


def write_until_it_fails(
    ledger: Ledger, name: str, acknowledged: list[str], begun: Event
) -> LedgerError:
    """Claim and record until the ledger fails; note what was acknowledged, return the failure."""
    numbers = count()
    try:
        while True:
            number = next(numbers)
            key = f"{name} {number}"
            assert isinstance(ledger.claim(key, name, 600.0), Claim)
            ledger.record_answer(make_answer(key, text=key))
            acknowledged.append(key)
            if number > 5:
                begun.set()
    except LedgerError as failure:
        return failure


def test_what_a_server_acknowledged_survives_its_crash(
    frail: Postgres, url: str, figures: Figures
) -> None:
    acknowledged: list[str] = []
    for number in range(CRASHES):
        with open_ledger(url) as ledger, ThreadPoolExecutor(WRITERS) as pool:
            begun = [Event() for _ in range(WRITERS)]
            writers = [
                pool.submit(write_until_it_fails, ledger, f"{number}-{writer}", acknowledged, event)
                for writer, event in enumerate(begun)
            ]
            assert all(event.wait(60) for event in begun)
            crash(frail)
            failures = [writer.result(60) for writer in writers]
            for failure in failures:
                check_failure(failure, frail)
            frail.start()
            # The same ledger goes on: it connects anew.
            assert all(ledger.find_answer(key) for key in acknowledged)
    rows = ask(url, "SELECT key, text FROM answers")
    unanswered = ask(url, "SELECT key FROM leases WHERE key IN (SELECT key FROM answers)")
    row = f"a server that crashes {CRASHES} times under {WRITERS} writers"
    figures.note(row, "none lost", f"{len(set(acknowledged) - {k for k, _ in rows})} lost")
    assert all(key == text for key, text in rows)
    # An answer and the end of its lease are one.
    assert unanswered == []


def check_failure(failure: LedgerError, server: Postgres) -> None:
    """Check that one line names the place, and that nobody is told to wait for a lock."""
    line = str(failure)
    assert "\n" not in line
    assert f"clerp:***@127.0.0.1:{server.port}/" in line
    assert server.password not in line
    assert not isinstance(failure, LedgerBusyError)


def test_a_queue_that_a_crash_interrupts_is_as_it_was(frail: Postgres, url: str) -> None:
    with open_ledger(url) as ledger:
        queue(ledger, make_item(1))

        def queue_and_crash() -> None:
            with ledger._transaction(writes=True) as connection:
                connection.exec_driver_sql("UPDATE queue SET reason = 'half'")
                crash(frail)
                connection.exec_driver_sql("DELETE FROM queue_graphs")

        with pytest.raises(LedgerError) as caught:
            queue_and_crash()
        check_failure(caught.value, frail)
        frail.start()
        assert ledger.queued() == [make_item(1)]


@pytest.fixture
def fake() -> Iterator[FakeLlm]:
    with run_fake_llm(name_by_prompt, latency=0.05) as running:
        yield running


@pytest.fixture
def n_features() -> int:
    return N


def label_in_a_file(folder: Path, fake: FakeLlm) -> bytes:
    """Return what a run with a ledger in a file writes."""
    place = make_place(folder, N, fake.address)
    process = place.start("--llm-all", concurrency=CONCURRENCY)
    err = end(process)
    assert process.returncode == 0, err
    fake.received.clear()
    return place.out.read_bytes()


def start(place: Place, url: str) -> "subprocess.Popen[str]":
    return place.start("--llm-all", "--ledger", url, concurrency=CONCURRENCY)


def check_finished(place: Place, url: str, whole: bytes) -> None:
    assert place.out.read_bytes() == whole
    keys = {key for (key,) in ask(url, "SELECT key FROM answers")}
    assert len(keys) == N
    assert place.acknowledged <= keys
    assert ask(url, "SELECT count(*) FROM leases") == [(0,)]


def test_a_run_that_is_killed_goes_on_from_what_the_server_has(
    place: Place, url: str, fake: FakeLlm, tmp_path: Path, figures: Figures
) -> None:
    whole = label_in_a_file(tmp_path / "whole", fake)
    kills = 3
    for number in range(1, kills + 1):
        process = start(place, url)
        assert fake.await_requests(number * N // (kills + 1), timeout=60.0)
        process.kill()
        process.communicate()
        kept = {key for (key,) in ask(url, "SELECT key FROM answers")}
        assert place.acknowledged <= kept
    process = start(place, url)
    err = end(process)
    assert process.returncode == 0, err
    check_finished(place, url, whole)
    repeated = len(fake.received) - N
    row = f"kill -9 of {kills} runs on a server, {N} features"
    figures.note(row, f"<= {kills * CONCURRENCY} repeated", f"{repeated} repeated")
    assert len(set(map(fingerprint, fake.received))) == N
    assert repeated <= kills * CONCURRENCY


def test_a_run_whose_server_crashes_says_so_and_the_next_one_goes_on(
    place: Place, url: str, frail: Postgres, fake: FakeLlm, tmp_path: Path, figures: Figures
) -> None:
    whole = label_in_a_file(tmp_path / "whole", fake)
    process = start(place, url)
    assert fake.await_requests(N // 2, timeout=60.0)
    crash(frail)
    err = end(process)
    asked = len(fake.received)
    assert process.returncode == 1, err
    assert not place.out.exists()
    assert f"clerp:***@127.0.0.1:{frail.port}/" in err.splitlines()[-1]
    assert "Traceback" not in err
    assert frail.password not in err
    frail.start()
    again = start(place, url)
    err = end(again)
    assert again.returncode == 0, err
    check_finished(place, url, whole)
    repeated = len(fake.received) - N
    row = f"a server that crashes under a run, {N} features"
    figures.note(
        row, "the same bytes in the end", f"stopped after {asked} calls, {repeated} repeated"
    )
    assert len(set(map(fingerprint, fake.received))) == N
    assert repeated <= 2 * CONCURRENCY


def test_two_runs_on_one_server_ask_nothing_twice(
    place: Place, url: str, fake: FakeLlm, figures: Figures
) -> None:
    runs = [
        place.start("--llm-all", "--ledger", url, "--out", name, concurrency=CONCURRENCY)
        for name in ("one.json", "two.json")
    ]
    for run in runs:
        err = end(run)
        assert run.returncode == 0, err
    figures.note(
        "two runs on one server", f"{N} calls for {N} features", f"{len(fake.received)} calls"
    )
    assert len(fake.received) == N
    one, two = ((place.folder / name).read_bytes() for name in ("one.json", "two.json"))
    assert one == two
    assert ask(url, "SELECT count(*) FROM leases") == [(0,)]
