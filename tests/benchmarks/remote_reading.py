"""What is read of a large bin to get 400 records out of it, from a server and from disk.

Run `python -m tests.benchmarks.remote_reading` in the folder that holds `tests/`. The bin has the
shape of a real one, 262,144 records in 8 GB, but is sparse: all other records are holes. The index
has 26 such layers. Each way runs in a process of its own, so that time and peak memory are its own;
the server is on loopback, so that the seconds are those of clerp and not of a network.
"""

import gzip
import json
import os
import random
import struct
import subprocess
import sys
import tempfile
import time
from itertools import accumulate
from pathlib import Path

from tests.loopback import Asked, Loopback, Reply, answer_file, serve

N_FEATURES, N_LAYERS, N_ASKED, LAYER = 262_144, 26, 400, 12
HOLE_BYTES = 2**15
COMMIT = "0" * 40
REPOSITORY = "owner/transcoders"
WAYS = ("first run", "second run", "offline", "folder")
COLUMNS = ("way", "requests", "bytes of the bin", "/ of the records", "seconds", "peak MB")


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "features"
        folder.mkdir()
        asked = sorted(random.Random(0).sample(range(N_FEATURES), N_ASKED))
        n_record_bytes = write_bin(folder, asked)
        shape = (folder / f"layer_{LAYER}.bin").stat()
        print(
            f"{N_ASKED} records of together {n_record_bytes:,} bytes in a bin of"
            f" {shape.st_size:,} ({shape.st_blocks * 512:,} on disk); index of {N_LAYERS} layers:"
            f" {(folder / 'index.json.gz').stat().st_size:,} bytes packed"
        )
        with serve(lambda request: answer(folder, request)) as server:
            rows = [measure(way, Path(scratch), asked, server, n_record_bytes) for way in WAYS]
    show([COLUMNS, *rows])


def write_bin(folder: Path, asked: list[int]) -> int:
    """Write the asked records among holes; return the bytes of the records."""
    records = {index: make_record(index) for index in asked}
    sizes = (len(records[n]) if n in records else HOLE_BYTES for n in range(N_FEATURES))
    offsets = list(accumulate(sizes, initial=0))
    with (folder / f"layer_{LAYER}.bin").open("wb") as file:
        for index, record in records.items():
            file.seek(offsets[index])
            file.write(record)
        file.truncate(offsets[-1])
    index = [{"filename": f"layer_{n}.bin", "offsets": offsets} for n in range(N_LAYERS)]
    (folder / "index.json.gz").write_bytes(gzip.compress(json.dumps(index).encode(), 1))
    return sum(map(len, records.values()))


def make_record(index: int) -> bytes:
    rng = random.Random(index)
    examples = [
        {
            "tokens": [f" {rng.randrange(10**6)}" for _ in range(120)],
            "tokens_acts_list": [round(rng.random(), 3) for _ in range(120)],
        }
        for _ in range(20)
    ]
    record = {
        "index": index,
        "examples_quantiles": [{"quantile_name": "Top", "examples": examples}],
    }
    packed = gzip.compress(json.dumps(record).encode())
    return struct.pack("<I", len(packed)) + packed


def answer(folder: Path, request: Asked) -> Reply:
    reply = answer_file(folder / request.path.rpartition("/")[2], request)
    return Reply(reply.body, reply.status, {"X-Repo-Commit": COMMIT, **reply.headers})


def measure(
    way: str, scratch: Path, asked: list[int], server: Loopback, n_record_bytes: int
) -> tuple[str, ...]:
    server.requests.clear()
    environment = {
        **os.environ,
        "HF_ENDPOINT": server.address,
        "CLERP_CACHE": str(scratch / "cache"),
    }
    child = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.remote_reading", way, str(scratch / "features")],
        input=json.dumps(asked),
        env=environment,
        capture_output=True,
        check=True,
        text=True,
    )
    cost = json.loads(child.stdout)
    served = sum(last - first + 1 for first, last in filter(None, server.ranges))
    touched = cost["bytes"] if way == "folder" else served
    return (
        way,
        str(len(server.requests)),
        f"{touched:,}",
        f"{touched / n_record_bytes:.2f}",
        f"{cost['seconds']:.2f}",
        f"{cost['peak_mb']:.0f}",
    )


def read(way: str, folder: str) -> None:
    """Read in this process and print what it cost."""
    from clerp.evidence import FeatureEvidence
    from clerp.evidence.folder import FolderSource
    from clerp.feature import FeatureId
    from clerp_circuit_tracer.huggingface import HuggingFaceSource

    features = [FeatureId(LAYER, index) for index in json.load(sys.stdin)]
    start = time.perf_counter()
    source = FolderSource(folder) if way == "folder" else HuggingFaceSource(REPOSITORY)
    if way == "offline":
        source = HuggingFaceSource(REPOSITORY).offline()
    # After the index of the folder was read: what follows are records.
    before = read_counter("io", "rchar")
    items = list(source.read(features))
    cost = {
        "seconds": time.perf_counter() - start,
        "bytes": read_counter("io", "rchar") - before,
        # Not ru_maxrss, which begins at what the parent held.
        "peak_mb": read_counter("status", "VmHWM") / 1024,
    }
    if not all(isinstance(item, FeatureEvidence) for item in items):
        raise SystemExit("not every record was read")
    print(json.dumps(cost))


def read_counter(file: str, name: str) -> int:
    lines = (Path("/proc/self") / file).read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


def show(rows: list[tuple[str, ...]]) -> None:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)))


if __name__ == "__main__":
    read(*sys.argv[1:]) if sys.argv[1:] else main()
