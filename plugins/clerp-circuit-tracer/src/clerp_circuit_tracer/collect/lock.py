"""One process at a time on a folder that is being written."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from clerp.errors import OutputError


@contextmanager
def hold_folder(out: Path) -> Iterator[None]:
    """Keep other processes off a folder and the unfinished work beside it.

    The lock ends with the process, however it ends; a file that is left behind holds nobody up.

    Raises:
        OutputError: Another process holds it, or nothing can be written there.
    """
    path = out.with_name(f".{out.name}.lock")
    try:
        descriptor = _open_locked(path)
    except BlockingIOError as error:
        raise OutputError(
            "another process is collecting here",
            where=str(out),
            remedy="Wait for it, or name another folder",
        ) from error
    except OSError as error:
        raise OutputError(
            f"cannot be written: {error.strerror}", where=str(out), remedy="Name another folder"
        ) from error
    try:
        yield
    finally:
        # Before the lock is gone: afterwards the file may be another process's.
        path.unlink(missing_ok=True)
        os.close(descriptor)


def _open_locked(path: Path) -> int:
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_at(path, descriptor):
                return descriptor
        except OSError:
            os.close(descriptor)
            raise
        # Its holder removed the file between our two calls.
        os.close(descriptor)


def _is_at(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False
