"""The file in which an output grows before it takes its place.

Whoever is killed leaves it behind. A writer holds a lock on its own as long as it lives, by which
the next one to write there can tell what is nobody's, and clears it away.
"""

import os
import re
import secrets
import sys
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Temporary:
    """An open file beside the one that it is to replace."""

    path: Path
    descriptor: int


@contextmanager
def open_temporary(target: Path) -> Generator[Temporary]:
    """Open a new file beside another; it is gone in the end, unless it was renamed.

    What killed writers of the same target left there is removed, too.

    Raises:
        OSError: None can be made there.
        ValueError: The path cannot be one, or names no file.
    """
    # First: on a full disk, the new file may need their room.
    _clear_abandoned(target)
    temporary = _create(target)
    try:
        yield temporary
    finally:
        # The first failure is the one to report, and a folder that refuses it refuses this too.
        with suppress(OSError):
            temporary.path.unlink(missing_ok=True)
        os.close(temporary.descriptor)


def _create(target: Path) -> Temporary:
    while True:
        path = target.with_name(f".{target.name}.{secrets.token_hex(4)}.tmp")
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        if _keep(descriptor):
            return Temporary(path, descriptor)
        os.close(descriptor)


def _keep(descriptor: int) -> bool:
    """Lock a new file; say whether it is there still, and not taken for an abandoned one."""
    try:
        _lock(descriptor)
    except BlockingIOError:
        return False
    except OSError:
        # A file system without locks: nobody can lock another one's file there to remove it.
        return True
    return os.fstat(descriptor).st_nlink > 0


def _lock(descriptor: int) -> None:
    """Lock an open file, or raise: BlockingIOError where another one has, else OSError."""
    if sys.platform == "win32":
        raise OSError("no locks of this kind")
    import fcntl

    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _clear_abandoned(target: Path) -> None:
    if sys.platform == "win32":
        return
    written = re.compile(rf"\.{re.escape(target.name)}\.[0-9a-f]{{8}}\.tmp")
    # Tidying is not what the caller is here for: a folder that cannot be listed can be written to.
    with suppress(OSError):
        for path in target.parent.iterdir():
            if written.fullmatch(path.name):
                _remove_abandoned(path)


def _remove_abandoned(path: Path) -> None:
    with suppress(OSError):
        descriptor = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            _lock(descriptor)
            path.unlink()
        finally:
            os.close(descriptor)
