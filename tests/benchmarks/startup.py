"""What `import clerp` and `clerp --help` cost beside the interpreter's own start.

Run `python tests/benchmarks/startup.py`. The three ways take turns, each in a new process. Times
are wall seconds of this machine; the difference to bare Python is clerp's own.
"""

import statistics
import subprocess
import sys
import time

ROUNDS = 15
WAYS = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "import clerp": [sys.executable, "-c", "import clerp"],
    "clerp --help": [sys.executable, "-c", "from clerp.cli import main; main()", "--help"],
}


def measure(command: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def main() -> None:
    times: dict[str, list[float]] = {way: [] for way in WAYS}
    for _ in range(ROUNDS):
        for way, command in WAYS.items():
            times[way].append(measure(command))
    bare = statistics.median(times["python -c pass"])
    for way, measured in times.items():
        median = statistics.median(measured)
        print(
            f"{way:16} median {median:.3f} s, of that clerp {median - bare:.3f} s, "
            f"worst {max(measured):.3f} s"
        )


if __name__ == "__main__":
    main()
