"""Labels per second of the whole way to a label, beside the transport alone and the ideal.

Run `python -m tests.benchmarks.llm_labels` in the folder that holds `tests/`. The whole way is
prompt, key, lease in the ledger, pace, request, answer on disk, checks: everything that a label of
`LlmLabeler` takes, over a ledger in a file. Features are those of the bundled graphs, with a digest
of their own each time they come. The bare loop sends the same prompts, written beforehand. The
server runs in a process of its own and answers after a latency; the ideal is as many calls as that
lets through at that concurrency. Processor time is that of the labelling process with all its
threads: it tells the two apart on a machine that others use, too.
"""

import asyncio
import logging
import os
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import cycle, islice
from pathlib import Path

from tests.benchmarks.llm_calls import CONCURRENCY, bare_loop, open_litellm, serve_elsewhere
from tests.benchmarks.prompt_tokens import make_requests as make_bundled

from clerp.labelers import LabelRequest
from clerp.labelers.llm import LlmLabeler
from clerp.labelers.methods import find_method
from clerp.labels import Label
from clerp.ledger import Ledger, open_ledger
from clerp.llm import Prompt, Transport
from clerp.llm.http_transport import HttpTransport

LATENCIES = (0.05, 2.0)
BARE_SECONDS = 6.0
"""That a bare loop takes at least, or all its calls."""
COLUMNS = (
    "transport",
    "latency",
    "labels/s",
    "bare calls/s",
    "labels / bare",
    "wall / ideal",
    "ms a label",
    "ms a bare call",
    "again, s",
)


@dataclass(frozen=True)
class Way:
    """A transport and how many labels it is asked for."""

    name: str
    open: Callable[[str], Transport]
    n: int


WAYS = (
    Way("http", lambda address: HttpTransport(f"m@{address}"), 2000),
    Way("litellm", open_litellm, 1000),
)


@dataclass(frozen=True)
class Spent:
    """What so many calls took."""

    n: int
    seconds: float
    processor_seconds: float

    def __add__(self, other: "Spent") -> "Spent":
        return Spent(
            self.n + other.n,
            self.seconds + other.seconds,
            self.processor_seconds + other.processor_seconds,
        )

    @property
    def rate(self) -> float:
        return self.n / self.seconds

    @property
    def milliseconds(self) -> float:
        """Processor time of each."""
        return 1000 * self.processor_seconds / self.n


def main() -> None:
    # wordllama, when it is imported, lets every library write down all that it does.
    logging.getLogger().setLevel(logging.WARNING)
    requests = make_requests(max(way.n for way in WAYS))
    numbers = ", ".join(f"{way.n:,} labels over {way.name}" for way in WAYS)
    print(f"{numbers}, {CONCURRENCY} at once, {os.cpu_count()} cores")
    print(" | ".join(f"{name:>14}" for name in COLUMNS))
    for way in WAYS:
        for latency in LATENCIES:
            cells = measure(way, latency, requests[: way.n])
            print(" | ".join(f"{cell:>14}" for cell in cells), flush=True)


def measure(way: Way, latency: float, requests: list[LabelRequest]) -> list[str]:
    with ExitStack() as opened:
        address = opened.enter_context(serve_elsewhere(latency))
        folder = Path(opened.enter_context(tempfile.TemporaryDirectory()))
        ledger = opened.enter_context(open_ledger(str(folder / "clerp.db")))
        cells = asyncio.run(compare(way.open(address), ledger, latency, requests))
    return [way.name, f"{latency:g} s", *cells]


async def compare(
    transport: Transport, ledger: Ledger, latency: float, requests: list[LabelRequest]
) -> list[str]:
    method = find_method("max-act-logits")
    n_bare = min(len(requests), int(BARE_SECONDS / latency) * CONCURRENCY)
    prompts: list[Prompt] = [method.build(request).prompt for request in requests[:n_bare]]
    # Connections and imports are there before either is measured.
    await bare_loop(transport, prompts[:CONCURRENCY])
    before = await spend(n_bare, bare_loop(transport, prompts))
    labeler = LlmLabeler(transport, method).with_ledger(ledger)
    labels = await spend(len(requests), label_all(labeler, requests))
    again = await spend(len(requests), label_all(labeler, requests))
    # Beside it on both sides: a machine that others use too is not always as fast.
    bare = before + await spend(n_bare, bare_loop(transport, prompts))
    await labeler.aclose()
    ideal = -(-len(requests) // CONCURRENCY) * latency
    return [
        f"{labels.rate:.0f}",
        f"{bare.rate:.0f}",
        f"{labels.rate / bare.rate:.2f}",
        f"{labels.seconds / ideal:.2f}",
        f"{labels.milliseconds:.2f}",
        f"{bare.milliseconds:.2f}",
        f"{again.seconds:.2f}",
    ]


async def spend(n: int, work: Awaitable[object]) -> Spent:
    started, processor = time.perf_counter(), time.process_time()
    await work
    return Spent(n, time.perf_counter() - started, time.process_time() - processor)


async def label_all(labeler: LlmLabeler, requests: Iterable[LabelRequest]) -> None:
    """Label as a run does, so many at once."""
    left = iter(requests)

    async def work() -> None:
        for request in left:
            assert isinstance(await labeler.label(request), Label)

    await asyncio.gather(*[work() for _ in range(CONCURRENCY)])


def make_requests(n: int) -> list[LabelRequest]:
    """Make n features of the bundled ones, 824 of them again and again."""
    return [
        replace(request, evidence=replace(request.evidence, digest=f"{number:064x}"))
        for number, request in enumerate(islice(cycle(make_bundled()), n))
    ]


if __name__ == "__main__":
    main()
