"""Calls per second of each transport, alone: the rate that everything above it is held against.

Run `python -m tests.benchmarks.llm_calls` in the folder that holds `tests/`. The server runs in a
process of its own, so that it does not share the client's interpreter; it answers after a latency,
and the ideal is as many calls as its latency lets through at that concurrency.
"""

import asyncio
import multiprocessing
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection

from tests.fake_llm import always_good, make_request, run_fake_llm

from clerp.labelers.methods import find_method
from clerp.llm import LitellmTransport, Prompt, Transport
from clerp.llm.http_transport import HttpTransport

N_CALLS, CONCURRENCY = 2000, 64
LATENCIES = (0.0, 0.05)
COLUMNS = ("transport", "latency", "calls/s", "of the ideal", "of http")


def main() -> None:
    prompt = find_method("max-act-logits").build(make_request()).prompt
    print(f"{N_CALLS:,} calls, {CONCURRENCY} at once, {os.cpu_count()} cores")
    print(" | ".join(f"{name:>12}" for name in COLUMNS))
    for latency in LATENCIES:
        with serve_elsewhere(latency) as address:
            rates = {
                "http": asyncio.run(measure(HttpTransport(f"m@{address}"), prompt)),
                "litellm": asyncio.run(measure(open_litellm(address), prompt)),
            }
        for name, rate in rates.items():
            ideal = f"{rate * latency / CONCURRENCY:.2f}" if latency else "-"
            row = (name, f"{latency:g} s", f"{rate:.0f}", ideal, f"{rate / rates['http']:.2f}")
            print(" | ".join(f"{cell:>12}" for cell in row))


async def measure(transport: Transport, prompt: Prompt) -> float:
    """Return calls per second once everything is imported and connected."""
    try:
        await bare_loop(transport, [prompt] * CONCURRENCY)
        started = time.perf_counter()
        await bare_loop(transport, [prompt] * N_CALLS)
        return N_CALLS / (time.perf_counter() - started)
    finally:
        await transport.aclose()


async def bare_loop(transport: Transport, prompts: Iterable[Prompt]) -> None:
    """Ask all, so many at once, with nothing around it."""
    left = iter(prompts)

    async def work() -> None:
        for prompt in left:
            await transport.complete(prompt)

    await asyncio.gather(*[work() for _ in range(CONCURRENCY)])


@contextmanager
def serve_elsewhere(latency: float) -> Iterator[str]:
    """Run a server in a process of its own that always answers well; yield its address."""
    spawn = multiprocessing.get_context("spawn")
    here, there = spawn.Pipe()
    process = spawn.Process(target=_serve, args=(there, latency))
    process.start()
    # Who waits for a server that did not come up is told so.
    there.close()
    try:
        yield here.recv()
    finally:
        here.send("close")
        process.join()


def open_litellm(address: str) -> LitellmTransport:
    os.environ.update(OPENAI_API_BASE=address, OPENAI_API_KEY="unused")
    return LitellmTransport("openai/m")


def _serve(parent: Connection, latency: float) -> None:
    with run_fake_llm(always_good, latency=latency) as fake:
        parent.send(fake.address)
        parent.recv()


if __name__ == "__main__":
    main()
