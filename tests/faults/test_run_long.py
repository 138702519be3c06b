"""A long run takes no more of the machine at its end than at its beginning, and is as fast."""

import os
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from subprocess import Popen

import pytest
from tests.fake_llm import FakeLlm
from tests.faults.figures import Figures
from tests.faults.place import Place, end

pytestmark = pytest.mark.slow

FULL = os.environ.get("CLERP_FAULTS") == "full"
N = 5000 if FULL else 400
LATENCY, CONCURRENCY = 0.1, 8
WARM, LAST = (0.2, 0.4), (0.75, 0.95)
"""Parts of the run that are compared."""


@dataclass(frozen=True)
class Sample:
    at: float
    asked: int
    rss: int
    """Bytes."""
    descriptors: int


@pytest.fixture
def n_features() -> int:
    return N


@pytest.mark.timeout(900)
def test_a_long_run_grows_and_slows_down_by_nothing(
    place: Place, fake: FakeLlm, figures: Figures
) -> None:
    # Slow enough that the server decides the rate, and not who else uses this machine.
    fake.latency = LATENCY
    process = place.start("--llm-all", concurrency=CONCURRENCY)
    samples = watch(process, fake)
    err = end(process)
    assert process.returncode == 0, err
    warm, last = (choose(samples, part) for part in (WARM, LAST))
    growth = median(s.rss for s in last) / median(s.rss for s in warm) - 1
    descriptors = max(s.descriptors for s in last) - max(s.descriptors for s in warm)
    slower = 1 - measure_rate(last) / measure_rate(warm)
    row = f"{N:,} labels in one run"
    figures.note(row, "RSS grows < 10 % after warm-up", f"{growth:+.1%}")
    figures.note(row, "descriptors flat", f"{descriptors:+d}")
    figures.note(row, "rate within 10 % of the start", f"{-slower:+.1%}")
    assert growth < 0.1
    assert descriptors <= 0
    assert slower < (0.1 if FULL else 0.5)


def watch(process: "Popen[str]", fake: FakeLlm) -> list[Sample]:
    """Look at a run several times a second, until it has asked everything."""
    assert fake.await_requests(1, timeout=60.0)
    samples: list[Sample] = []
    proc = Path("/proc") / str(process.pid)
    while len(fake.received) < N and process.poll() is None:
        pages = int((proc / "statm").read_text().split()[1])
        samples.append(
            Sample(
                at=time.perf_counter(),
                asked=len(fake.received),
                rss=pages * os.sysconf("SC_PAGE_SIZE"),
                descriptors=len(list((proc / "fd").iterdir())),
            )
        )
        time.sleep(0.1)
    return samples


def choose(samples: list[Sample], part: tuple[float, float]) -> list[Sample]:
    return [sample for sample in samples if part[0] * N <= sample.asked <= part[1] * N]


def measure_rate(samples: list[Sample]) -> float:
    first, last = samples[0], samples[-1]
    return (last.asked - first.asked) / (last.at - first.at)
