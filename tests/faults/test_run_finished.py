"""A finished run that is run again asks nothing and writes nothing."""

import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.fake_llm import GOOD_ANSWER, Asked, Reply, chat, run_fake_llm
from tests.faults.figures import Figures
from tests.faults.place import Place, end, fingerprint, make_place, name_by_prompt

pytestmark = pytest.mark.slow

SAMPLE = Path(__file__).parents[2] / "graphs" / "smollm2-135m"

N = 2000

# Without the type checks that tests run under, which take longer than what is measured.
_TIMED = """
import sys, time
import clerp
moments = []
def note(progress):
    if progress.stage == "label":
        moments.append(time.perf_counter())
clerp.label("graph.json", rule="protocol", threshold=0.22, llm_all=True, concurrency=64,
            llm=sys.argv[1], progress=note)
print(moments[-1] - moments[0])
"""


def test_a_finished_run_asks_nothing_and_writes_nothing(tmp_path: Path, figures: Figures) -> None:
    with run_fake_llm(name_by_prompt) as fake:
        place = make_place(tmp_path / "place", N, fake.address)
        run(place)
        assert len(fake.received) == N
        before = list_files(place)
        seconds = run(place)
        assert list_files(place) == before
        assert len(fake.received) == N
        labelling = measure_labelling(place)
        assert len(fake.received) == N
    row = f"resume of a finished run, {N:,} features"
    figures.note(row, "no call, no write", "none")
    figures.note(row, "labelling < 2 s", f"{labelling:.1f} s of {seconds:.1f} s in all")


def test_a_finished_run_leaves_the_queue_of_those_who_wait_as_it_is(tmp_path: Path) -> None:
    with run_fake_llm(abstain_or_name) as fake:
        place = make_place(tmp_path / "place", 40, fake.address)
        run(place)
        before, asked = list_files(place), len(fake.received)
        waiting = place.query("SELECT status, count(*) FROM queue GROUP BY status")
        assert 0 < dict(waiting)["abstained"] < 40
        for _ in range(2):
            run(place)
            assert list_files(place) == before
        assert len(fake.received) == asked


def abstain_or_name(asked: Asked) -> Reply:
    """Abstain from naming about every second feature."""
    if int(fingerprint(asked), 16) % 2:
        return name_by_prompt(asked)
    return chat({**GOOD_ANSWER, "abstain": True, "label": "", "abstain_reason": "nothing shared"})


def test_a_finished_run_without_a_model_writes_nothing_either(tmp_path: Path) -> None:
    for name in ("capital-of-france", "counting-to-six"):
        shutil.copy(SAMPLE / f"{name}.json", tmp_path)
    place = Place(tmp_path, "")
    label_sample(place)
    roles = dict(place.query("SELECT role, count(*) FROM queue GROUP BY role"))
    assert roles["artefact"] > 0
    assert len(roles) > 1
    before = list_files(place)
    for _ in range(2):
        label_sample(place)
        assert list_files(place) == before


def label_sample(place: Place) -> None:
    """Label two graphs of one set with a ledger, in a process of its own."""
    graphs = (path.name for path in sorted(place.folder.glob("*.json")))
    command = [sys.executable, "-c", "from clerp.cli import main; main()", "label", *graphs]
    flags = ["--features", f"folder:{SAMPLE / 'features'}", "--llm", "", "--out", "out"]
    subprocess.run(
        [*command, *flags], cwd=place.folder, capture_output=True, check=True, timeout=120
    )


def run(place: Place) -> float:
    """Run to the end; return its seconds."""
    started = time.perf_counter()
    process = place.start("--llm-all", concurrency=64)
    err = end(process)
    assert process.returncode == 0, err
    return time.perf_counter() - started


def list_files(place: Place) -> dict[str, tuple[int, int, bytes]]:
    """Describe the output and all that belongs to the ledger; a replaced file has another inode."""
    return {
        path.name: (path.stat().st_ino, path.stat().st_mtime_ns, path.read_bytes())
        for path in place.folder.iterdir()
        if re.match(r"clerp\.db|\.?graph\.labeled", path.name)
    }


def measure_labelling(place: Place) -> float:
    asked = subprocess.run(
        [sys.executable, "-c", _TIMED, f"http:m@{place.address}"],
        cwd=place.folder,
        capture_output=True,
        text=True,
        check=True,
    )
    return float(asked.stdout)
