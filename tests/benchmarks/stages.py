"""Where the time of `clerp label` on a bundled graph goes, stage by stage.

Run `python tests/benchmarks/stages.py [GRAPH]`. Each round is a new process, the imports of heavy
libraries inside the stage that needs them; shares of the total mean something elsewhere, seconds
only on this machine.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROUNDS = 5
FRANCE = Path(__file__).parents[2] / "graphs" / "smollm2-135m" / "capital-of-france.json"


def time_stages(graph: str, folder: str) -> dict[str, float]:
    started = time.perf_counter()
    import clerp
    from clerp.progress import Progress

    times: dict[str, float] = {}
    opened: dict[str, float] = {}

    def watch(progress: Progress) -> None:
        now = time.perf_counter()
        opened.setdefault(progress.stage, now)
        times[progress.stage] = now - opened[progress.stage]

    labeled = clerp.label(graph, progress=watch, ledger=f"{folder}/clerp.db")
    finished = time.perf_counter()
    labeled.write(f"{folder}/labeled.json", target="circuit-tracer")
    times["write"] = time.perf_counter() - finished
    total = time.perf_counter() - started
    return {**times, "imports, ledger, rest": total - sum(times.values()), "all": total}


def main() -> None:
    graph = sys.argv[1] if len(sys.argv) > 1 else str(FRANCE)
    rounds: list[dict[str, float]] = []
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, __file__, "--once", graph, folder]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
        rounds.append(json.loads(done.stdout))
    total = statistics.median(once["all"] for once in rounds)
    for stage in rounds[0]:
        median = statistics.median(once[stage] for once in rounds)
        print(f"{stage:22} {median:6.3f} s  {median / total:4.0%}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--once"]:
        print(json.dumps(time_stages(*sys.argv[2:4])))
    else:
        main()
