"""Whether tier 1 earns its place: what each way to label one graph asks, costs and takes.

Run `python -m tests.benchmarks.llm_tiers` in the folder that holds `tests/`. The graph is the
bundled `capital-of-france.json` under the default rule. Prompt tokens are counted by the tokenizer
that ships (wordllama's), answer tokens are those of the scripted answer. The server is scripted:
it answers everything with one name after a fixed latency, so that calls, tokens, cost and time can
be compared and quality cannot.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.benchmarks.prompt_tokens import SHIPPED, make_counter
from tests.fake_llm import GOOD_ANSWER, Asked, FakeLlm, Reply, chat, run_fake_llm

SAMPLE = Path(__file__).parents[2] / "graphs" / "smollm2-135m"
GRAPH = SAMPLE / "capital-of-france.json"
LARGE, SMALL = "large", "small"
PRICES = {LARGE: (3.0, 15.0), SMALL: (0.15, 0.6)}
"""US dollars per million tokens of prompt and answer."""
LATENCIES = {LARGE: 2.0, SMALL: 0.5}
CONCURRENCY = 64
COLUMNS = ("", "labelled", "calls", "prompt tok.", "answer tok.", "cost, $", "asking, s", "run, s")


@dataclass(frozen=True)
class Outcome:
    labelled: str
    calls: int
    prompt_tokens: int
    answer_tokens: int
    cost_usd: float
    asking_seconds: float
    """From the first request to the last answer."""
    seconds: float
    """Of the whole run: imports, evidence, routing, asking, writing."""

    def write(self, name: str) -> tuple[str, ...]:
        return (
            name,
            self.labelled,
            f"{self.calls}",
            f"{self.prompt_tokens:,}",
            f"{self.answer_tokens:,}",
            f"{self.cost_usd:.4f}",
            f"{self.asking_seconds:.1f}",
            f"{self.seconds:.1f}",
        )


def main() -> None:
    with run_fake_llm(Scripted().respond) as fake:
        ways = list_ways(fake.address)
        measured = {name: label(fake, flags) for name, flags in ways.items()}
    print(f"{GRAPH.name}, {CONCURRENCY} calls at once, scripted server: quality is not compared")
    for model, (asked, answered) in PRICES.items():
        print(
            f"{model} model: ${asked:g} and ${answered:g} per million tokens of prompt and answer, "
            f"{LATENCIES[model]:g} s a call"
        )
    rows = [COLUMNS, *(outcome.write(name) for name, outcome in measured.items())]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for first, *cells in rows:
        line = [first.ljust(widths[0]), *map(str.rjust, cells, widths[1:])]
        print("  ".join(line))


def list_ways(address: str) -> dict[str, tuple[str, ...]]:
    large = ("--llm", f"http:{LARGE}@{address}")
    small = ("--refine", f"http:{SMALL}@{address}")
    return {
        "token frequency": (),
        "  + --refine small": small,
        "  + --llm large": large,
        "  + both": (*large, *small),
        "--llm-all large": (*large, "--llm-all"),
        "--llm-all small": ("--llm", f"http:{SMALL}@{address}", "--llm-all"),
    }


class Scripted:
    """Answers with one name and bills the tokens that there are."""

    def __init__(self) -> None:
        self.count: Callable[[str], float] = make_counter(SHIPPED)
        self.answered = int(self.count(json.dumps(GOOD_ANSWER)))

    def respond(self, asked: Asked) -> Reply:
        sent = [message["content"] for message in asked.body["messages"]]
        schema = asked.body["response_format"]["json_schema"]["schema"]
        tokens = sum(map(self.count, [*sent, json.dumps(schema, separators=(",", ":"))]))
        reply = chat(GOOD_ANSWER, model=asked.body["model"])
        reply.body["usage"] = {"prompt_tokens": int(tokens), "completion_tokens": self.answered}
        return Reply(reply.body, latency=LATENCIES[asked.body["model"]])


def label(fake: FakeLlm, flags: tuple[str, ...]) -> Outcome:
    """Label the graph with a ledger of its own."""
    fake.received.clear()
    with tempfile.TemporaryDirectory() as folder:
        write_prices(Path(folder))
        started = time.perf_counter()
        run_clerp(folder, *flags)
        seconds = time.perf_counter() - started
        document = json.loads((Path(folder) / "out.json").read_text())
    features: list[dict[str, Any]] = list(document["metadata"]["clerp"]["features"].values())
    status = Counter(feature["status"] for feature in features)
    costs = [feature["details"] for feature in features if "cost_usd" in feature["details"]]
    return Outcome(
        labelled=f"{status['labeled']} of {len(features)}",
        calls=len(fake.received),
        prompt_tokens=sum(cost["prompt_tokens"] for cost in costs),
        answer_tokens=sum(cost["completion_tokens"] for cost in costs),
        cost_usd=sum(cost["cost_usd"] for cost in costs),
        asking_seconds=measure_asking(fake.received),
        seconds=seconds,
    )


def measure_asking(received: list[Asked]) -> float:
    moments = [(asked.at, asked.at + LATENCIES[asked.body["model"]]) for asked in received]
    if not moments:
        return 0.0
    return max(end for _, end in moments) - min(start for start, _ in moments)


def run_clerp(folder: str, *flags: str) -> None:
    script = "from clerp.cli import main; main()"
    usual = ("--out", "out.json", "--concurrency", str(CONCURRENCY), "--rows", "0")
    ended = subprocess.run(
        [sys.executable, "-c", script, "label", str(GRAPH), *usual, *flags],
        cwd=folder,
        env={name: value for name, value in os.environ.items() if not re.match("CLERP_", name)},
        capture_output=True,
        text=True,
        check=False,
    )
    if ended.returncode != 0:
        sys.exit(f"{' '.join(flags)}: {ended.stderr}")


def write_prices(folder: Path) -> None:
    (folder / "clerp.toml").write_text(
        "".join(
            f'[prices."http:{model}"]\ninput = {asked}\noutput = {answered}\n'
            for model, (asked, answered) in PRICES.items()
        )
    )


if __name__ == "__main__":
    main()
