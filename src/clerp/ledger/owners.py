"""Who holds a lease, and whether that process still runs."""

import hashlib
import os
import platform
import re
import uuid
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_PROCESSES = Path("/proc")
_WRITTEN = re.compile(r"([0-9a-f]{16})-([1-9][0-9]{0,8})-([0-9]{1,20})-[0-9a-f]{8}")
_ENDED = {"Z", "X"}
_ended_here: set[str] = set()
"""Owners whose run in this process is over."""


def name_owner() -> str:
    """Name this run, another time each call, for the leases that it takes.

    Other processes can tell from it whether this one still runs, where the system says so (Linux).
    """
    pid = os.getpid()
    shown = _look_up(pid)
    start = 0 if shown is None else shown.start
    return f"{_name_machine()}-{pid}-{start}-{uuid.uuid4().hex[:8]}"


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
    pid, start = int(written[2]), int(written[3])
    if not _runs(pid):
        return True
    shown = _look_up(pid)
    return shown is not None and (shown.has_ended or shown.start != start)


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


@dataclass(frozen=True, slots=True)
class _Shown:
    start: int
    """Ticks since the machine started."""
    has_ended: bool
    """It waits only for its parent to look at how it ended."""


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        # It is somebody else's.
        return True
    return True


def _look_up(pid: int) -> _Shown | None:
    """Return what the system tells of a process; None where it tells nothing.

    That says nothing of whether it runs: a system may hide all that is somebody else's (`hidepid`
    of proc(5)).
    """
    try:
        stat = (_PROCESSES / str(pid) / "stat").read_text()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return None
    # The second field, the program's name in brackets, may hold anything.
    state, *fields = stat.rpartition(")")[2].split()
    return _Shown(start=int(fields[18]), has_ended=state in _ENDED)
