"""The command line again and again, in a process of its own each time, with a fault in each.

Reads an order a line and answers with the exit code. A run is forked from this process, which has
imported all that it needs: that takes longer than the run. The faults are those of `shim.c`.
"""

import ctypes
import json
import os
import sys
from pathlib import Path
from typing import Any

from telling_run import tell_on

import clerp.labelers.llm
import clerp.llm.http_transport
import clerp.pipeline
import clerp.report.table  # noqa: F401
from clerp.cli import main


def run(order: dict[str, Any]) -> None:
    for descriptor, name in ((1, "stdout"), (2, "stderr")):
        os.dup2(open_new(name), descriptor)
    tell_on(Path())
    below = order["below"].encode()
    points = open_new("points")
    ctypes.CDLL(None).fault_arm(below, order["nth"], order["code"], order["lasts"], points)
    sys.argv = ["clerp", *order["arguments"]]
    main()


def open_new(name: str) -> int:
    return os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)


def serve() -> None:
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            run(json.loads(line))
        status = os.waitpid(child, 0)[1]
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    serve()
