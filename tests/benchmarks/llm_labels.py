"""Labels per second of the whole way to a label, beside the transport alone and the ideal.

Run `python -m tests.benchmarks.llm_labels` in the folder that holds `tests/`. The whole way is
prompt, key, lease in the ledger, pace, request, answer on disk, checks: everything that a label of
`LlmLabeler` takes, over a ledger in a file. The server runs in a process of its own and answers
after a latency; the ideal is as many calls as that lets through at that concurrency. The bare loop
asks one and the same prompt.
"""

import asyncio
import os
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from tests.benchmarks.llm_calls import CONCURRENCY, bare_loop, serve_elsewhere
from tests.fake_llm import make_request

from clerp import testing
from clerp.labelers import LabelRequest
from clerp.labelers.llm import LlmLabeler
from clerp.labelers.methods import find_method
from clerp.labels import Label
from clerp.ledger import open_ledger
from clerp.llm.http_transport import HttpTransport

N_LABELS = 2000
LATENCIES = (0.05, 2.0)
BARE_SECONDS = 6.0
"""That a bare loop takes at least, or all its calls."""
COLUMNS = ("latency", "labels/s", "bare calls/s", "labels / bare", "wall / ideal", "again, s")
WORDS = ("Ohio", "Utah", "Iowa", "Maine", "Texas", "Idaho", "Kansas", "Nevada", "Oregon", "Alaska")


def main() -> None:
    print(f"{N_LABELS:,} labels, {CONCURRENCY} at once, {os.cpu_count()} cores")
    print(" | ".join(f"{name:>13}" for name in COLUMNS))
    for latency in LATENCIES:
        with serve_elsewhere(latency) as address, tempfile.TemporaryDirectory() as folder:
            cells = asyncio.run(measure(address, Path(folder), latency))
        print(" | ".join(f"{cell:>13}" for cell in cells))


async def measure(address: str, folder: Path, latency: float) -> list[str]:
    requests = make_requests(N_LABELS)
    transport = HttpTransport(f"m@{address}")
    # Connections and imports are there before either is measured.
    prompt = find_method("max-act-logits").build(make_request()).prompt
    await bare_loop(transport, prompt, CONCURRENCY)
    n_bare = min(N_LABELS, int(BARE_SECONDS / latency) * CONCURRENCY)
    before = await bare_loop(transport, prompt, n_bare)
    with open_ledger(str(folder / "clerp.db")) as ledger:
        labeler = LlmLabeler(transport).with_ledger(ledger)
        seconds = await label_all(labeler, requests)
        again = await label_all(labeler, requests)
        # Beside it on both sides: a machine that others use too is not always as fast.
        bare = (before + await bare_loop(transport, prompt, n_bare)) / 2
        await labeler.aclose()
    rate = N_LABELS / seconds
    ideal = -(-N_LABELS // CONCURRENCY) * latency
    return [
        f"{latency:g} s",
        f"{rate:.0f}",
        f"{bare:.0f}",
        f"{rate / bare:.2f}",
        f"{seconds / ideal:.2f}",
        f"{again:.2f}",
    ]


async def label_all(labeler: LlmLabeler, requests: list[LabelRequest]) -> float:
    """Label as a run does, so many at once; return the seconds."""
    left = iter(requests)

    async def work() -> None:
        for request in left:
            assert isinstance(await labeler.label(request), Label)

    started = time.perf_counter()
    await asyncio.gather(*[work() for _ in range(CONCURRENCY)])
    return time.perf_counter() - started


def make_requests(n: int) -> list[LabelRequest]:
    """Make features whose examples differ, of 49 tokens as in real evidence."""
    return [make_feature(number) for number in range(n)]


def make_feature(number: int) -> LabelRequest:
    texts = tuple(
        tuple(
            f" {WORDS[(number + 3 * i + place * place) % len(WORDS)]}{number}"
            for place in range(49)
        )
        for i in range(len(WORDS))
    )
    evidence = testing.make_evidence(texts, peak=24, promoted=(" Austin", " Columbus"))
    request = testing.make_request(replace(evidence, digest=f"{number:064x}"), "cross")
    return replace(request, activations=(1.0,))


if __name__ == "__main__":
    main()
