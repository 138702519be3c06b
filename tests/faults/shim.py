"""Runs in which a system call fails (`shim.c`)."""

import errno
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.faults.place import Place

_HERE = Path(__file__).parent
OLD = b"what was there before"


@dataclass(frozen=True)
class Fault:
    """What happens at one point of a run."""

    name: str
    code: int = 0
    """0 kills the process, in the middle of a write."""
    lasts: bool = False
    """At every later point, too."""

    def __str__(self) -> str:
        return self.name


NONE = Fault("none", errno.EIO)
KILL = Fault("kill -9")
FULL = Fault("ENOSPC", errno.ENOSPC, lasts=True)
BROKEN = Fault("EIO", errno.EIO)
READ_ONLY = Fault("EROFS", errno.EROFS, lasts=True)
FAULTS = (FULL, KILL, BROKEN, READ_ONLY)


@dataclass(frozen=True)
class Ended:
    """How a run ended."""

    code: int
    err: str
    points: tuple[str, ...]
    """The calls that could fail, those that did included."""


@dataclass(frozen=True)
class Shelved(Place):
    """A place whose output and ledger have folders of their own."""

    @property
    def out(self) -> Path:
        return self.folder / "shelf-of-output" / "graph.labeled.json"

    @property
    def ledger(self) -> Path:
        return self.folder / "shelf-of-ledger" / "clerp.db"

    def list_arguments(self, *flags: object, concurrency: int = 16) -> list[str]:
        shelves = ("--out", self.out, "--ledger", self.ledger)
        return super().list_arguments("--llm-all", *shelves, *flags, concurrency=concurrency)

    def begin_anew(self) -> None:
        """Have an old output, and nothing else that a run left."""
        for shelf in (self.out.parent, self.ledger.parent):
            shutil.rmtree(shelf, ignore_errors=True)
            shelf.mkdir()
        (self.folder / "acknowledged").unlink(missing_ok=True)
        self.out.write_bytes(OLD)


@dataclass(frozen=True)
class FaultyRuns:
    """Runs of one place, one after the other."""

    place: Shelved
    process: "subprocess.Popen[str]"

    def run(self, below: str, *flags: str, nth: int = 0, fault: Fault = NONE) -> Ended:
        """Run to the end; the point number nth, from 1, of all below a path fails."""
        order = {
            "below": below,
            "nth": nth,
            "code": fault.code,
            "lasts": fault.lasts,
            "arguments": self.place.list_arguments(*flags, concurrency=4),
        }
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        code = int(self.process.stdout.readline())
        err, points = ((self.place.folder / name).read_text() for name in ("stderr", "points"))
        return Ended(code, err, tuple(points.split()))


def build_shim(folder: Path) -> Path:
    """Compile `shim.c`, or skip the test where nothing can."""
    compiler = shutil.which("cc")
    if compiler is None or sys.platform != "linux":
        pytest.skip("needs a C compiler and Linux")
    built = folder / "shim.so"
    flags = ("-shared", "-fPIC", "-O2", "-Wall", "-Wextra", "-Werror")
    subprocess.run([compiler, *flags, "-o", built, _HERE / "shim.c", "-ldl"], check=True)
    return built


@contextmanager
def start_faulty_runs(place: Shelved, shim: Path) -> Iterator[FaultyRuns]:
    """Start what runs are forked from."""
    with subprocess.Popen(
        [sys.executable, _HERE / "faulty_runs.py"],
        cwd=place.folder,
        env={**os.environ, "LD_PRELOAD": str(shim)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield FaultyRuns(place, process)
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(30) == 0
