"""The review page over a long queue: how long pages and decisions take, and what memory does.

Copies of the bundled graphs' real features fill the queue. Beside pages and decisions stands a
file of the same server, which is the floor: a round trip through the same checks.

    python -m tests.benchmarks.review_page [ITEMS] [DECISIONS]
"""

import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import numpy as np

import clerp
from clerp.feature import FeatureId
from clerp.ledger import QueueItem, TranscoderSet, open_ledger
from clerp.ledger.queue import hash_key
from clerp.ledger.record import Shown, Snapshot
from clerp.ledger.review_reads import QueueFilter

SAMPLE = Path(__file__).parents[2] / "graphs" / "smollm2-135m"
GRAPHS = ("capital-of-france", "counting-to-six", "east-and-west", "man-in-the-mirror")
N_ITEMS, N_DECISIONS = 20_000, 5_000
_CSRF = re.compile(r'name="csrf-token" content="([^"]+)"')
_SEEN = re.compile(r'"seen": ?(\d+)')


@dataclass
class Times:
    """Milliseconds."""

    page: list[float] = field(default_factory=list)
    decision: list[float] = field(default_factory=list)
    file: list[float] = field(default_factory=list)


def main() -> None:
    n_items, n_decisions = (*map(int, sys.argv[1:]), *(N_ITEMS, N_DECISIONS)[len(sys.argv) - 1 :])
    with TemporaryDirectory() as folder:
        ledger = Path(folder) / "clerp.db"
        fill(ledger, n_items)
        print(f"{n_items:,} features in the queue, {ledger.stat().st_size / 2**20:,.0f} MiB")
        with serving(ledger) as (process, address):
            measure(process, address, n_decisions)


def fill(ledger: Path, n_items: int) -> None:
    """Queue copies of real features, each under a number of its own."""
    source = ledger.with_name("source.db")
    clerp.label([SAMPLE / f"{name}.json" for name in GRAPHS], ledger=source)
    with open_ledger(str(source)) as opened, opened.reading_review() as reads:
        entries = reads.list_entries(QueueFilter(with_artefacts=True))
        real = reads.find_items([entry.item for entry in entries])
        kept = {hash_key(item.key): reads.find_snapshots(hash_key(item.key)) for item in real}
        transcoders = real[0].key.transcoders
        graphs = {name: reads.find_graph_snapshot(transcoders, name) for name in GRAPHS}
    copies = [copy(real[n % len(real)], n // len(real)) for n in range(n_items)]
    shown = Shown(
        features={new.key: keep(kept[hash_key(old.key)][""]) for old, new in copies},
        occurrences={
            (new.key, graph): keep(content)
            for old, new in copies
            for graph, content in kept[hash_key(old.key)].items()
            if graph
        },
        graphs={name: keep(content) for name, content in graphs.items() if content},
    )
    items = [new for _, new in copies]
    with open_ledger(str(ledger)) as opened:
        opened.queue_features(
            items,
            transcoders=TranscoderSet(transcoders.name, transcoders.revision),
            graphs=list(GRAPHS),
            run_id="benchmark",
            shown=shown,
        )


def copy(item: QueueItem, number: int) -> tuple[QueueItem, QueueItem]:
    feature = item.key.feature
    moved = FeatureId(feature.layer, feature.index + 100_000 * number, feature.kind)
    return item, replace(item, key=replace(item.key, feature=moved))


def keep(content: bytes) -> Snapshot:
    return Snapshot("benchmark", lambda: content)


@contextmanager
def serving(ledger: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    clerp_ = [sys.executable, "-c", "from clerp.cli import main; main()"]
    options = ["--port", "0", "--no-browser", "--review-cover", "1", "--artefacts"]
    command = [*clerp_, "review", "--ledger", str(ledger), *options]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        yield process, process.stderr.readline().split()[-1]
    finally:
        process.terminate()
        process.wait(20)


def measure(process: subprocess.Popen[str], address: str, n_decisions: int) -> None:
    times = Times()
    with httpx.Client(follow_redirects=True, timeout=60) as client:
        client.get(address)
        page = client.get(address.partition("enter?")[0])
        origin = f"{page.url.scheme}://{page.url.netloc.decode()}"
        csrf = _find(_CSRF, page.text)
        place = page.url.path
        print(f"page: {len(page.content) / 1024:,.0f} KiB")
        print("decisions  memory")
        for number in range(n_decisions + 1):
            if number % (n_decisions // 5) == 0:
                print(f"{number:9,}  {read_memory(process.pid):,.0f} MiB")
            shown = timed(times.page, lambda place=place: client.get(f"{origin}{place}"))
            answer = timed(
                times.decision,
                lambda place=place, shown=shown, number=number: client.post(
                    f"{origin}{place}/decision",
                    json={
                        "act": "edit",
                        "label": f"name {number}",
                        "seen": int(_find(_SEEN, shown.text)),
                        "saw_proposal": True,
                        "saw_others": False,
                        "seconds": 1.0,
                    },
                    headers={"x-csrf-token": csrf, "origin": origin},
                ),
            )
            place = answer.json()["next"]
            timed(times.file, lambda: client.get(f"{origin}/static/review.css"))
    print("milliseconds    median    p95    p99   p95 / that of a file")
    floor = float(np.percentile(times.file, 95))
    for name, taken in (("page", times.page), ("decision", times.decision), ("file", times.file)):
        middle, high, top = np.percentile(taken, (50, 95, 99))
        print(f"{name:12} {middle:9.1f} {high:6.1f} {top:6.1f} {high / floor:10.1f}")


def timed(times: list[float], ask: Callable[[], httpx.Response]) -> httpx.Response:
    started = time.perf_counter()
    answer = ask()
    times.append(1000 * (time.perf_counter() - started))
    answer.raise_for_status()
    return answer


def read_memory(pid: int) -> float:
    """Return what a process holds in memory, in MiB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(_find(re.compile(r"VmRSS:\s+(\d+) kB"), status)) / 1024


def _find(pattern: re.Pattern[str], text: str) -> str:
    found = pattern.search(text)
    assert found is not None, pattern.pattern
    return found[1]


if __name__ == "__main__":
    main()
