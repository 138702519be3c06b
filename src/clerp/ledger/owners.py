"""Who holds a lease, and whether that process still runs."""

import hashlib
import os
import platform
import re
import uuid
from functools import cache
from pathlib import Path

_PROCESSES = Path("/proc")
_WRITTEN = re.compile(r"([0-9a-f]{16})-([0-9]+)-([0-9]+)-[0-9a-f]{8}")
_ENDED = {"Z", "X"}
_ended_here: set[str] = set()
"""Owners whose run in this process is over."""


def name_owner() -> str:
    """Name this run, another time each call, for the leases that it takes.

    Other processes can tell from it whether this one still runs, where the system says so (Linux).
    """
    pid = os.getpid()
    return f"{_name_machine()}-{pid}-{_find_start(pid) or 0}-{uuid.uuid4().hex[:8]}"


def end_owner(owner: str) -> None:
    """Say that a run of this process is over.

    Leases that it could not give back, on a full disk for one, are nobody's then.
    """
    _ended_here.add(owner)


def is_gone(owner: str) -> bool:
    """Say whether it is sure that an owner has ended: its process, or its run in this one.

    Args:
        owner: Of a lease; one that `name_owner` did not name, or that runs on another machine, is
            never known to be gone.
    """
    if owner in _ended_here:
        return True
    written = _WRITTEN.fullmatch(owner)
    if written is None or written[1] != _name_machine() or written[3] == "0":
        return False
    return _find_start(int(written[2])) != int(written[3])


@cache
def _name_machine() -> str:
    # Containers of one machine may share its name, but not their numbers of processes.
    boot = _PROCESSES / "sys/kernel/random/boot_id"
    numbering = _PROCESSES / "self/ns/pid"
    parts = (
        platform.node(),
        boot.read_text() if boot.exists() else "",
        str(numbering.readlink()) if numbering.is_symlink() else "",
    )
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def _find_start(pid: int) -> int | None:
    """Return when a process began, in ticks since the machine did; None if it does not run."""
    try:
        stat = (_PROCESSES / str(pid) / "stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The second field, the program's name in brackets, may hold anything.
    state, *fields = stat.rpartition(")")[2].split()
    return None if state in _ENDED else int(fields[18])
