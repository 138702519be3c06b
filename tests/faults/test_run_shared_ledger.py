"""Two runs on one ledger share the work, and one that dies is stood in for."""

import signal
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from tests.fake_llm import FakeLlm, Reply, run_fake_llm
from tests.faults.figures import Figures
from tests.faults.place import Place, end, fingerprint, make_place, name_by_prompt

pytestmark = pytest.mark.slow

N, CONCURRENCY = 200, 16
EVERY = ("--llm-all",)
N_LEASED = 16


def test_two_runs_on_one_ledger_ask_nothing_twice(tmp_path: Path, figures: Figures) -> None:
    with run_fake_llm(name_by_prompt, latency=0.1) as fake:
        place = make_place(tmp_path / "place", N, fake.address)
        runs = [place.start(*EVERY, "--out", name) for name in ("one.json", "two.json")]
        for run in runs:
            err = end(run)
            assert run.returncode == 0, err
        n_asked = len(fake.received)
    figures.note("two runs on one ledger", f"{N} calls for {N} features", f"{n_asked} calls")
    assert n_asked == len(set(map(fingerprint, fake.received))) == N
    one, two = ((place.folder / name).read_bytes() for name in ("one.json", "two.json"))
    assert one == two
    check_ledger(place)


def test_a_run_stands_in_for_one_that_was_killed(tmp_path: Path, figures: Figures) -> None:
    with run_fake_llm(name_by_prompt, latency=0.1) as fake:
        place = make_place(tmp_path / "place", N, fake.address)
        first = place.start(*EVERY, "--out", "one.json", concurrency=CONCURRENCY)
        assert fake.await_requests(40, timeout=60.0)
        second = place.start(*EVERY, "--out", "two.json", concurrency=CONCURRENCY)
        assert fake.await_requests(100, timeout=60.0)
        first.kill()
        first.communicate()
        err = end(second)
        assert second.returncode == 0, err
        repeated = len(fake.received) - N
    figures.note("one of two runs is killed", f"<= {CONCURRENCY} repeated", f"{repeated} repeated")
    assert len(set(map(fingerprint, fake.received))) == N
    assert repeated <= CONCURRENCY
    assert (place.folder / "two.json").exists()
    check_ledger(place)


@pytest.mark.parametrize("n_features", [N_LEASED])
def test_a_run_that_waits_for_one_that_is_killed_takes_over_at_once(
    place: Place, fake: FakeLlm, figures: Figures, n_features: int
) -> None:
    fake.respond = lambda _: Reply(hangs=True)
    first = place.start(*EVERY, "--out", "one.json")
    assert fake.await_requests(n_features, timeout=60.0)
    second = place.start(*EVERY, "--out", "two.json")
    await_that(lambda: len(place.taken) == n_features)
    assert len(fake.received) == n_features
    fake.respond = name_by_prompt
    first.kill()
    first.communicate()
    started = time.perf_counter()
    err = end(second)
    seconds = time.perf_counter() - started
    assert second.returncode == 0, err
    row = f"one of two runs is killed, the other waits for its {n_features} calls"
    figures.note(row, "waits, then asks each once", f"{len(fake.received) - n_features} asked")
    figures.note(row, "takes over within seconds", f"done after {seconds:.1f} s")
    assert len(fake.received) == 2 * n_features
    assert seconds < 30.0
    check_ledger(place, n_features)


@pytest.mark.parametrize("n_features", [N_LEASED])
def test_a_run_whose_leases_ran_out_is_stood_in_for_and_does_no_harm_when_it_is_back(
    place: Place, fake: FakeLlm, figures: Figures, n_features: int
) -> None:
    fake.respond = lambda asked: replace(name_by_prompt(asked), latency=2.0)
    first = place.start(*EVERY, "--out", "one.json")
    assert fake.await_requests(n_features, timeout=60.0)
    first.send_signal(signal.SIGSTOP)
    try:
        second = place.start(*EVERY, "--out", "two.json")
        await_that(lambda: len(place.taken) == n_features)
        assert len(fake.received) == n_features
        let_leases_run_out(place)
        err = end(second)
    finally:
        first.send_signal(signal.SIGCONT)
    assert second.returncode == 0, err
    kept = place.read_answers()
    err = end(first)
    assert first.returncode == 0, err
    row = "one of two runs sleeps until its leases run out"
    figures.note(row, "the other asks each once", f"{len(fake.received) - n_features} asked")
    figures.note(row, "0 duplicates when it wakes", f"{len(place.read_answers()) - n_features}")
    assert len(fake.received) == 2 * n_features
    assert place.read_answers() == kept
    assert (place.folder / "one.json").read_bytes() == (place.folder / "two.json").read_bytes()
    check_ledger(place, n_features)


def await_that(has_happened: Callable[[], bool], *, seconds: float = 60.0) -> None:
    until = time.monotonic() + seconds
    while not has_happened():
        assert time.monotonic() < until
        time.sleep(0.05)


def let_leases_run_out(place: Place) -> None:
    with closing(sqlite3.connect(place.ledger, timeout=30.0)) as connection, connection:
        connection.execute("UPDATE leases SET until = 0")


def check_ledger(place: Place, n: int = N) -> None:
    assert len(place.read_answers()) == n
    assert place.query("SELECT * FROM leases") == []
    assert place.query("PRAGMA integrity_check") == [("ok",)]
