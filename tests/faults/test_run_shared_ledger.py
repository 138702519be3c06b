"""Two runs on one ledger share the work, and one that dies is stood in for."""

from pathlib import Path

from tests.fake_llm import run_fake_llm
from tests.faults.figures import Figures
from tests.faults.place import Place, end, fingerprint, make_place, name_by_prompt

N, CONCURRENCY = 200, 16
EVERY = ("--llm-all",)


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


def check_ledger(place: Place) -> None:
    assert len(place.read_answers()) == N
    assert place.query("SELECT * FROM leases") == []
    assert place.query("PRAGMA integrity_check") == [("ok",)]
