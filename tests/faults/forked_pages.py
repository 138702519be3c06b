"""`clerp review` again and again, in a process of its own each time.

Reads an order a line and answers with the id of the process, which is forked from this one: that
has imported all that a page needs, which takes longer than a page lives. Where the order holds a
fault, it is one of `shim.c`.
"""

import ctypes
import json
import os
import signal
import sys
from typing import Any

import psycopg  # noqa: F401

from clerp.cli import main


def run(order: dict[str, Any]) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.dup2(os.open(order["err"], os.O_WRONLY), 2)
    if "fault" in order:
        fault = order["fault"]
        points = os.open(fault["points"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        below = fault["below"].encode()
        ctypes.CDLL(None).fault_arm(below, fault["nth"], fault["code"], fault["lasts"], points)
    sys.argv = ["clerp", "review", *order["arguments"]]
    main()


def serve() -> None:
    # Nobody asks how they ended.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            run(json.loads(line))
        sys.stdout.write(f"{child}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    serve()
