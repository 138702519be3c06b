"""Every system call that writes the output or the ledger fails, or is the last of the process."""

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from tests.fake_llm import FakeLlm
from tests.faults.figures import Figures
from tests.faults.place import make_place
from tests.faults.shim import (
    FAULTS,
    KILL,
    OLD,
    READ_ONLY,
    Ended,
    Fault,
    FaultyRuns,
    Shelved,
    build_shim,
    start_faulty_runs,
)

pytestmark = pytest.mark.slow

FULL = os.environ.get("CLERP_FAULTS") == "full"
N = 8
POINTS_OF_THE_LEDGER = 4
"""How many are tried with each fault, unless all are."""


@pytest.fixture(scope="session")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_shim(tmp_path_factory.mktemp("shim"))


@pytest.fixture
def runs(tmp_path: Path, fake: FakeLlm, shim: Path) -> Iterator[FaultyRuns]:
    made = make_place(tmp_path / "place", N, fake.address)
    place = Shelved(made.folder, made.address)
    place.begin_anew()
    with start_faulty_runs(place, shim) as runs:
        yield runs


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_an_output_is_the_old_or_the_new_one_whatever_call_fails(
    runs: FaultyRuns, figures: Figures, fault: Fault
) -> None:
    place, shelf = runs.place, runs.place.out.parent
    whole, calls = run_whole(runs, shelf)
    found = Counter[bool]()
    left = 0
    for nth in range(1, len(calls) + 1):
        place.out.write_bytes(OLD)
        ended = runs.run(shelf.name, nth=nth, fault=fault)
        check_end(ended, fault, place.out)
        passed = ended.points[: nth - 1] + (() if fault.lasts else ended.points[nth:])
        is_new = place.out.read_bytes() == whole
        found[is_new] += 1
        assert is_new == ("rename" in passed)
        assert is_new or place.out.read_bytes() == OLD
        # Whoever is killed, or may not write any more, can clear nothing away.
        if fault in (KILL, READ_ONLY):
            assert runs.run(shelf.name).code == 0
            assert place.out.read_bytes() == whole
        left += len(set(shelf.iterdir()) - {place.out})
    row = f"{fault} at each of {len(calls)} calls that write the output"
    figures.note(
        row, "the old file or the new one is whole", f"{found[False]} old, {found[True]} new"
    )
    figures.note(row, "the next run clears up", f"{left} files left")
    assert left == 0


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_a_ledger_loses_nothing_whatever_call_fails(
    runs: FaultyRuns, fake: FakeLlm, figures: Figures, fault: Fault
) -> None:
    place, shelf = runs.place, runs.place.ledger.parent
    whole, calls = run_whole(runs, shelf)
    tried = choose_points(calls, fault)
    lost = repeated = named = resumed = 0
    for nth in tried:
        place.begin_anew()
        ended = runs.run(shelf.name, nth=nth, fault=fault)
        if len(ended.points) >= nth:
            check_end(ended, fault, place.ledger)
        named += ended.code == 1
        assert place.out.read_bytes() == (whole if ended.code == 0 else OLD)
        assert place.query("PRAGMA integrity_check") in ([("ok",)], [])
        kept = place.read_answers()
        lost += len(place.acknowledged - kept.keys())
        fake.received.clear()
        assert runs.run(shelf.name).code == 0
        assert place.out.read_bytes() == whole
        assert place.read_answers().items() >= kept.items()
        assert place.query("SELECT * FROM leases") == []
        resumed += 1
        repeated += len(fake.received) + len(kept) - N
    row = f"{fault} at {len(tried)} of {len(calls)} calls that write the ledger"
    figures.note(row, "no acknowledged answer lost, none asked again", f"{lost}, {repeated}")
    figures.note(
        row,
        "the place named, the output untouched, resumable",
        f"{named} end and name it, {resumed} of {len(tried)} go on",
    )
    assert lost == repeated == 0


def run_whole(runs: FaultyRuns, shelf: Path) -> tuple[bytes, Sequence[str]]:
    """Run without a fault; return the output, and what writes below a folder."""
    ended = runs.run(shelf.name)
    assert ended.code == 0, ended.err
    return runs.place.out.read_bytes(), ended.points


def choose_points(calls: Sequence[str], fault: Fault) -> range:
    """Return numbers of calls, all or some that are spread out; others for every fault."""
    apart = 1 if FULL else len(calls) // POINTS_OF_THE_LEDGER
    first = 1 + FAULTS.index(fault) * apart // len(FAULTS)
    return range(first, len(calls) + 1, apart)


def check_end(ended: Ended, fault: Fault, place: Path) -> None:
    """Check that a run ends well, or says in a line what could not be written."""
    if fault is KILL:
        assert ended.code == -9
        return
    assert ended.code in (0, 1), ended.err
    assert "Traceback" not in ended.err
    if ended.code == 1:
        assert ended.err.startswith(f"clerp: {place}: ")
        assert ended.err.count("\n") == 1
        assert ended.err.count(". ") >= 1, "it says what to do"
