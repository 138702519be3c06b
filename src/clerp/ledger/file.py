"""The file of an open ledger."""

import os
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from clerp.errors import LedgerError
from clerp.ledger.place import mask_password


@dataclass(frozen=True, slots=True)
class LedgerFile:
    """A file by its name, and which one it was when it was opened."""

    path: Path
    device: int
    inode: int
    is_shared: bool
    """Whether it was open elsewhere, in this process or another one, when it was opened."""

    @staticmethod
    def of(path: Path, *, is_shared: bool) -> "LedgerFile":
        """Take the file that has this name now."""
        found = path.stat()
        return LedgerFile(path.absolute(), found.st_dev, found.st_ino, is_shared)

    def check(self) -> None:
        """Check that it still has its name: what is written into a deleted file is gone.

        Raises:
            LedgerError: It was deleted, or another one is in its place.
        """
        try:
            found = self.path.stat()
        except OSError as fault:
            raise self._report("was deleted or cannot be reached") from fault
        if (found.st_dev, found.st_ino) != (self.device, self.inode):
            raise self._report("was replaced by another file")

    def _report(self, what: str) -> LedgerError:
        return LedgerError(
            f"the ledger {what} while it was open; nothing more is written",
            where=mask_password(str(self.path)),
            remedy="Put it back, then run the same command again",
        )


def is_open(path: Path) -> bool:
    """Say whether a ledger's file is open anywhere; to be asked before one opens it oneself.

    Raises:
        sqlite3.Error: It cannot be read.
    """
    # The last to close a file takes its log away; a process that was killed leaves it.
    real = path.resolve()
    # Who may not write cannot take it, and does no harm either.
    if not (real.with_name(f"{real.name}-wal").exists() and os.access(real, os.W_OK)):
        return False
    # Opened so, a file with a log is taken whole, which fails while anybody has it.
    with closing(sqlite3.connect(path, timeout=0)) as connection:
        connection.execute("PRAGMA locking_mode=EXCLUSIVE")
        try:
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        except sqlite3.OperationalError as fault:
            if not fault.sqlite_errorname.startswith("SQLITE_BUSY"):
                raise
            return True
    return False
